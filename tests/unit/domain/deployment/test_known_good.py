"""A release that was live before is recognised by its digest, and the plan says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.deployment.known_good import is_known_good, known_good_of, lifts_bar, made_live, shorten
from orchestrator.domain.deployment.record import DeploymentOutcome, KnownGood, Release
from tests.samples import NOW, cut_over, deployment, plan, seconds

VERSIONS = {"authorize": "2", "public": "2", "token": "2"}
LIVE = deployment(outcome=DeploymentOutcome.SUCCEEDED)


def test_a_release_of_this_digest_that_succeeded_is_known_good():
    assert is_known_good(LIVE, "sha256:a")
    assert known_good_of(LIVE) == KnownGood("d-1", VERSIONS)


@pytest.mark.parametrize(
    "record",
    [
        *(replace(LIVE, outcome=outcome) for outcome in (None, *DeploymentOutcome) if outcome is not LIVE.outcome),
        replace(LIVE, release=Release("sha256:b")),
        replace(LIVE, cutover=cut_over()),
        replace(LIVE, repair=True),
    ],
)
def test_what_did_not_stay_live_is_not_known_good(record):
    assert not is_known_good(record, "sha256:a")


@pytest.mark.parametrize(("after", "lifted"), [(-60, False), (0, False), (60, True)])
def test_only_a_success_after_the_rollback_lifts_the_bar(after, lifted):
    succeeded = replace(LIVE, requested_at=NOW + seconds(after))
    assert lifts_bar(succeeded, deployment(outcome=DeploymentOutcome.ROLLED_BACK)) is lifted


def test_a_return_is_one_shift_and_the_plan_names_the_deployment_that_it_returns_to():
    shortened = shorten(plan(), KnownGood("d-1", VERSIONS))
    assert (shortened.steps, shortened.evaluations, shortened.limits) == ((), 0, plan().limits)
    assert shortened.strategy == "all-at-once: known good d-1"
    assert shortened.transitions < plan().transitions


def test_live_is_what_a_deployment_that_succeeded_has_in_all_aliases():
    assert made_live(LIVE, VERSIONS)
    assert not made_live(LIVE, {**VERSIONS, "token": "1"})
    assert not made_live(replace(LIVE, outcome=DeploymentOutcome.ROLLED_BACK), VERSIONS)
