"""What writers saw of a change of a policy."""

import json
from random import Random

import pytest

from orchestrator.aws.dynamodb.raw_client import DynamoDBError
from orchestrator.smoke.policy_spread import Attempt, Spread, Writers, denial, spread_of
from tests.contract.waiting import eventually

CHANGED = 1000.0


@pytest.mark.parametrize("denies", [True, False])
def test_the_spread_is_from_the_first_new_to_the_last_previous_answer(denies):
    attempts = [
        Attempt(CHANGED - 5, not denies),
        Attempt(CHANGED + 1, not denies),
        Attempt(CHANGED + 2.5, denies),
        Attempt(CHANGED + 7.25, not denies),
        Attempt(CHANGED + 9, denies),
    ]
    Random(1).shuffle(attempts)
    assert spread_of(attempts, CHANGED, denies=denies) == Spread(first=2.5, last_before=7.25, attempts=4)


def test_what_no_writer_saw_is_none():
    assert spread_of([Attempt(CHANGED + 1, denied=False)], CHANGED, denies=True) == Spread(None, 1.0, 1)
    assert spread_of([Attempt(CHANGED - 1, denied=True)], CHANGED, denies=True) == Spread(None, None, 0)


class Connection:
    """Answers as DynamoDB does, and knows how many connections there were."""

    opened = closed = 0

    def __init__(self, code: str):
        type(self).opened += 1
        self._code = code

    def call(self, operation, params, decode):
        assert (operation, params["TableName"]) == ("DeleteItem", "t")
        raise DynamoDBError(self._code)

    def close(self):
        type(self).closed += 1


def test_every_write_is_over_a_new_connection_and_other_errors_say_nothing(monkeypatch):
    monkeypatch.setattr("orchestrator.smoke.policy_spread.PAUSE_SECONDS", 0.001)
    codes = iter(["AccessDeniedException", "ConditionalCheckFailedException", "ValidationException"] * 1000)
    with Writers("t", lambda: Connection(next(codes)), 1) as writers:
        eventually(lambda: len(writers.attempts) >= 4)
    assert [attempt.denied for attempt in writers.attempts[:4]] == [True, False, True, False]
    assert Connection.opened == Connection.closed > len(writers.attempts)


def test_the_denial_is_a_policy_of_one_statement():
    (statement,) = json.loads(denial("arn:t"))["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Resource"]) == ("Deny", "*", "arn:t")
