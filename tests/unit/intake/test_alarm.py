"""An alarm rings: which deployment it undoes, how often, and what is written down where it undoes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.records import Ending, Kind, Phase, Shift
from orchestrator.intake import alarm
from tests.fakes.clouds import execution_arn
from tests.samples import ALARM, NOW, deployment, seconds

ROLLBACK = execution_arn("rollback", "rollback-d-1-1")
IN_FLIGHT = deployment(phase=Phase.SHIFTING, shifts=(Shift(0, 10, NOW - seconds(30)),), epoch=1)


def rings(event_id="event-1", arn=ALARM, state="ALARM", at=NOW):
    detail = {
        "alarmName": "token-server-errors",
        "state": {"value": state, "timestamp": at.isoformat(), "reason": "5xx above 5 %"},
    }
    return alarm.handler({"id": event_id, "resources": [arn], "detail": detail}, None)["answer"]


def fly(cloud, flying=IN_FLIGHT):
    cloud.ledger.take_claim(cloud.ledger.claim(), flying.execution, flying.id, Kind.DEPLOYMENT, NOW)
    cloud.ledger.open(flying)


def test_a_deployment_in_flight_is_rolled_back_and_the_alarm_is_why(cloud, states, events):
    fly(cloud)
    assert rings() == "token-server-errors rang and the deployment is in flight"
    assert states.pending == [ROLLBACK]
    (trigger,) = cloud.ledger.triggers("d-1")
    assert (trigger.source, trigger.reason) == ("alarm", "token-server-errors: 5xx above 5 %")
    (signal,) = cloud.ledger.signals(5)
    assert (signal.acted, signal.deployment, signal.id) == (True, "d-1", "event-1")
    assert [kind for kind, _ in events.put] == ["RollbackStarted"]


def test_the_same_event_delivered_twice_rolls_back_once(cloud, states):
    fly(cloud)
    rings()
    rings()
    assert list(states.executions) == [ROLLBACK]
    assert len(cloud.ledger.signals(5)) == 1


def test_two_alarms_of_one_cause_roll_back_once(cloud, states):
    fly(cloud)
    rings("event-1")
    rings("event-2", at=NOW + seconds(1))
    assert list(states.executions) == [ROLLBACK]
    assert len(cloud.ledger.signals(5)) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "OK"}, "the alarm went to OK, and only ALARM undoes a deployment"),
        ({"arn": "arn:aws:cloudwatch:us-west-1:1:alarm:other"}, "the alarm is none of this service's"),
        ({"at": NOW - seconds(60)}, "the alarm rang before the deployment shifted traffic"),
        ({"at": NOW - seconds(3600)}, "the event is 3600 s old"),
    ],
)
def test_what_says_nothing_about_the_deployment_is_written_down_and_undoes_nothing(cloud, states, events, changes, why):
    fly(cloud)
    assert rings(**changes) == why
    assert states.executions == {}
    (signal,) = cloud.ledger.signals(5)
    assert (signal.acted, signal.why) == (False, why)
    assert [(kind, detail["reason"]) for kind, detail in events.put] == [("RollbackSkipped", why)]


def test_without_any_deployment_there_is_nothing_to_undo(cloud, states):
    assert rings() == "there was never a deployment"
    assert states.executions == {}


def test_a_deployment_that_has_just_succeeded_is_undone(cloud, states):
    done = replace(IN_FLIGHT, ending=Ending.SUCCEEDED, ended_at=NOW - seconds(60))
    cloud.ledger.open(done)
    assert rings() == "token-server-errors rang and the deployment ended inside its rollback window"
    assert states.pending == [ROLLBACK]


def test_a_refused_deployment_since_does_not_hide_the_one_that_shifted_traffic(cloud, states):
    cloud.ledger.open(replace(IN_FLIGHT, ending=Ending.SUCCEEDED, ended_at=NOW - seconds(60)))
    refused = deployment(id="d-2", ending=Ending.REFUSED, ended_at=NOW - seconds(5), requested_at=NOW - seconds(6))
    cloud.ledger.open(refused)
    rings()
    assert states.pending == [ROLLBACK]
