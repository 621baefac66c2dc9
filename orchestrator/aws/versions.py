"""Lambda versions: what `$LATEST` and a version hold, and publishing one guarded."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused
from orchestrator.domain.release import Latest

LATEST = "$LATEST"

# What of a configuration changes how the function behaves; names, sizes, dates and revisions do not.
BEHAVIOUR = (
    "Architectures", "DeadLetterConfig", "Environment", "EphemeralStorage", "FileSystemConfigs", "Handler",
    "KMSKeyArn", "Layers", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig", "VpcConfig",
)  # fmt: skip


class Versions:
    """Published versions and `$LATEST` of functions.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def describe(self, function_name: str, version: str = LATEST) -> Latest:
        """Read what a version consists of.

        Raises:
            Refused: there is no such function or version.
        """
        try:
            with narrowed():
                found = self._client.get_function_configuration(FunctionName=function_name, Qualifier=version)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise Refused("function", f"{function_name}:{version}", "deploy the service stack first") from error
            raise
        if (found.get("Environment") or {}).get("Error"):
            # Lambda leaves out what the caller may not decrypt: the release would be named without its settings.
            remedy = "let this role use the key that its variables are encrypted with"
            raise Refused("function", f"{function_name}:{version}", remedy)
        update, state = found.get("LastUpdateStatus", "Successful"), found.get("State", "Active")
        return Latest(
            function_name=function_name,
            version=found["Version"],
            revision=found["RevisionId"],
            code_sha256=found["CodeSha256"],
            role=found.get("Role", ""),
            dead_letter=(found.get("DeadLetterConfig") or {}).get("TargetArn", ""),
            configuration={key: found[key] for key in BEHAVIOUR if found.get(key)},
            ready=(update, state) in {("Successful", "Active"), ("Successful", "Inactive")},
            not_ready_reason=f"LastUpdateStatus {update}, State {state}",
        )

    def publish(self, function_name: str, *, code_sha256: str, revision: str, signature: str) -> str:
        """Publish `$LATEST` as it was planned, or find the version that an earlier try of ours published.

        Lambda returns the existing version where nothing changed since the last one.

        Args:
            function_name: whose `$LATEST`.
            code_sha256: the code that was planned.
            revision: the `$LATEST` that was planned; CodeSha256 ignores configuration, so this guards it.
            signature: the description; a retry after a lost response recognises its own version by it.

        Raises:
            Refused: `$LATEST` is not what was planned.
        """
        try:
            with narrowed():
                made = self._client.publish_version(
                    FunctionName=function_name, CodeSha256=code_sha256, RevisionId=revision, Description=signature
                )
        except ClientError as error:
            if code_of(error) not in {"PreconditionFailedException", "InvalidParameterValueException"}:
                raise
            ours = self._published_by(function_name, signature)
            if ours is None:
                remedy = "it changed while the deployment was being prepared; start the deployment again"
                raise Refused("release", f"{function_name}:{LATEST}", remedy) from error
            return ours
        return str(made["Version"])

    def _published_by(self, function_name: str, signature: str) -> str | None:
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=function_name)
        versions = [version for page in pages for version in page["Versions"]]
        return next((found["Version"] for found in versions if found.get("Description") == signature), None)
