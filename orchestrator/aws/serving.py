"""Functions that serve a drill: made of a live version's own code. Who cleans up removes them (remains.py).

Facts of AWS Lambda that this rests on: GetFunction gives a signed address of the deployment package of the very version that was
asked for, good for ten minutes; CreateFunction takes a package of up to 50 MB in the call; CodeSha256 is the SHA-256 of the package,
so the same package has the same one; a new function is Pending, and cannot be invoked before it is Active.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.versions import BEHAVIOUR
from orchestrator.domain.errors import Refused, Unreachable

MAX_PACKAGE_BYTES = 50 * 1024 * 1024
TIMEOUT_SECONDS = 20
MADE_OF = ("Architectures", "EphemeralStorage", "Handler", "Layers", "MemorySize", "Runtime", "Timeout")
"""What of a version's configuration is given as it is to the function that is made of it."""


@dataclass(frozen=True)
class Served:
    """A function that serves a drill, as Lambda describes it. `problem` says why it cannot be called yet, or at all."""

    name: str
    code_sha256: str
    configuration: Mapping[str, Any]
    problem: str
    failed: bool


class Serving:
    """Functions that serve drills.

    Args:
        client: botocore's Lambda client.
        fetch: gets what is at an address, up to so many bytes.
    """

    def __init__(self, client: Any, fetch: Callable[[str], bytes] | None = None) -> None:
        self._client = client
        self._fetch = fetch or download

    def package(self, function_name: str, version: str) -> bytes:
        """The deployment package of a version.

        Raises:
            Unreachable: it could not be fetched.
        """
        with narrowed():
            found = self._client.get_function(FunctionName=function_name, Qualifier=version)
        return self._fetch(found["Code"]["Location"])

    def find(self, name: str) -> Served | None:
        """Look at a function; None where there is none."""
        try:
            with narrowed():
                found = self._client.get_function_configuration(FunctionName=name)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        state = found.get("State", "Active")
        return Served(
            name=name,
            code_sha256=found["CodeSha256"],
            configuration={key: found[key] for key in BEHAVIOUR if found.get(key)},
            problem="" if state == "Active" else f"{name} is {state}: {found.get('StateReason', 'no reason is given')}",
            failed=state == "Failed",
        )

    def make(
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
        """Make a function of a version's package and configuration; one that is there already is left as it is.

        Args:
            name: the function's.
            package: the code.
            like: the version's configuration.
            variables: its own.
            role: ARN.
            log_group: where it logs.
            tags: whose it is.

        Raises:
            Refused: Lambda does not take it.
        """
        tracing = {"TracingConfig": {"Mode": like["TracingConfig"]["Mode"]}} if "TracingConfig" in like else {}
        try:
            with narrowed():
                self._client.create_function(
                    FunctionName=name,
                    Code={"ZipFile": package},
                    Role=role,
                    Environment={"Variables": dict(variables)},
                    LoggingConfig={"LogGroup": log_group},
                    Tags=dict(tags),
                    **{key: like[key] for key in MADE_OF if key in like and key != "Layers"},
                    **tracing,
                )
        except ClientError as error:
            code = code_of(error)
            if code == "ResourceConflictException":
                return
            if code in {
                "InvalidParameterValueException",
                "RequestEntityTooLargeException",
                "CodeStorageExceededException",
            }:
                raise Refused(name, code, f"Lambda does not make it: {error}") from error
            raise


def download(address: str) -> bytes:
    """Get what is at a signed address.

    Raises:
        Unreachable: no answer in time, or more than a package may have.
    """
    try:
        with urlopen(address, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - Lambda names the address
            content: bytes = answer.read(MAX_PACKAGE_BYTES + 1)
    except (URLError, OSError) as error:
        raise Unreachable(f"the package of a version: {error}") from error
    if len(content) > MAX_PACKAGE_BYTES:
        raise Unreachable(f"the package of a version has more than {MAX_PACKAGE_BYTES} bytes")
    return content
