"""An alarm is in ALARM: which deployment it concerns, whether that is to blame, and what is recorded in either case."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from orchestrator.application.start_rollback import evaluate_lasting_alarms
from orchestrator.aws.cloudwatch.alarms import Alarms
from orchestrator.domain.deployment.record import DeploymentOutcome, DeploymentPhase, Shift
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Throttled
from orchestrator.event_handlers import alarm_state_change
from tests.fakes.clouds import execution_arn
from tests.fakes.errors import client_error
from tests.fakes.messages import FakeAlarms
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import ALARM, NOW, OTHER_ALARM, cut_over, deployment, seconds

ROLLBACK = execution_arn("rollback", "rollback-d-1-1")
IN_FLIGHT = deployment(phase=DeploymentPhase.SHIFTING, shifts=(Shift(0, 10, NOW - seconds(30)),), fencing_token=1)
BROKEN, ALIKE = FakeVersionMetrics(errors={"2": 0.8}), FakeVersionMetrics(errors={"1": 0.1, "2": 0.1})


@pytest.fixture(autouse=True)
def metrics(cloud):
    """The canary is broken, unless a test says otherwise."""
    return measure(cloud, BROKEN)


def measure(cloud, metrics):
    vars(cloud)["probe_clients"] = SimpleNamespace(metrics=metrics)
    return metrics


def fire(event_id="event-1", arn=ALARM, state="ALARM", at=NOW, reason="5xx above 5 %"):
    detail = {
        "alarmName": "token-server-errors",
        "state": {"value": state, "timestamp": at.isoformat(), "reason": reason},
    }
    return alarm_state_change.handler({"id": event_id, "resources": [arn], "detail": detail}, None)["answer"]


def start(cloud, running=IN_FLIGHT):
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), running.execution, running.id, Kind.DEPLOYMENT, NOW)
    cloud.ledger.create_record(running)


def test_a_deployment_in_flight_is_rolled_back_and_the_alarm_is_why(cloud, states, events):
    start(cloud)
    why = fire()
    assert why.startswith("token-server-errors fired and the deployment is in flight; the canary is proved worse: ")
    assert states.pending == [ROLLBACK]
    (trigger,) = cloud.ledger.read_triggers("d-1")
    assert trigger.source == "alarm"
    assert trigger.reason.startswith(
        "token-server-errors: 5xx above 5 %, with 10 % on authorize:2, public:2, token:2; the canary is proved worse: "
    )
    (record,) = cloud.ledger.read_events(5)
    assert (record.acted, record.deployment, record.id, record.why) == (True, "d-1", "event-1", why)
    assert [kind for kind, _ in events.put] == ["RollbackStarted"]


def test_the_same_event_delivered_twice_rolls_back_once(cloud, states):
    start(cloud)
    assert fire() == fire()
    assert list(states.executions) == [ROLLBACK]
    assert len(cloud.ledger.read_events(5)) == 1


def test_two_alarms_of_one_cause_roll_back_once(cloud, states):
    start(cloud)
    fire("event-1")
    fire("event-2", at=NOW + seconds(1))
    assert list(states.executions) == [ROLLBACK]
    assert len(cloud.ledger.read_events(5)) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "OK"}, "the alarm changed to OK, and only ALARM rolls back a deployment"),
        ({"arn": "arn:aws:cloudwatch:us-west-1:1:alarm:other"}, "the alarm does not belong to this service"),
        ({"at": NOW - seconds(60)}, "the alarm fired before the deployment shifted traffic"),
        ({"at": NOW - seconds(3600)}, "the event is 3600 s old"),
    ],
)
def test_what_says_nothing_about_the_deployment_is_written_down_and_undoes_nothing(cloud, states, events, changes, why):
    start(cloud)
    assert fire(**changes) == why
    assert states.executions == {}
    (record,) = cloud.ledger.read_events(5)
    assert (record.acted, record.why) == (False, why)
    assert [(kind, detail["reason"]) for kind, detail in events.put] == [("RollbackSkipped", why)]


def test_without_any_deployment_there_is_nothing_to_undo(cloud, states):
    assert fire() == "there is no deployment"
    assert states.executions == {}


def test_a_deployment_that_has_just_succeeded_is_rolled_back(cloud, states):
    done = replace(IN_FLIGHT, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW - seconds(60))
    cloud.ledger.create_record(done)
    assert fire().startswith("token-server-errors fired and the deployment ended inside its rollback window; ")
    assert states.pending == [ROLLBACK]


def test_a_refused_deployment_since_does_not_hide_the_one_that_shifted_traffic(cloud, states):
    cloud.ledger.create_record(replace(IN_FLIGHT, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW - seconds(60)))
    refused = deployment(
        id="d-2", outcome=DeploymentOutcome.REFUSED, ended_at=NOW - seconds(5), requested_at=NOW - seconds(6)
    )
    cloud.ledger.create_record(refused)
    fire()
    assert states.pending == [ROLLBACK]


WAITING = deployment(id="d-2", phase=DeploymentPhase.PAUSED, fencing_token=2, requested_at=NOW - seconds(5))


@pytest.mark.parametrize("kind", [Kind.DEPLOYMENT, Kind.ROLLBACK])
def test_a_deployment_that_has_moved_no_traffic_does_not_hide_the_one_that_did(cloud, states, kind):
    cloud.ledger.create_record(replace(IN_FLIGHT, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW - seconds(60)))
    cloud.ledger.create_record(WAITING)
    cloud.ledger.acquire_lock(cloud.ledger.read_lock(), WAITING.execution, "d-2", kind, NOW)
    fire()
    assert states.pending == [ROLLBACK]


@pytest.mark.parametrize(
    ("holder", "why"),
    [
        (WAITING, "the deployment has not shifted traffic yet"),
        (replace(WAITING, cutover=cut_over()), "the deployment has not shifted traffic yet"),
    ],
    ids=["the first deployment", "a cutover, which causes alarms itself"],
)
def test_where_the_holder_is_the_one_an_alarm_may_be_about_the_record_names_it(cloud, states, holder, why):
    if holder.cutover:
        cloud.ledger.create_record(replace(IN_FLIGHT, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW - seconds(60)))
    start(cloud, holder)
    assert fire() == why
    assert (states.executions, cloud.ledger.read_events(5)[0].deployment) == ({}, "d-2")


def test_a_restore_that_holds_the_lock_is_named_and_not_taken_for_no_deployment(cloud, states, alarms):
    lock = cloud.ledger.read_lock()
    cloud.ledger.acquire_lock(lock, execution_arn("restore", "dr-1"), "dr-1", Kind.RESTORE, NOW)
    assert fire().startswith("restore dr-1 holds the environment lock")
    assert evaluate_lasting_alarms(cloud) == ""
    cloud.ledger.create_record(replace(IN_FLIGHT, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW - seconds(60)))
    assert fire("event-2").startswith("restore dr-1 holds the environment lock")
    assert evaluate_lasting_alarms(cloud).startswith("restore dr-1 holds the environment lock")
    assert (states.executions, len(cloud.ledger.read_events(5))) == ({}, 2)


def test_a_trigger_is_one_sentence_with_value_threshold_and_versions(cloud):
    start(cloud)
    reason = (
        "Threshold Crossed: 1 out of the last 1 datapoints [16.666666666666668 (28/11/26 20:13:50)] was greater than the "
        "threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    fire(reason=reason)
    (trigger,) = cloud.ledger.read_triggers("d-1")
    assert trigger.reason.startswith(
        "token-server-errors: 1 out of the last 1 datapoints [17] was greater than the threshold (5), "
        "with 10 % on authorize:2, public:2, token:2; "
    )


def test_a_deployment_that_is_not_to_blame_goes_on_and_the_numbers_say_why(cloud, states, events):
    start(cloud)
    measure(cloud, ALIKE)
    why = fire()
    assert "; the release is not proved to be the cause: authorize:2 returns 5xx: " in why
    assert why.endswith(" to 1, needed 2000")
    assert (states.executions, cloud.ledger.read_triggers("d-1")) == ({}, [])
    (record,) = cloud.ledger.read_events(5)
    assert (record.acted, record.why, record.deployment) == (False, why, "d-1")
    assert [(kind, detail["reason"]) for kind, detail in events.put] == [("RollbackSkipped", why)]


def test_a_second_delivery_has_the_first_one_s_answer_whatever_is_measured_by_then(cloud, states, events):
    start(cloud)
    measure(cloud, ALIKE)
    why = fire()
    measure(cloud, BROKEN)
    assert fire() == why
    assert (states.executions, len(events.put)) == ({}, 1)


@pytest.mark.parametrize("unread", [FakeVersionMetrics(error=Throttled("slow down")), FakeVersionMetrics(requests=0)])
def test_evidence_that_cannot_be_read_rolls_back(cloud, states, unread):
    start(cloud, replace(IN_FLIGHT, shifts=(Shift(0, 10, NOW - seconds(120)),)))
    measure(cloud, unread)
    assert "the evidence could not be read, so it rolls back: " in fire()
    assert states.pending == [ROLLBACK]


def test_while_the_evidence_speaks_against_the_canary_it_is_read_again_for_ten_seconds(cloud, states):
    start(cloud)
    answers = iter([FakeVersionMetrics(errors={"2": 0.3}), FakeVersionMetrics(errors={"2": 0.3}), BROKEN])

    class Growing:
        def __init__(self):
            self.now = None

        def read_metrics(self, queries, window):
            if window.end != self.now:
                self.now, self.current = window.end, next(answers)
            return self.current.read_metrics(queries, window)

    assert measure(cloud, Growing())
    began = cloud.now()
    fire()
    assert states.pending == [ROLLBACK]
    assert seconds(0) <= cloud.now() - began <= seconds(10)


def test_without_proof_the_handler_stops_reading_after_ten_seconds(cloud, states):
    start(cloud)
    measure(cloud, FakeVersionMetrics(errors={"2": 0.45}, requests=4))
    began = cloud.now()
    fire()
    assert states.executions == {}
    assert seconds(0) < cloud.now() - began <= seconds(10)


# --- an alarm that stays in ALARM ----------------------------------------------------------------------------

PROMOTED = replace(
    IN_FLIGHT,
    shifts=(*IN_FLIGHT.shifts, Shift(2, 100, NOW - seconds(20))),
    outcome=DeploymentOutcome.SUCCEEDED,
    ended_at=NOW - seconds(10),
)


@pytest.fixture
def alarms(cloud):
    """CloudWatch's alarms: one is in ALARM."""
    states = FakeAlarms(NOW, {ALARM.rpartition(":")[2]})
    vars(cloud)["alarms"] = Alarms(states)
    return states


