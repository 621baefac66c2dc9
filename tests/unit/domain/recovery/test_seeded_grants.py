"""What trying a witness comes to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.recovery.seeded_grants import (
    SEEDING_TIMEOUT,
    GrantAttempt,
    SeededGrants,
    judge_accepted,
    judge_rejected,
    judge_rotated,
    not_seeded,
    older_than_grants,
    recovery_point_pending,
)
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW

WORKS, DEAD, DOWN, ODD = (
    GrantAttempt(200, "issued"),
    GrantAttempt(400, "invalid_grant"),
    GrantAttempt(503, "temporarily_unavailable"),
    GrantAttempt(400, "invalid_scope"),
)
SECOND = timedelta(seconds=1)


def seeded_grants(**changes):
    fields = {
        "written_at": NOW, "kept": "SECRET", "used_code": ("SECRET", "SECRET"), "revoked": "SECRET", "revoked_since": "SECRET",
        "rotated": "SECRET", "open_code": ("SECRET", "SECRET"), "open_login": ("SECRET",) * 4,
    }  # fmt: skip
    return SeededGrants(**(fields | changes))


@pytest.mark.parametrize(
    ("judge", "tried", "outcome"),
    [
        (judge_accepted, WORKS, Outcome.PASS),
        (judge_accepted, DEAD, Outcome.FAIL),
        (judge_accepted, DOWN, Outcome.ERROR),
        (judge_rejected, DEAD, Outcome.PASS),
        (judge_rejected, WORKS, Outcome.FAIL),
        (judge_rejected, DOWN, Outcome.ERROR),
        (judge_rejected, ODD, Outcome.FAIL),
    ],
)
def test_only_what_is_expected_passes_and_a_service_that_is_down_proves_nothing(judge, tried, outcome):
    found = judge("tokens.x", tried, "a token")
    assert (found.check, found.verdict.outcome) == ("tokens.x", outcome)
    assert found.figures == {"status": tried.status, "result": tried.result}


@pytest.mark.parametrize(
    ("policy", "before", "since", "outcome"),
    [
        (RotatedPolicy.REVOKE, DEAD, DEAD, Outcome.PASS),
        (RotatedPolicy.REVOKE, WORKS, DEAD, Outcome.FAIL),
        (RotatedPolicy.REVOKE, DEAD, WORKS, Outcome.FAIL),
        (RotatedPolicy.ACCEPT, DEAD, WORKS, Outcome.PASS),
        (RotatedPolicy.ACCEPT, DEAD, DEAD, Outcome.FAIL),
        (RotatedPolicy.ACCEPT, WORKS, WORKS, Outcome.FAIL),
        (RotatedPolicy.ACCEPT, DOWN, WORKS, Outcome.ERROR),
    ],
)
def test_a_token_that_was_replaced_since_is_judged_by_the_policy(policy, before, since, outcome):
    found = judge_rotated(policy, before, since)
    assert found.verdict.outcome is outcome
    assert found.check == "tokens.rotated_since"


def test_without_a_seeded_grant_a_check_is_inconclusive():
    assert not_seeded("tokens.kept").verdict.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("point", "precede"),
    [
        (NOW + SECOND, True),
        (NOW, True),
        (NOW - SECOND / 2, True),
        (NOW - SECOND, False),
        (NOW - 3600 * SECOND, False),
    ],
)
def test_they_precede_a_point_that_was_rounded_down_to_its_second_and_no_earlier_one(point, precede):
    assert seeded_grants().precede(point) is precede


def test_they_have_changed_when_a_token_was_replaced():
    assert not seeded_grants().changed
    assert seeded_grants().after_rotation("SECRET").changed


def test_their_representation_shows_none_of_them():
    assert "SECRET" not in repr(seeded_grants().after_rotation("SECRET"))


@pytest.mark.parametrize(
    ("latest", "now", "waits"),
    [
        ([NOW, NOW + SECOND], NOW, False),
        ([NOW - SECOND, NOW], NOW, True),
        ([None, NOW - SECOND], NOW, True),
        ([None, None], NOW, False),
        ([NOW - SECOND], NOW + SEEDING_TIMEOUT, True),
        ([NOW - SECOND], NOW + SEEDING_TIMEOUT + SECOND, False),
    ],
)
def test_a_point_that_has_them_is_waited_for_and_not_for_ever(latest, now, waits):
    assert bool(recovery_point_pending(seeded_grants(), latest, now)) is waits


def test_a_backup_is_older_than_the_grants_of_its_drill_which_decides_nothing():
    result = older_than_grants("backup")
    assert (result.check, result.verdict.outcome, result.decides) == ("tokens.seeded", Outcome.INCONCLUSIVE, False)
    assert "a backup of kind backup is older than any grant of its drill" in result.verdict.reason
