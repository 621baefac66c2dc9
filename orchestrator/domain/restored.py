"""What a restored table says of itself, and whether that may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.ending import cause_of
from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Finding, Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.recovery_plan import free_to_start
from orchestrator.domain.verdict import Verdict

DRILL_TAG, ENVIRONMENT_TAG, LEASE_TAG = "ib-oauth:drill", "ib-oauth:environment", "ib-oauth:lease"
RESTORE_TAG = "ib-oauth:restore"
"""What everything that a drill makes is tagged with: whose it is, where, and until when it may stay."""


@dataclass(frozen=True)
class Restored:
    """A restored table as DynamoDB describes it.

    Attributes:
        active: whether its status is ACTIVE.
        in_progress: what its restore says of itself; None where nothing is said.
        point: the time that it was restored to.
    """

    arn: str
    active: bool
    in_progress: bool | None
    source_arn: str
    point: datetime | None
    backup_arn: str = ""

    @property
    def readable(self) -> bool:
        """Whether it may be read: an active table whose restore is in progress holds a part of its items."""
        return self.active and not self.in_progress


class Removal(StrEnum):
    """How far a removal has come."""

    GONE = "GONE"
    UNDER_WAY = "UNDER_WAY"  # ask again
    REFUSED = "REFUSED"  # asking again does not help: it is protected


def tags_of(recovery: Recovery) -> Mapping[str, str]:
    """The tags of what a recovery makes. What a real restore makes has no lease: nobody may remove it who only finds it."""
    if recovery.kind is Kind.RESTORE:
        return {RESTORE_TAG: recovery.id, ENVIRONMENT_TAG: recovery.environment}
    return {
        DRILL_TAG: recovery.id,
        ENVIRONMENT_TAG: recovery.environment,
        LEASE_TAG: recovery.lease_until.isoformat(),
    }


def belongs(table: TableRecovery, found: Restored) -> bool:
    """Whether a table of the target's name is the copy that was asked for: another source's is somebody else's."""
    return not found.source_arn or not table.source_arn or found.source_arn == table.source_arn


def judge_restored(recovery: Recovery, table: TableRecovery, found: Restored) -> Finding:
    """Judge a copy that is ready by what its restore says: source, time, and that it has ended."""
    check = f"restore.{table.role}"
    point = found.point.isoformat() if found.point else ""
    figures = {
        "source": found.source_arn,
        "point": point,
        "expected_source": table.source_arn,
        "expected_point": recovery.point.isoformat(),
    }
    if found.in_progress is None:
        verdict = Verdict.failed("the table does not say that it was restored, nor from what, nor to when")
    elif table.backup_arn:
        figures |= {"backup": found.backup_arn, "expected_backup": table.backup_arn}
        same = found.backup_arn == table.backup_arn
        told = f"from {found.backup_arn or 'no backup'}"
        verdict = Verdict.passed(f"restored {told}") if same else Verdict.failed(f"it was restored {told}")
    elif found.source_arn != table.source_arn:
        verdict = Verdict.failed(f"it was restored from {found.source_arn}")
    elif found.point is None or found.point.replace(microsecond=0) != recovery.point:
        verdict = Verdict.failed(f"it was restored to {point or 'no time'}, asked for {recovery.point.isoformat()}")
    else:
        verdict = Verdict.passed(f"restored to {point}")
    return Finding(check, verdict, figures)


def refuse_lost(table: TableRecovery, found: Restored | None) -> Restored:
    """The copy, which was asked for and so must be there.

    Raises:
        RestoreFailed: it is not: DynamoDB removes a table whose restore failed.
    """
    if found is None:
        raise RestoreFailed(f"{table.target} was asked for at {table.started_at} and is not there")
    return found


def awaited(recovery: Recovery, at_once: int) -> tuple[RecoveryAction, str]:
    """What follows a look at all copies, and why."""
    open_ones = [table.target for table in recovery.tables if not table.ready_at]
    if not open_ones:
        return RecoveryAction.PROCEED, f"all {len(recovery.tables)} copies are ready"
    told = f"not ready: {', '.join(open_ones)}"
    return (RecoveryAction.RESTORE if free_to_start(recovery, at_once) else RecoveryAction.WAIT), told


def refuse_overdue(recovery: Recovery, now: datetime) -> None:
    """Stop waiting when the lease ends.

    Raises:
        RestoreFailed: it has ended.
    """
    if now >= recovery.lease_until:
        raise RestoreFailed(f"the copies were not ready when the lease ended, at {recovery.lease_until.isoformat()}")


def broken(recovery: Recovery, error: Mapping[str, str]) -> Recovery:
    """With the error that a state was left by: a drill that breaks is a red one. The first is the cause; more may follow from it."""
    count = sum(1 for one in recovery.findings if one.check.startswith("machine."))
    check = f"machine.{count + 1}"
    told = cause_of(error)
    if any(one.verdict.reason == told for one in recovery.findings):
        return recovery
    return recovery.found(Finding(check, Verdict.error(told)))


PATIENCE = timedelta(hours=2)
"""How long after the lease's end a removal is waited for: a table that is being restored cannot be deleted before it is there."""


def judge_removal(recovery: Recovery, removals: Mapping[str, Removal], now: datetime) -> tuple[Recovery, str]:
    """Judge what was removed; the text says what to wait for, and is empty where waiting does not help."""
    left = sorted(name for name, removal in removals.items() if removal is not Removal.GONE)
    refused = sorted(name for name, removal in removals.items() if removal is Removal.REFUSED)
    if left and not refused and now < recovery.lease_until + PATIENCE:
        return recovery, f"being removed: {', '.join(left)}"
    figures = {"made": sorted(removals), "left": left}
    if left:
        why = "AWS refuses to remove" if refused else "not removed in time:"
        return recovery.found(Finding("cleanup", Verdict.failed(f"{why} {', '.join(refused or left)}"), figures)), ""
    clean = Finding("cleanup", Verdict.passed(f"nothing is left of {len(removals)} things"), figures)
    return replace(recovery, cleaned_at=now).found(clean), ""
