"""What trying a witness comes to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.token_safety import RotatedPolicy
from orchestrator.domain.verdict import Outcome
from orchestrator.domain.witnesses import (
    PATIENCE,
    Tried,
    Witnesses,
    awaited,
    judge_alive,
    judge_dead,
    judge_rotated,
    unseen,
)
from tests.samples import NOW

WORKS, DEAD, DOWN, ODD = (
    Tried(200, "issued"),
    Tried(400, "invalid_grant"),
    Tried(503, "temporarily_unavailable"),
    Tried(400, "invalid_scope"),
)
SECOND = timedelta(seconds=1)


def witnesses(**changes):
    given = {
        "written_at": NOW, "kept": "SECRET", "used_code": ("SECRET", "SECRET"), "revoked": "SECRET", "revoked_since": "SECRET",
        "rotated": "SECRET", "open_code": ("SECRET", "SECRET"), "open_login": ("SECRET",) * 4,
    }  # fmt: skip
    return Witnesses(**(given | changes))


@pytest.mark.parametrize(
    ("judge", "tried", "outcome"),
    [
        (judge_alive, WORKS, Outcome.PASS),
        (judge_alive, DEAD, Outcome.FAIL),
        (judge_alive, DOWN, Outcome.ERROR),
        (judge_dead, DEAD, Outcome.PASS),
        (judge_dead, WORKS, Outcome.FAIL),
        (judge_dead, DOWN, Outcome.ERROR),
        (judge_dead, ODD, Outcome.FAIL),
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


def test_without_a_witness_a_check_is_inconclusive():
    assert unseen("tokens.kept").verdict.outcome is Outcome.INCONCLUSIVE


def test_they_have_changed_when_a_token_was_replaced():
    assert not witnesses().changed
    assert witnesses().after_rotation("SECRET").changed


def test_their_representation_tells_none_of_them():
    assert "SECRET" not in repr(witnesses().after_rotation("SECRET"))


@pytest.mark.parametrize(
    ("latest", "now", "waits"),
    [
        ([NOW, NOW + SECOND], NOW, False),
        ([NOW - SECOND, NOW], NOW, True),
        ([None, NOW - SECOND], NOW, True),
        ([None, None], NOW, False),
        ([NOW - SECOND], NOW + PATIENCE, True),
        ([NOW - SECOND], NOW + PATIENCE + SECOND, False),
    ],
)
def test_a_point_that_has_them_is_waited_for_and_not_for_ever(latest, now, waits):
    assert bool(awaited(witnesses(), latest, now)) is waits
