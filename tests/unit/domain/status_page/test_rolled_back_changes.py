"""Alarms after a rollback: which of them still say something about the service."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.analysis.observations import AlarmState
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    Rollback,
    RollbackTrigger,
    Shift,
    Side,
)
from orchestrator.domain.status_page.rolled_back_changes import LATEST, AlarmPeriods, rolled_back_change
from orchestrator.domain.verdict import Verdict
from tests.samples import NOW, deployment
from tests.unit.domain.status_page.pages import minutes

SHIFTED_AT, REVERTED_AT = NOW + minutes(1), NOW + minutes(3)
EVALUATED = minutes(2)


def rolled_back(rollback=None, **changes):
    """A deployment that was rolled back to healthy versions."""
    done = Rollback(
        trigger=RollbackTrigger("ALARM", "token-errors", NOW + minutes(2)),
        reverted_at=REVERTED_AT,
        verified_at=REVERTED_AT + minutes(0.05),
        verification=Verdict.passed("all functions answer"),
    )
    ended = {
        "phase": DeploymentPhase.ENDED,
        "outcome": DeploymentOutcome.ROLLED_BACK,
        "ended_at": REVERTED_AT + minutes(0.1),
        "shifts": (Shift(0, 10, SHIFTED_AT),),
        "rollback": replace(done, **(rollback or {})),
    }
    return deployment(**{**ended, **changes})


ARN = rolled_back().service.alarms[0]


def fired(at):
    return AlarmState("token-errors", "ALARM", at, "")


def test_a_verified_rollback_has_removed_a_change_that_its_alarms_may_be_about():
    change = rolled_back_change(rolled_back())
    assert (change.shifted_at, change.reverted_at) == (SHIFTED_AT, REVERTED_AT)
    assert change.may_explain(ARN, fired(SHIFTED_AT))
    # Late metrics: it fires after the aliases were back, for what was before.
    assert change.may_explain(ARN, fired(REVERTED_AT + minutes(1)))


def test_an_alarm_of_another_cause_is_not_about_the_change():
    change = rolled_back_change(rolled_back())
    assert not change.may_explain("arn:aws:cloudwatch:us-west-1:1:alarm:other", fired(REVERTED_AT))
    assert not change.may_explain(ARN, fired(SHIFTED_AT - minutes(0.1)))
    assert not rolled_back_change(rolled_back(preexisting_alarms=(ARN,))).may_explain(ARN, fired(REVERTED_AT))


def test_a_kept_canary_has_removed_the_cause_too():
    assert rolled_back_change(rolled_back({"traffic_to": Side.CANARY}, outcome=DeploymentOutcome.SUCCEEDED))


@pytest.mark.parametrize(
    ("rollback", "changes"),
    [
        ({"reverted_at": None}, {}),
        ({"verified_at": None}, {}),
        ({"verification": Verdict.failed("token answers 500")}, {}),
        ({"neither_healthy": True, "why_there": "both fail"}, {}),
        ({}, {"phase": DeploymentPhase.ROLLING_BACK}),
        ({}, {"ended_at": None, "phase": DeploymentPhase.SHIFTING}),
        ({}, {"shifts": ()}),
    ],
    ids=["no alias", "not verified", "failed", "both bad", "under way", "in flight", "no shift"],
)
def test_without_a_verified_rollback_nothing_is_rolled_back(rollback, changes):
    assert rolled_back_change(rolled_back(rollback, **changes)) is None


def test_without_a_rollback_nothing_is_rolled_back():
    assert rolled_back_change(None) is None
    assert rolled_back_change(replace(rolled_back(), rollback=None)) is None


@pytest.mark.parametrize(
    ("breaching", "now", "expected"),
    [
        ((), REVERTED_AT + minutes(1), True),
        ((REVERTED_AT - minutes(0.1),), REVERTED_AT + minutes(1), True),
        ((REVERTED_AT,), REVERTED_AT + minutes(1), False),
        ((REVERTED_AT - minutes(0.1), REVERTED_AT + minutes(0.5)), REVERTED_AT + minutes(1), False),
        ((), REVERTED_AT + EVALUATED + LATEST, True),
        ((), REVERTED_AT + EVALUATED + LATEST + timedelta(seconds=1), False),
    ],
    ids=["good periods", "bad before", "bad at once", "bad again", "until the last", "for too long"],
)
def test_an_alarm_counts_again_with_a_bad_period_or_when_no_period_from_before_is_left(breaching, now, expected):
    assert rolled_back_change(rolled_back()).explains(AlarmPeriods(EVALUATED, breaching), now) is expected
