"""Events: what EventBridge refuses inside an answer of 200 is noticed and tried again."""

from __future__ import annotations

import pytest

from orchestrator.aws.messages import ATTEMPTS, Bus
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
    Bus(events, "bus").put("DeploymentPlanned", {"deployment": "d-1"})
    assert len(events.calls) == 2
    assert events.calls[0] == events.calls[1]


def test_an_entry_that_stays_refused_is_an_error_that_names_event_and_bus():
    events = RefusingEvents(refusals=ATTEMPTS)
    with pytest.raises(Throttled, match="DeploymentPlanned was refused by the bus ib-oauth-test: InternalFailure"):
        Bus(events, "ib-oauth-test").put("DeploymentPlanned", {})
    assert len(events.calls) == ATTEMPTS