@pytest.mark.parametrize("running", [IN_FLIGHT, PROMOTED], ids=["in flight", "in its rollback window"])
def test_an_alarm_that_stays_in_alarm_is_evaluated_every_minute_and_rolls_back_once_it_is_proved(
    cloud, states, alarms, running
):
    cloud.ledger.create_record(running)
    measure(cloud, ALIKE)
    assert "stays in ALARM; the release is not proved to be the cause" in evaluate_lasting_alarms(cloud)
    cloud.sleep(60)
    evaluate_lasting_alarms(cloud)
    assert (states.executions, [record.acted for record in cloud.ledger.read_events(5)]) == ({}, [False, False])
    measure(cloud, FakeVersionMetrics(errors={"1": 0.1, "2": 0.9}))
    cloud.sleep(60)
    assert "the canary is proved worse" in evaluate_lasting_alarms(cloud)
    assert states.pending == [ROLLBACK]
    assert [record.acted for record in cloud.ledger.read_events(5)] == [True, False, False]


def test_an_alarm_whose_event_was_lost_is_found(cloud, states, alarms):
    cloud.ledger.create_record(PROMOTED)
    evaluate_lasting_alarms(cloud)
    assert states.pending == [ROLLBACK]
    (trigger,) = cloud.ledger.read_triggers("d-1")
    assert trigger.reason.startswith("ib-oauth-token-server-errors-test, with 100 % on authorize:2")


