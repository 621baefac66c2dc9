"""Variables of `$LATEST`: in effect when the call returns, also where an earlier attempt has written them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from orchestrator.aws.lambda_.environment_variables import FunctionEnvironment
from orchestrator.domain.errors import LockLost, Refused, Throttled, Unreachable
from tests.fakes.errors import client_error

OLD, NEW = {"STATE_TABLE": "old"}, {"STATE_TABLE": "new"}


class Lambda:
    """A function whose configuration is applied when it has been waited for; each waiting ends with `outcome`."""

    def __init__(self, variables: Mapping[str, str] | None, status: str = "Successful", outcome: str = "Successful"):
        self.variables, self.status, self.outcome = variables, status, outcome
        self.refuses: Exception | None = None
        self.changed_to: Mapping[str, str] | None = None
        self.written: list[Mapping[str, str]] = []
        self.waited = 0

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        environment = {} if self.variables is None else {"Environment": {"Variables": dict(self.variables)}}
        return {**environment, "LastUpdateStatus": self.status, "RevisionId": f"r-{len(self.written)}"}

    def update_function_configuration(self, *, FunctionName: str, Environment: Any, RevisionId: str) -> None:  # noqa: N803
        if self.refuses:
            raise self.refuses
        assert RevisionId == f"r-{len(self.written)}"
        self.variables, self.status = Environment["Variables"], "InProgress"
        self.written.append(self.variables)

    def get_waiter(self, name: str) -> Lambda:
        assert name == "function_updated_v2"
        return self

    def wait(self, *, FunctionName: str, WaiterConfig: Mapping[str, int]) -> None:  # noqa: N803
        assert WaiterConfig["Delay"] * WaiterConfig["MaxAttempts"] < 60, "a task has 60 s"
        self.waited += 1
        if self.outcome != "Successful":
            raise WaiterError(name="FunctionUpdatedV2", reason=self.outcome, last_response={})
        self.status = "Successful"
        self.variables = self.changed_to or self.variables


def update(client: Lambda, fence: Any = lambda: None) -> bool:
    return FunctionEnvironment(client).update_variables("f", lambda _: NEW, fence)


@pytest.mark.parametrize("variables", [OLD, None])
def test_variables_are_written_and_in_effect_when_the_call_returns(variables):
    client = Lambda(variables)
    assert update(client)
    assert (client.written, client.status) == ([NEW], "Successful")


def test_variables_that_are_in_effect_are_neither_written_nor_waited_for():
    client = Lambda(NEW)
    assert not update(client)
    assert (client.written, client.waited) == ([], 0)


def test_a_retry_waits_until_what_the_first_attempt_wrote_is_in_effect():
    client = Lambda(NEW, "InProgress")
    assert not update(client)
    assert (client.written, client.status) == ([], "Successful")


@pytest.mark.parametrize("variables", [OLD, NEW])
def test_a_change_that_is_not_applied_in_time_is_an_error_of_the_first_attempt_and_of_every_retry(variables):
    client = Lambda(variables, "InProgress" if variables == NEW else "Successful", "Max attempts exceeded")
    for _ in range(2):
        with pytest.raises(Unreachable, match="f did not apply its variables"):
            update(client)
    assert len(client.written) == (variables == OLD)


@pytest.mark.parametrize("variables", [OLD, NEW])
def test_variables_that_another_client_changes_meanwhile_are_refused(variables):
    client = Lambda(variables, "InProgress" if variables == NEW else "Successful")
    client.changed_to = {"STATE_TABLE": "theirs"}
    with pytest.raises(Refused, match="another client changed its variables"):
        update(client)


@pytest.mark.parametrize(
    ("code", "error"), [("PreconditionFailedException", Refused), ("ResourceConflictException", Throttled)]
)
def test_a_function_that_another_client_is_changing_is_not_written(code, error):
    client = Lambda(OLD)
    client.refuses = client_error(code, "another update is in progress")
    with pytest.raises(error):
        update(client)
    assert client.variables == OLD


def test_a_lost_lock_writes_nothing():
    def lost() -> None:
        raise LockLost("taken over")

    client = Lambda(OLD)
    with pytest.raises(LockLost):
        update(client, lost)
    assert client.written == []
