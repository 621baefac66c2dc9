from dataclasses import replace

import pytest

from orchestrator.domain.records import Claim, Ending, Kind, Rollback, Shift, Trigger
from orchestrator.domain.signals import AlarmEvent, judge_alarm, judge_claim
from tests.samples import ALARM, EXECUTION, NOW, OTHER_ALARM, cut_over, deployment, seconds

SHIFTED = deployment(shifts=(Shift(0, 10, NOW),))
RANG = AlarmEvent("e-1", ALARM, "token-server-errors", "ALARM", NOW + seconds(20), "7 of 9 datapoints")
LATER = NOW + seconds(30)


def test_an_alarm_undoes_the_deployment_in_flight():
    ruling = judge_alarm(RANG, SHIFTED, LATER)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
    assert ruling.why == "token-server-errors rang and the deployment is in flight"


def test_an_alarm_undoes_a_deployment_that_succeeded_within_its_rollback_window():
    ended = replace(SHIFTED, ending=Ending.SUCCEEDED, ended_at=NOW + seconds(10))
    assert (
        judge_alarm(RANG, ended, NOW + seconds(10) + ended.plan.rollback_window).roll_back is False
    )  # too old by then
    fresh = replace(RANG, at=NOW + seconds(905))
    assert judge_alarm(fresh, ended, NOW + seconds(910)).roll_back
    assert "outside its rollback window of 900 s" in judge_alarm(fresh, ended, NOW + seconds(911)).why


@pytest.mark.parametrize(
    ("event", "found", "at", "why"),
    [
        (RANG, None, LATER, "there was never a deployment"),
        (replace(RANG, state="OK"), SHIFTED, LATER, "the alarm went to OK"),
        (replace(RANG, arn=ALARM + "-other"), SHIFTED, LATER, "the alarm is none of this service's"),
        (RANG, SHIFTED, RANG.at + seconds(301), "the event is 301 s old"),
        (RANG, deployment(), LATER, "the deployment has shifted no traffic yet"),
        (replace(RANG, at=NOW - seconds(1)), SHIFTED, LATER, "the alarm rang before the deployment shifted traffic"),
        (
            RANG,
            replace(SHIFTED, excused_alarms=(ALARM,)),
            LATER,
            "the alarm rang before the deployment and has not been OK since",
        ),
        (
            RANG,
            replace(SHIFTED, rollback=Rollback(Trigger("alarm", "", NOW))),
            LATER,
            "the deployment is being rolled back or was",
        ),
        (
            RANG,
            replace(SHIFTED, cut_over=cut_over()),
            LATER,
            "the deployment changes the service's tables, which rings alarms",
        ),
        (
            RANG,
            replace(SHIFTED, ending=Ending.REFUSED, ended_at=NOW),
            LATER,
            "the deployment ended REFUSED",
        ),
        (
            RANG,
            replace(SHIFTED, ending=Ending.SUCCEEDED, ended_at=NOW, cut_over=cut_over()),
            LATER,
            "the deployment changed the service's tables",
        ),
    ],
)
def test_an_alarm_that_undoes_nothing_says_why(event, found, at, why):
    ruling = judge_alarm(event, found, at)
    assert not ruling.roll_back
    assert ruling.why.startswith(why)
    assert ruling.deployment == (found.id if found else "")


def test_an_alarm_that_is_excused_excuses_no_other():
    assert judge_alarm(RANG, replace(SHIFTED, excused_alarms=(OTHER_ALARM,)), LATER).roll_back


HELD = Claim(7, EXECUTION, "d-1", Kind.DEPLOYMENT, NOW)


def test_a_claim_that_nobody_holds_needs_nothing():
    assert judge_claim(Claim(7), None, alive=False).roll_back is False
    assert judge_claim(Claim(7), SHIFTED, alive=False).deployment == "d-1"


def test_a_claim_whose_execution_runs_is_left_alone():
    ruling = judge_claim(HELD, SHIFTED, alive=True)
    assert (ruling.roll_back, ruling.why) == (False, f"{EXECUTION} holds the claim and runs")


@pytest.mark.parametrize(("kind", "what"), [(Kind.DEPLOYMENT, "deployment"), (Kind.ROLLBACK, "rollback")])
def test_a_claim_whose_execution_died_is_rolled_back(kind, what):
    ruling = judge_claim(replace(HELD, kind=kind), SHIFTED, alive=False)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
    assert ruling.why.startswith(f"the {what} ")


def test_a_claim_of_a_deployment_that_the_ledger_does_not_know_is_rolled_back_by_its_name():
    ruling = judge_claim(HELD, None, alive=False)
    assert (ruling.roll_back, ruling.deployment) == (True, "d-1")
