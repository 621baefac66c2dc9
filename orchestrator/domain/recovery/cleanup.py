"""Decide which drills' resources the cleanup job removes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import CheckResult, Recovery, concluded
from orchestrator.domain.recovery.restored_table import DRILL_TAG, ENVIRONMENT_TAG, EXPIRY_TAG
from orchestrator.domain.verdict import Verdict

RECHECK_PERIOD = timedelta(hours=1)
"""How long after its end a drill is checked again: a task that outlived its execution may start another restore."""


def cleanup_reason(recovery: Recovery, *, alive: bool, now: datetime) -> str:
    """Return why a recovery's resources are to be removed; empty for a restore, a running drill, and a clean one."""
    if recovery.kind is not Kind.DRILL or alive:
        return ""
    if recovery.ended_at is None:
        return "its execution died"
    if recovery.cleaned_at is None:
        return "it ended without being cleaned up"
    return "it ended recently" if now < recovery.ended_at + RECHECK_PERIOD else ""


def concluded_by_cleanup(recovery: Recovery, now: datetime) -> Recovery:
    """Return a drill whose execution died, concluded by the cleanup job: FAILED, with the cleanup as its last phase."""
    result = CheckResult(
        "machine.dead", Verdict.error("its execution ended before the drill; the cleanup job ended it")
    )
    return concluded(recovery.with_check_results(result).with_phase("CleanedUp", now), now)


def with_cleaned_at(recovery: Recovery, now: datetime) -> Recovery:
    """Return an ended drill whose resources are removed. Its outcome and reason stay unchanged."""
    return replace(recovery, cleaned_at=recovery.cleaned_at or now)


def is_expired_drill(tags: Mapping[str, str], environment: str, now: datetime) -> bool:
    """Return whether tags belong to an expired drill of this environment. An unreadable expiry is not expired."""
    if not tags.get(DRILL_TAG) or tags.get(ENVIRONMENT_TAG) != environment:
        return False
    try:
        expires_at = datetime.fromisoformat(tags.get(EXPIRY_TAG, ""))
    except ValueError:
        return False
    return expires_at.tzinfo is not None and expires_at < now
