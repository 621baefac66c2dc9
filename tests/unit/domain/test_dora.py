"""DORA's four keys."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    Release,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.dora import Durations, four_keys
from tests.samples import NOW, deployment, seconds

SINCE, UNTIL = NOW - timedelta(days=10), NOW + timedelta(days=10)
COMMITS = {"c1": NOW - timedelta(hours=2), "late": NOW + timedelta(days=1)}


def ended(outcome=DeploymentOutcome.SUCCEEDED, *, at=NOW, commit="", shifted=True, reverted_after=None, **changes):
    rollback = None
    if outcome is DeploymentOutcome.ROLLED_BACK:
        reverted = None if reverted_after is None else at - seconds(600) + seconds(reverted_after)
        rollback = Rollback(RollbackTrigger("alarm", "", at), reverted_at=reverted)
    return deployment(
        phase=DeploymentPhase.ENDED,
        outcome=outcome,
        ended_at=at,
        release=Release("sha256:a", commit=commit),
        shifts=(Shift(0, 50, at - seconds(600)),) if shifted else (),
        rollback=rollback,
        **changes,
    )


def keys_of(*deployments):
    return four_keys(deployments, COMMITS, SINCE, UNTIL)


def test_frequency_and_failure_rate_are_of_the_deployments_that_clients_met():
    keys = keys_of(ended(), ended(), ended(), ended(DeploymentOutcome.ROLLED_BACK, reverted_after=30))
    assert (keys.deployments, keys.failed) == (4, 1)
    assert keys.deployments_per_day == pytest.approx(4 / 20)
    assert keys.change_failure_rate == 0.25


@pytest.mark.parametrize(
    "other",
    [
        ended(DeploymentOutcome.ROLLED_BACK, shifted=False),
        ended(DeploymentOutcome.NOTHING_TO_SHIP, shifted=False),
        ended(at=SINCE),
        ended(at=UNTIL + seconds(1)),
        ended(repair=True),
        deployment(phase=DeploymentPhase.PROMOTED, shifts=(Shift(0, 50, NOW),)),
    ],
    ids=["before clients", "nothing to ship", "before the period", "after the period", "repair", "running"],
)
def test_what_is_no_deployment_of_the_period_does_not_count(other):
    keys = keys_of(other)
    assert (keys.deployments, keys.failed, keys.change_failure_rate) == (0, 0, None)
    assert keys.change_lead_time == keys.failed_deployment_recovery_time == Durations(0, 0)


def test_lead_time_is_from_the_commit_to_the_end_and_says_of_how_many_it_is_unknown():
    keys = keys_of(
        ended(commit="c1"), ended(commit="c1", at=NOW + timedelta(hours=4)), ended(commit="gone"), ended(commit="late")
    )
    assert keys.change_lead_time == Durations(2, 2, timedelta(hours=4), timedelta(hours=6))


def test_recovery_time_is_from_the_first_client_until_the_aliases_are_back():
    rolled_back = DeploymentOutcome.ROLLED_BACK
    keys = keys_of(ended(rolled_back, reverted_after=20), ended(rolled_back, reverted_after=60), ended(rolled_back))
    assert keys.failed_deployment_recovery_time == Durations(2, 1, seconds(40), seconds(60))
    assert keys.change_lead_time == Durations(0, 0)


def test_a_failed_deployment_without_a_rollback_record_has_no_known_recovery_time():
    failed = deployment(
        phase=DeploymentPhase.ENDED,
        outcome=DeploymentOutcome.ROLLED_BACK,
        ended_at=NOW,
        shifts=(Shift(0, 50, NOW),),
    )
    assert keys_of(failed).failed_deployment_recovery_time == Durations(0, 1)
