"""Whether a restored copy holds the standing grants as they were given, and which of them can be tried."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.seeded_grants import SeededGrants
from orchestrator.domain.recovery.standing_grants.held import (
    expected_items,
    judge_held,
    may_be_deleted,
    not_covered,
    not_tried,
)
from orchestrator.domain.verdict import Outcome
from tests.samples import NOW

HOUR = timedelta(hours=1)
GRANTS = SeededGrants(
    written_at=NOW,
    kept="ibrs_kept.secret",
    used_code=("ibcs_used", "verifier"),
    revoked="ibrs_revoked.secret",
    revoked_since="ibrs_since.secret",
    rotated="ibrs_rotated.secret",
    open_code=("ibcs_open", "verifier"),
    open_login=("ibls_login", "cookie", "verifier", "state"),
).after_rotation("ibrs_rotated.next")
EXPECTED = expected_items(GRANTS)
CHECKS = {one.check: one for one in EXPECTED}


def as_issued(expires_at=NOW + HOUR):
    """The items of all grants, by key, as a restored table holds them."""
    return {
        one.key: {
            "pk": {"S": one.key},
            "expires_at": {"N": str(int(expires_at.timestamp()))},
            **({"refresh_hash": {"S": min(one.hashes)}} if one.hashes else {}),
            **({one.having: {"S": "x"}} if one.having else {}),
        }
        for one in EXPECTED
    }


def test_each_grant_has_its_item_in_its_table_and_no_secret_is_in_its_key():
    assert {one.role for one in EXPECTED if "#family#" in one.key} == {Role.TOKENS}
    assert {one.role for one in EXPECTED if "#family#" not in one.key} == {Role.STATE}
    assert len({one.key for one in EXPECTED}) == len(EXPECTED) == 7
    assert not [one for one in EXPECTED if "secret" in one.key or "ibcs" in one.key]


def test_a_copy_that_holds_them_as_they_were_issued_passes():
    result = judge_held(EXPECTED, as_issued(), NOW, deletable=False)
    assert (result.check, result.verdict.outcome, result.decides) == ("tokens.held", Outcome.PASS, True)
    assert result.figures == {"written_at": NOW.isoformat(), "held": 7, "missing": [], "changed": []}


def test_the_rotated_family_may_have_its_current_token_because_the_policy_may_keep_it():
    items = as_issued()
    for digest in CHECKS["tokens.rotated_since"].hashes:
        items[CHECKS["tokens.rotated_since"].key]["refresh_hash"] = {"S": digest}
        assert judge_held(EXPECTED, items, NOW, deletable=False).verdict.outcome is Outcome.PASS
    assert len(CHECKS["tokens.rotated_since"].hashes) == 2


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("deletable", [False, True])
def test_a_lost_grant_fails_by_its_name_unless_it_may_have_been_deleted_as_expired(check, deletable):
    items = as_issued()
    del items[CHECKS[check].key]
    result = judge_held(EXPECTED, items, NOW, deletable=deletable)
    assert result.verdict.outcome is (Outcome.INCONCLUSIVE if deletable else Outcome.FAIL)
    assert result.decides is not deletable
    assert f"the copy lacks that of {check}" in result.verdict.reason


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("tokens.kept", {"refresh_hash": {"S": "another"}}),
        ("tokens.kept", {"revoked_because": {"S": "request"}}),
        ("tokens.revoked_since", {"revoked_because": {"S": "request"}}),
        ("tokens.revoked_before", {"revoked_because": None}),
        ("tokens.used_code", {"redeemed_by": None}),
        ("tokens.open_code", {"redeemed_by": {"S": "nonce"}}),
    ],
)
@pytest.mark.parametrize("deletable", [False, True])
def test_a_grant_in_another_state_fails_by_its_name(check, change, deletable):
    items = as_issued()
    key = CHECKS[check].key
    items[key] = {name: value for name, value in (items[key] | change).items() if value is not None}
    result = judge_held(EXPECTED, items, NOW, deletable=deletable)
    assert (result.verdict.outcome, result.decides) == (Outcome.FAIL, True)
    assert f"the copy has that of {check} in another state" in result.verdict.reason
    assert result.figures["changed"] == [check]


@pytest.mark.parametrize(
    ("now", "ready_at", "deletable"),
    [
        (NOW + 23 * HOUR, NOW, False),
        (NOW + 48 * HOUR, NOW + 48 * HOUR, False),
        (NOW + 48 * HOUR, NOW + 47 * HOUR, True),
        (NOW + 48 * HOUR, None, True),
    ],
)
def test_expired_items_may_be_deleted_a_day_after_their_end_and_an_hour_after_the_restore(now, ready_at, deletable):
    assert may_be_deleted(NOW, ready_at, now) is deletable


def test_what_has_expired_or_is_lost_is_not_tried_and_the_check_says_so():
    assert not_tried(EXPECTED, as_issued(), NOW) == {}
    expired = not_tried(EXPECTED, as_issued(expires_at=NOW), NOW)
    assert expired.keys() == CHECKS.keys()
    assert expired["tokens.kept"].startswith(f"not covered: its grant expired at {NOW.isoformat()}")
    lost = as_issued()
    del lost[CHECKS["tokens.kept"].key]
    assert not_tried(EXPECTED, lost, NOW)["tokens.kept"].startswith("not covered: its grant is not in the copy")


def test_a_check_that_is_not_covered_neither_passes_nor_decides():
    result = not_covered("tokens.kept", "not covered: why")
    assert (result.verdict.outcome, result.verdict.reason, result.decides) == (
        Outcome.INCONCLUSIVE,
        "not covered: why",
        False,
    )
