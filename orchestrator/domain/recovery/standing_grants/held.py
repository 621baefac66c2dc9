"""Standing grants in a restored copy: each must be held as it was at the recovery point, and which of them can be tried.

A token that has expired since is rejected whatever a table holds, so trying it would prove nothing. Its item does: a copy
that lost it, or that has a revoked family unrevoked, is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from orchestrator.domain.recovery.record import CheckResult, Role
from orchestrator.domain.recovery.seeded_grants import SeededGrants
from orchestrator.domain.recovery.token_sanitization import client_digest as digest
from orchestrator.domain.verdict import Json, Verdict

HELD: Final = "tokens.held"
"""The check that the copy holds them."""

EXPIRED_KEPT: Final = timedelta(hours=24)
"""How long an item is kept after its end at least (service/storage/item_codec.py)."""

DELETIONS_BEGIN: Final = timedelta(hours=1)
"""DynamoDB deletes expired items of a table an hour after its time to live was enabled, at the earliest."""

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ExpectedItem:
    """The item of a grant, as a table of the recovery point holds it.

    Attributes:
        check: the check that tries the grant.
        role: of the table.
        key: its partition key.
        hashes: the hashes of the refresh token that it may have; empty if it has none.
        having: an attribute that it has; empty for none.
        lacking: an attribute that it does not have; empty for none.
    """

    check: str
    role: Role
    key: str
    hashes: frozenset[str] = frozenset()
    having: str = ""
    lacking: str = ""


def expected_items(grants: SeededGrants) -> tuple[ExpectedItem, ...]:
    """Return the items of all grants. The sanitization may have given the rotated family its current token."""

    def family(check: str, *tokens: str, having: str = "", lacking: str = "revoked_because") -> ExpectedItem:
        hashes = frozenset(digest(token) for token in tokens if token)
        return ExpectedItem(check, Role.TOKENS, f"synthetic#family#{_family(tokens[0])}", hashes, having, lacking)

    def code(check: str, secret: str, *, having: str = "", lacking: str = "") -> ExpectedItem:
        return ExpectedItem(check, Role.STATE, f"synthetic#code#{digest(secret)}", having=having, lacking=lacking)

    return (
        family("tokens.kept", grants.kept),
        family("tokens.revoked_before", grants.revoked, having="revoked_because", lacking=""),
        family("tokens.revoked_since", grants.revoked_since),
        family("tokens.rotated_since", grants.rotated, grants.rotated_since),
        code("tokens.used_code", grants.used_code[0], having="redeemed_by"),
        code("tokens.open_code", grants.open_code[0], lacking="redeemed_by"),
        ExpectedItem("tokens.open_login", Role.STATE, f"synthetic#login#{digest(grants.open_login[0])}"),
    )


def may_be_deleted(written_at: datetime, ready_at: datetime | None, now: datetime) -> bool:
    """Return whether DynamoDB may have deleted expired items from a restored table, which was ready at a time."""
    return now >= written_at + EXPIRED_KEPT and (ready_at is None or now >= ready_at + DELETIONS_BEGIN)


def judge_held(
    expected: Sequence[ExpectedItem], items: Mapping[str, Item], written_at: datetime, *, deletable: bool
) -> CheckResult:
    """Judge whether the copy holds every grant as it was given.

    Args:
        expected: the items.
        items: those of them that the copy holds, by key.
        written_at: when the grants were given.
        deletable: DynamoDB may have deleted expired items from the copy since. A missing item then proves nothing, and
            the result does not decide: the contents are compared anyway.
    """
    missing = [one.check for one in expected if one.key not in items]
    changed = [one.check for one in expected if one.key in items and not _is_as_issued(one, items[one.key])]
    figures: dict[str, Json] = {
        "written_at": written_at.isoformat(),
        "held": len(expected) - len(missing) - len(changed),
        "missing": list(missing),
        "changed": list(changed),
    }
    stated = f"the standing grants of {written_at.isoformat()}"
    if changed or (missing and not deletable):
        parts = [f"lacks that of {', '.join(missing)}"] if missing else []
        parts += [f"has that of {', '.join(changed)} in another state"] if changed else []
        return CheckResult(HELD, Verdict.failed(f"of {stated}, the copy {' and '.join(parts)}"), figures)
    if missing:
        reason = f"of {stated}, the copy lacks that of {', '.join(missing)}, which DynamoDB may have deleted as expired"
        return CheckResult(HELD, Verdict.inconclusive(reason), figures, decides=False)
    return CheckResult(
        HELD, Verdict.passed(f"the copy holds {stated} as they were given: {len(expected)} items"), figures
    )


def not_tried(expected: Sequence[ExpectedItem], items: Mapping[str, Item], now: datetime) -> Mapping[str, str]:
    """Return the checks whose grant cannot be tried, with the reason: it is not in the copy, or has expired."""
    reasons = {}
    for one in expected:
        item = items.get(one.key)
        if item is None:
            reasons[one.check] = f"not covered: its grant is not in the copy, so it is rejected anyway; see {HELD}"
        elif (expires_at := datetime.fromtimestamp(int(item["expires_at"]["N"]), UTC)) <= now:
            ended = expires_at.isoformat()
            reasons[one.check] = f"not covered: its grant expired at {ended}, so it is rejected anyway; see {HELD}"
    return reasons


def not_covered(check: str, reason: str) -> CheckResult:
    """Return the result of a check that cannot try its grant. It neither passes nor decides."""
    return CheckResult(check, Verdict.inconclusive(reason), decides=False)


def _family(token: str) -> str:
    """Return the id of a refresh token's family (service/oauth/credentials.py)."""
    return digest(token.partition("_")[2].partition(".")[0])


def _is_as_issued(expected: ExpectedItem, item: Item) -> bool:
    if expected.hashes and item["refresh_hash"]["S"] not in expected.hashes:
        return False
    return (not expected.having or expected.having in item) and expected.lacking not in item