@pytest.mark.parametrize(
    "running",
    [
        None,
        deployment(),
        replace(IN_FLIGHT, preexisting_alarms=(ALARM,)),
        replace(IN_FLIGHT, shifts=(Shift(0, 10, NOW + seconds(1)),)),
        replace(IN_FLIGHT, repair=True),
        replace(PROMOTED, ended_at=NOW - seconds(3600)),
    ],
    ids=["none", "not shifted", "excused", "fired before", "repair", "outside the window"],
)
def test_an_alarm_that_concerns_no_deployment_is_not_evaluated(cloud, states, alarms, running):
    if running:
        cloud.ledger.create_record(running)
    assert evaluate_lasting_alarms(cloud) == ""
    assert (states.executions, cloud.ledger.read_events(5)) == ({}, [])


def test_alarms_that_are_ok_are_not_evaluated(cloud, states, alarms):
    alarms.ringing.clear()
    cloud.ledger.create_record(PROMOTED)
    assert (evaluate_lasting_alarms(cloud), states.executions) == ("", {})
    alarms.ringing.add(OTHER_ALARM.rpartition(":")[2])
    evaluate_lasting_alarms(cloud)
    assert states.pending == [ROLLBACK]


def test_alarms_that_cannot_be_read_do_not_stop_the_reconciler(cloud, states, alarms):
    def refuse(**_):
        raise client_error("ThrottlingException")

    alarms.describe_alarms = refuse
    cloud.ledger.create_record(PROMOTED)
    assert evaluate_lasting_alarms(cloud).startswith("alarms were not read: ")
    assert states.executions == {}
