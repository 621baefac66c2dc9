"""Change the environment variables of `$LATEST`, such as the names of the tables to use, and read them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import BUSY, error_code, translate_errors
from orchestrator.domain.errors import Refused, Unreachable

POLL_SECONDS, POLLS = 1, 40
"""Lambda takes a moment to apply a configuration; a task has 60 s."""


class FunctionEnvironment:
    """The environment variables of functions.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def update_variables(
        self,
        function_name: str,
        changed: Callable[[Mapping[str, str]], Mapping[str, str]],
        fence: Callable[[], None],
    ) -> bool:
        """Change the variables of a function's `$LATEST`, and wait until they are in effect.

        Args:
            function_name: the function's name.
            changed: maps the current variables to the wanted ones.
            fence: called right before the write; raises LockLost if the lock is lost.

        Returns:
            False if nothing had to be changed. The variables are in effect then, too.

        Raises:
            Refused: another client has changed the function or its variables.
            Throttled: Lambda is busy with another change of the function, which may be an earlier attempt of ours.
            Unreachable: Lambda did not apply the change in time.
        """
        with translate_errors():
            configuration = self._client.get_function_configuration(FunctionName=function_name)
        variables: Mapping[str, str] = (configuration.get("Environment") or {}).get("Variables") or {}
        wanted = changed(variables)
        if wanted == variables:
            if configuration.get("LastUpdateStatus") == "InProgress":  # of an attempt that did not wait to the end
                self._wait_for(function_name, wanted)
            return False
        fence()
        try:
            with translate_errors(**BUSY):
                self._client.update_function_configuration(
                    FunctionName=function_name,
                    Environment={"Variables": dict(wanted)},
                    RevisionId=configuration["RevisionId"],
                )
        except ClientError as error:
            if error_code(error) != "PreconditionFailedException":
                raise
            raise Refused(
                "release", f"{function_name}:$LATEST", "another client is changing it: stop that first"
            ) from error
        self._wait_for(function_name, wanted)
        return True

    def _wait_for(self, function_name: str, wanted: Mapping[str, str]) -> None:
        settings = {"Delay": POLL_SECONDS, "MaxAttempts": POLLS}
        try:
            with translate_errors():
                self._client.get_waiter("function_updated_v2").wait(FunctionName=function_name, WaiterConfig=settings)
        except Unreachable as error:
            raise Unreachable(f"{function_name} did not apply its variables: {error}") from error
        with translate_errors():
            configuration = self._client.get_function_configuration(FunctionName=function_name)
        if (configuration.get("Environment") or {}).get("Variables") != dict(wanted):
            raise Refused(
                "release", f"{function_name}:$LATEST", "another client changed its variables: stop that first"
            )
