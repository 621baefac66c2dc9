"""Lambda versions: describe `$LATEST` or a version, and publish a version only if `$LATEST` is as planned."""

from __future__ import annotations

from collections.abc import Callable
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import BUSY, error_code, translate_errors
from orchestrator.aws.lambda_.aliases import READ_AGAIN_SECONDS
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.errors import Refused

LATEST = "$LATEST"

# The settings that change how a function behaves; names, sizes, dates and revisions do not.
BEHAVIOUR_SETTINGS = (
    "Architectures", "DeadLetterConfig", "Environment", "EphemeralStorage", "FileSystemConfigs", "Handler",
    "KMSKeyArn", "Layers", "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig", "VpcConfig",
)  # fmt: skip


class Versions:
    """`$LATEST` and the published versions of functions.

    Args:
        client: botocore's Lambda client.
        sleep: waits for some seconds.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None] = sleep) -> None:
        self._client, self._sleep = client, sleep

    def describe_version(self, function_name: str, version: str = LATEST) -> FunctionVersion:
        """Describe a version. That it does not exist is believed only after a second read.

        Raises:
            Refused: there is no such function or version, or its variables cannot be decrypted.
        """
        try:
            configuration = self._read_configuration(function_name, version)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise Refused("function", f"{function_name}:{version}", "deploy the service stack first") from error
            raise
        if (configuration.get("Environment") or {}).get("Error"):
            # Lambda omits what the caller may not decrypt: the release's digest would lack the settings.
            remedy = "allow this role to use the key that encrypts its variables"
            raise Refused("function", f"{function_name}:{version}", remedy)
        update = configuration.get("LastUpdateStatus", "Successful")
        state = configuration.get("State", "Active")
        return FunctionVersion(
            function_name=function_name,
            version=configuration["Version"],
            revision=configuration["RevisionId"],
            code_sha256=configuration["CodeSha256"],
            role=configuration.get("Role", ""),
            dead_letter=(configuration.get("DeadLetterConfig") or {}).get("TargetArn", ""),
            configuration={key: configuration[key] for key in BEHAVIOUR_SETTINGS if configuration.get(key)},
            ready=(update, state) in {("Successful", "Active"), ("Successful", "Inactive")},
            not_ready_reason=f"LastUpdateStatus {update}, State {state}",
        )

    def version_exists(self, function_name: str, version: str) -> bool:
        """Return whether a function has a version. That it does not exist is believed only after a second read."""
        try:
            self._read_configuration(function_name, version)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return False
        return True

    def _read_configuration(self, function_name: str, version: str) -> Any:
        """Return Lambda's answer; read once more where a version is not found: it may not have spread yet."""
        arguments = {"FunctionName": function_name, "Qualifier": version}
        with translate_errors():
            try:
                return self._client.get_function_configuration(**arguments)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
            self._sleep(READ_AGAIN_SECONDS)
            return self._client.get_function_configuration(**arguments)

    def publish_version(self, function_name: str, *, code_sha256: str, revision: str, signature: str) -> str:
        """Publish `$LATEST` as it was planned, or return the version that an earlier attempt published.

        Lambda returns the existing version if nothing changed since the last one.

        Args:
            function_name: the function's name.
            code_sha256: the planned code.
            revision: the planned revision of `$LATEST`; it covers the configuration, which CodeSha256 does not.
            signature: the description; a retry after a lost response recognizes its own version by it.

        Raises:
            Refused: `$LATEST` is not as it was planned.
            Throttled: Lambda is busy with another change of the function, or the request limit was reached.
        """
        try:
            # ResourceConflictException: Lambda still works on another change of the function (PublishVersion, Errors).
            with translate_errors(**BUSY):
                published = self._client.publish_version(
                    FunctionName=function_name, CodeSha256=code_sha256, RevisionId=revision, Description=signature
                )
        except ClientError as error:
            if error_code(error) not in {"PreconditionFailedException", "InvalidParameterValueException"}:
                raise
            version = self._find_by_signature(function_name, signature)
            if version is None:
                remedy = "it changed while the deployment was being prepared; start the deployment again"
                raise Refused("release", f"{function_name}:{LATEST}", remedy) from error
            return version
        return str(published["Version"])

    def _find_by_signature(self, function_name: str, signature: str) -> str | None:
        with translate_errors():
            pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=function_name)
            versions = [version for page in pages for version in page["Versions"]]
        return next((version["Version"] for version in versions if version.get("Description") == signature), None)
