"""Events: what EventBridge refuses inside an answer of 200 is noticed and tried again."""

from __future__ import annotations

import pytest

from orchestrator.aws.notifications import ATTEMPTS, SUBJECT_LIMIT, Bus, Topics
from orchestrator.domain.errors import Throttled


class RefusingEvents:
    """Refuses the first entries that it is given."""

    def __init__(self, refusals):
        self.refusals, self.calls = refusals, []

    def put_events(self, Entries):  # noqa: N803 - botocore's spelling
        self.calls.append(Entries)
        if len(self.calls) <= self.refusals:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "m"}]}
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}


def test_an_entry_that_is_refused_once_is_put_again():
    events = RefusingEvents(refusals=1)
    Bus(events, "bus").put_event("DeploymentPlanned", {"deployment": "d-1"})
    assert len(events.calls) == 2
    assert events.calls[0] == events.calls[1]


def test_an_entry_that_stays_refused_is_an_error_that_names_event_and_bus():
    events = RefusingEvents(refusals=ATTEMPTS)
    with pytest.raises(Throttled, match="DeploymentPlanned was rejected by the bus ib-oauth-test: InternalFailure"):
        Bus(events, "ib-oauth-test").put_event("DeploymentPlanned", {})
    assert len(events.calls) == ATTEMPTS


class Sns:
    """Keeps what is published."""

    def __init__(self):
        self.calls = []

    def publish(self, **params):
        self.calls.append(params)


@pytest.mark.parametrize(
    ("subject", "published"),
    [
        ("prod: deployment succeeded", "prod: deployment succeeded"),
        ("prod: \x1b[2Jline\nbreak\r", r"prod: \x1b[2Jline\nbreak\r"),
        ("prod: café \u202e", r"prod: caf? \u202e"),
        ("x" * 200, "x" * SUBJECT_LIMIT),
    ],
)
def test_a_subject_is_one_that_sns_takes(subject, published):
    sns = Sns()
    Topics(sns).publish("topic", subject, "text")
    assert [call["Subject"] for call in sns.calls] == [published]


def test_a_message_has_its_lines_and_no_escape_codes():
    sns = Sns()
    Topics(sns).publish("topic", "subject", "reason: \x1b]0;owned\x07\nby: 日\u200c本\n")
    assert sns.calls[0]["Message"] == "reason: \\x1b]0;owned\\x07\nby: 日\u200c本\n"
