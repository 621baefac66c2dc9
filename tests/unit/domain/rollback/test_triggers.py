from dataclasses import replace

import pytest

from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.deployment.record import DeploymentOutcome, Rollback, RollbackTrigger, Shift
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.rollback.triggers import AlarmEvent, decide_for_alarm, decide_for_lock, newly_in_alarm
from tests.samples import ALARM, EXECUTION, NOW, OTHER_ALARM, cut_over, deployment, seconds

SHIFTED = deployment(shifts=(Shift(0, 10, NOW),))
FIRED = AlarmEvent("e-1", ALARM, "token-server-errors", "ALARM", NOW + seconds(20), "7 of 9 datapoints")
LATER = NOW + seconds(30)


def test_an_alarm_undoes_the_deployment_in_flight():
    ruling = decide_for_alarm(FIRED, SHIFTED, LATER)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
    assert ruling.why == "token-server-errors fired and the deployment is in flight"


def test_an_alarm_undoes_a_deployment_that_succeeded_within_its_rollback_window():
    ended = replace(SHIFTED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW + seconds(10))
    assert (
        decide_for_alarm(FIRED, ended, NOW + seconds(10) + ended.plan.limits.rollback_window).roll_back is False
    )  # too old by then
    fresh = replace(FIRED, at=NOW + seconds(905))
    assert decide_for_alarm(fresh, ended, NOW + seconds(910)).roll_back
    assert "outside its rollback window of 900 s" in decide_for_alarm(fresh, ended, NOW + seconds(911)).why


@pytest.mark.parametrize(
    ("event", "found", "at", "why"),
    [
        (FIRED, None, LATER, "there is no deployment"),
        (replace(FIRED, state="OK"), SHIFTED, LATER, "the alarm changed to OK"),
        (replace(FIRED, arn=ALARM + "-other"), SHIFTED, LATER, "the alarm does not belong to this service"),
        (FIRED, SHIFTED, FIRED.at + seconds(301), "the event is 301 s old"),
        (FIRED, deployment(), LATER, "the deployment has not shifted traffic yet"),
        (FIRED, replace(SHIFTED, repair=True), LATER, "an operator moved the aliases after the last deployment"),
        (replace(FIRED, at=NOW - seconds(1)), SHIFTED, LATER, "the alarm fired before the deployment shifted traffic"),
        (
            FIRED,
            replace(SHIFTED, preexisting_alarms=(ALARM,)),
            LATER,
            "the alarm fired before the deployment and has not been OK since",
        ),
        (
            FIRED,
            replace(SHIFTED, rollback=Rollback(RollbackTrigger("alarm", "", NOW))),
            LATER,
            "the deployment is being rolled back or was rolled back",
        ),
        (
            FIRED,
            replace(SHIFTED, cutover=cut_over()),
            LATER,
            "the deployment is a cutover, which causes alarms",
        ),
        (
            FIRED,
            replace(SHIFTED, outcome=DeploymentOutcome.REFUSED, ended_at=NOW),
            LATER,
            "the deployment ended REFUSED",
        ),
        (
            FIRED,
            replace(SHIFTED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW, cutover=cut_over()),
            LATER,
            "the deployment changed the service's tables",
        ),
    ],
)
def test_an_alarm_that_undoes_nothing_says_why(event, found, at, why):
    ruling = decide_for_alarm(event, found, at)
    assert not ruling.roll_back
    assert ruling.why.startswith(why)
    assert ruling.deployment == (found.id if found else "")


RESTORE = EnvironmentLock(7, "arn:restore", "dr-1", Kind.RESTORE, NOW)


@pytest.mark.parametrize("found", [None, SHIFTED, replace(SHIFTED, outcome=DeploymentOutcome.SUCCEEDED, ended_at=NOW)])
def test_while_a_restore_holds_the_lock_an_alarm_moves_no_alias_and_the_reason_names_it(found):
    ruling = decide_for_alarm(FIRED, found, LATER, RESTORE)
    assert (ruling.roll_back, ruling.deployment) == (False, found.id if found else "")
    assert ruling.why.startswith("restore dr-1 holds the environment lock, so no alias is moved; ")
    assert "restore" not in decide_for_alarm(FIRED, found, LATER, replace(RESTORE, execution="")).why


@pytest.mark.parametrize("kind", [Kind.DEPLOYMENT, Kind.ROLLBACK])
def test_another_holder_of_the_lock_is_no_reason_to_ignore_an_alarm(kind):
    assert decide_for_alarm(FIRED, SHIFTED, LATER, replace(RESTORE, kind=kind)).roll_back


def test_an_alarm_that_is_excused_excuses_no_other():
    assert decide_for_alarm(FIRED, replace(SHIFTED, preexisting_alarms=(OTHER_ALARM,)), LATER).roll_back


FIRING = AlarmState("token-server-errors", "ALARM", NOW + seconds(20), "7 of 9 datapoints")


def test_an_alarm_that_fired_since_the_first_shift_and_stays_in_alarm_is_evaluated_again():
    states = {ALARM: FIRING, OTHER_ALARM: replace(FIRING, name="token-latency", state="OK")}
    assert newly_in_alarm(SHIFTED, states) == (FIRING,)


@pytest.mark.parametrize(
    ("found", "states"),
    [
        (deployment(), {ALARM: FIRING}),
        (replace(SHIFTED, repair=True), {ALARM: FIRING}),
        (replace(SHIFTED, preexisting_alarms=(ALARM,)), {ALARM: FIRING}),
        (SHIFTED, {ALARM + "-other": FIRING}),
        (SHIFTED, {ALARM: replace(FIRING, since=NOW - seconds(1))}),
        (SHIFTED, {}),
    ],
    ids=["not shifted", "repair", "excused", "another service's", "fired before", "does not exist"],
)
def test_an_alarm_that_does_not_concern_the_deployment_is_not_evaluated_again(found, states):
    assert newly_in_alarm(found, states) == ()


HELD = EnvironmentLock(7, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)


def test_a_lock_without_a_holder_needs_nothing():
    assert decide_for_lock(EnvironmentLock(7), None, alive=False).roll_back is False
    assert decide_for_lock(EnvironmentLock(7), SHIFTED, alive=False).deployment == "d-1"


def test_a_lock_whose_execution_runs_is_left_alone():
    ruling = decide_for_lock(HELD, SHIFTED, alive=True)
    assert (ruling.roll_back, ruling.why) == (False, f"{EXECUTION} holds the environment lock and runs")


@pytest.mark.parametrize(("kind", "what"), [(Kind.DEPLOYMENT, "deployment"), (Kind.ROLLBACK, "rollback")])
def test_a_lock_whose_execution_died_is_rolled_back(kind, what):
    ruling = decide_for_lock(replace(HELD, kind=kind), SHIFTED, alive=False)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
    assert ruling.why.startswith(f"the {what} ")


def test_a_lock_of_a_deployment_that_the_ledger_does_not_know_is_rolled_back_by_its_name():
    ruling = decide_for_lock(HELD, None, alive=False)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
