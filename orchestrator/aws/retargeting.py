"""Telling the service's functions which tables to use: the environment variables of `$LATEST`, changed and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.errors import Refused, Unreachable

POLL_SECONDS, POLLS = 1, 40
"""Lambda takes a moment to take over a configuration; a task has 60 s."""


class Retargeting:
    """The environment variables of functions.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def change(
        self,
        function_name: str,
        changed: Callable[[Mapping[str, str]], Mapping[str, str]],
        fence: Callable[[], None],
    ) -> bool:
        """Change the variables of a function's `$LATEST`, and wait until that has taken effect; False where nothing differs.

        Args:
            function_name: whose.
            changed: gives the variables as they are to be.
            fence: called right before the write; raises ClaimLost where the claim is gone.

        Raises:
            Refused: somebody else changes the function at this moment, or Lambda did not take the change.
        """
        with narrowed():
            found = self._client.get_function_configuration(FunctionName=function_name)
        variables: Mapping[str, str] = (found.get("Environment") or {}).get("Variables") or {}
        wanted = changed(variables)
        if wanted == variables:
            return False
        fence()
        try:
            with narrowed():
                self._client.update_function_configuration(
                    FunctionName=function_name,
                    Environment={"Variables": dict(wanted)},
                    RevisionId=found["RevisionId"],
                )
        except ClientError as error:
            if code_of(error) not in {"PreconditionFailedException", "ResourceConflictException"}:
                raise
            raise Refused(
                "release", f"{function_name}:$LATEST", "somebody else is changing it: stop that first"
            ) from error
        self._await(function_name, wanted)
        return True

    def _await(self, function_name: str, wanted: Mapping[str, str]) -> None:
        settings = {"Delay": POLL_SECONDS, "MaxAttempts": POLLS}
        try:
            self._client.get_waiter("function_updated_v2").wait(FunctionName=function_name, WaiterConfig=settings)
        except WaiterError as error:
            raise Unreachable(f"{function_name} did not take over its variables: {error}") from error
        with narrowed():
            found = self._client.get_function_configuration(FunctionName=function_name)
        if (found.get("Environment") or {}).get("Variables") != dict(wanted):
            raise Refused("release", f"{function_name}:$LATEST", "somebody else changed its variables: stop that first")
