"""Isolated functions of drills: created from a live version's own package, and removed by the drill's cleanup.

Facts of AWS Lambda that this relies on:

- GetFunction returns a signed URL of the deployment package of the requested version, valid for ten minutes.
- CreateFunction accepts a package of up to 50 MB in the call.
- CodeSha256 is the SHA-256 of the package, so equal packages have the same one.
- A new function is Pending, and cannot be invoked before it is Active.
- GetFunction of an unqualified name returns the function's tags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.lambda_.versions import BEHAVIOUR_SETTINGS
from orchestrator.domain.errors import Refused, Unreachable

MAX_PACKAGE_BYTES = 50 * 1024 * 1024
TIMEOUT_SECONDS = 20
COPIED_SETTINGS = ("Architectures", "EphemeralStorage", "Handler", "Layers", "MemorySize", "Runtime", "Timeout")
"""The settings that an isolated function takes over from the live version."""


@dataclass(frozen=True)
class IsolatedFunction:
    """An isolated function as Lambda describes it.

    Attributes:
        problem: why it cannot be invoked; empty if it can.
        tags: its tags. A function of the same name that has others is not the drill's.
    """

    name: str
    code_sha256: str
    configuration: Mapping[str, Any]
    problem: str
    failed: bool
    tags: Mapping[str, str]


class IsolatedFunctions:
    """Isolated functions.

    Args:
        client: botocore's Lambda client.
        fetch: downloads the content of a URL.
    """

    def __init__(self, client: Any, fetch: Callable[[str], bytes] | None = None) -> None:
        self._client = client
        self._fetch = fetch or download

    def download_package(self, function_name: str, version: str) -> bytes:
        """Download the deployment package of a version.

        Raises:
            Unreachable: the download failed.
        """
        with translate_errors():
            function = self._client.get_function(FunctionName=function_name, Qualifier=version)
        return self._fetch(function["Code"]["Location"])

    def find_function(self, name: str) -> IsolatedFunction | None:
        """Describe a function; None if it does not exist."""
        try:
            with translate_errors():
                function = self._client.get_function(FunctionName=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        configuration = function["Configuration"]
        state = configuration.get("State", "Active")
        return IsolatedFunction(
            name=name,
            code_sha256=configuration["CodeSha256"],
            configuration={key: configuration[key] for key in BEHAVIOUR_SETTINGS if configuration.get(key)},
            problem=""
            if state == "Active"
            else f"{name} is {state}: {configuration.get('StateReason', 'no reason is given')}",
            failed=state == "Failed",
            tags=function.get("Tags") or {},
        )

    def create_function(
        self,
        name: str,
        package: bytes,
        like: Mapping[str, Any],
        *,
        variables: Mapping[str, str],
        role: str,
        log_group: str,
        tags: Mapping[str, str],
    ) -> None:
        """Create a function from a version's package and configuration; an existing one stays as it is.

        Args:
            name: the function's name.
            package: the deployment package.
            like: the version's configuration.
            variables: the function's environment variables.
            role: ARN of its role.
            log_group: the log group's name.
            tags: the function's tags.

        Raises:
            Refused: Lambda rejects it.
        """
        tracing = {"TracingConfig": {"Mode": like["TracingConfig"]["Mode"]}} if "TracingConfig" in like else {}
        try:
            with translate_errors():
                self._client.create_function(
                    FunctionName=name,
                    Code={"ZipFile": package},
                    Role=role,
                    Environment={"Variables": dict(variables)},
                    LoggingConfig={"LogGroup": log_group},
                    Tags=dict(tags),
                    **{key: like[key] for key in COPIED_SETTINGS if key in like and key != "Layers"},
                    **tracing,
                )
        except ClientError as error:
            code = error_code(error)
            if code == "ResourceConflictException":
                return
            if code in {
                "InvalidParameterValueException",
                "RequestEntityTooLargeException",
                "CodeStorageExceededException",
            }:
                raise Refused(name, code, f"Lambda rejects it: {error}") from error
            raise


def download(address: str) -> bytes:
    """Download a package from a signed URL.

    Raises:
        Unreachable: no response in time, or more bytes than a package may have.
    """
    try:
        with urlopen(address, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - Lambda provides the URL
            content: bytes = response.read(MAX_PACKAGE_BYTES + 1)
    except (URLError, OSError) as error:
        raise Unreachable(f"download of a package: {error}") from error
    if len(content) > MAX_PACKAGE_BYTES:
        raise Unreachable(f"download of a package: it has more than {MAX_PACKAGE_BYTES} bytes")
    return content
