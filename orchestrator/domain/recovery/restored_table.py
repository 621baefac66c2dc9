"""A restored table: its tags, its state, and the checks of its origin and its removal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused, RestoreFailed
from orchestrator.domain.recovery.plan import startable_tables
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryAction, TableRecovery
from orchestrator.domain.verdict import Verdict

DRILL_TAG, ENVIRONMENT_TAG, EXPIRY_TAG = "ib-oauth:drill", "ib-oauth:environment", "ib-oauth:lease"
RESTORE_TAG = "ib-oauth:restore"
"""Tags of the resources of a recovery: its id, its environment, and when they expire."""


@dataclass(frozen=True)
class RestoredTable:
    """A restored table as DynamoDB describes it.

    Attributes:
        active: whether its status is ACTIVE.
        in_progress: whether its restore is in progress; None if DynamoDB reports no restore.
        point: the time to which it was restored.
        created_at: when the table was created; None if DynamoDB does not report it.
    """

    arn: str
    active: bool
    in_progress: bool | None
    source_arn: str
    point: datetime | None
    backup_arn: str = ""
    created_at: datetime | None = None

    @property
    def readable(self) -> bool:
        """Whether it may be read. An active table whose restore is in progress holds only a part of its items."""
        return self.active and not self.in_progress


class Removal(StrEnum):
    """The progress of a removal."""

    GONE = "GONE"
    UNDER_WAY = "UNDER_WAY"  # check again
    REFUSED = "REFUSED"  # a retry does not help: the resource is protected
    FOREIGN = "FOREIGN"  # it is not the recovery's: nothing is removed

    @property
    def over(self) -> bool:
        """Whether nothing of the recovery is left to remove."""
        return self in {Removal.GONE, Removal.FOREIGN}


def tags_of(recovery: Recovery) -> Mapping[str, str]:
    """Return the tags of a recovery's resources. Those of a real restore do not expire, so no job removes them."""
    if recovery.kind is Kind.RESTORE:
        return {RESTORE_TAG: recovery.id, ENVIRONMENT_TAG: recovery.environment}
    return {
        DRILL_TAG: recovery.id,
        ENVIRONMENT_TAG: recovery.environment,
        EXPIRY_TAG: recovery.expires_at.isoformat(),
    }


CLOCK_TOLERANCE = timedelta(minutes=1)
"""How far DynamoDB's clock may be behind the orchestrator's."""


def foreign_reason(recovery: Recovery, table: TableRecovery, restored: RestoredTable) -> str:
    """Return why a table of the target's name was not created by this recovery; empty if it was.

    The name proves nothing, because anyone may give it to a table. A recovery writes only to a table, and removes only a
    table, that DynamoDB reports as restored from the recovery's source, or from its backup, after it was requested.
    """
    backup = table.restored_from if table.backup_arn else ""
    return foreign_origin(restored, recovery.id, recovery.requested_at, backup_arn=backup, source_arn=table.source_arn)


def foreign_origin(
    restored: RestoredTable, request: str, requested_at: datetime, *, backup_arn: str, source_arn: str = ""
) -> str:
    """Return why a restore that a request started did not create a table; empty if it did.

    Args:
        restored: the table, as DynamoDB or AWS Backup reports it.
        request: the id of the recovery or the failover.
        requested_at: when it was requested.
        backup_arn: the backup that it is restored from; empty if from a table.
        source_arn: that table, without a backup.
    """
    if restored.in_progress is None:
        return "no restore created it"
    if backup_arn:
        if restored.backup_arn != backup_arn:
            return f"it was restored from {restored.backup_arn or restored.source_arn or 'an unknown table'}"
    elif restored.source_arn != source_arn:
        return f"it was restored from {restored.source_arn or 'an unknown table'}"
    if restored.created_at is None or restored.created_at < requested_at - CLOCK_TOLERANCE:
        created = restored.created_at.isoformat() if restored.created_at else "an unknown time"
        return f"it was created at {created}, and {request} was requested at {requested_at.isoformat()}"
    return ""


def refuse_foreign(recovery: Recovery, table: TableRecovery, restored: RestoredTable) -> None:
    """Stop before a table is changed that is not the recovery's.

    Raises:
        Refused: it was not created by this recovery.
    """
    if reason := foreign_reason(recovery, table, restored):
        remedy = f"it is left as it is, because {reason}; remove it, or start a recovery with another key"
        raise Refused("target", table.target, remedy)


def judge_restored(recovery: Recovery, table: TableRecovery, restored: RestoredTable) -> CheckResult:
    """Judge the time to which a table was restored. Its source was proved before (`foreign_reason`)."""
    check = f"restore.{table.role}"
    point = restored.point.isoformat() if restored.point else ""
    figures = {
        "source": restored.source_arn,
        "point": point,
        "expected_source": table.source_arn,
        "expected_point": recovery.point.isoformat(),
    }
    if table.backup_arn:
        figures |= {"backup": restored.backup_arn, "expected_backup": table.restored_from}
        copied = f", a copy of {table.backup_arn}" if table.copied_arn else ""
        verdict = Verdict.passed(f"restored from {restored.backup_arn}{copied}")
    elif restored.point is None or restored.point.replace(microsecond=0) != recovery.point:
        requested = recovery.point.isoformat()
        verdict = Verdict.failed(f"it was restored to {point or 'no time'}, requested was {requested}")
    else:
        verdict = Verdict.passed(f"restored to {point}")
    return CheckResult(check, verdict, figures)


def refuse_missing_table(table: TableRecovery, restored: RestoredTable | None) -> RestoredTable:
    """Return the restored table, which must exist because its restore was requested.

    Raises:
        RestoreFailed: it does not exist, because DynamoDB removes a table whose restore failed.
    """
    if restored is None:
        raise RestoreFailed(f"{table.target} was requested at {table.started_at} and does not exist")
    return restored


def next_restore_action(recovery: Recovery, max_concurrent: int) -> tuple[RecoveryAction, str]:
    """Return what follows a check of all restored tables, and why."""
    pending = [table.target for table in recovery.tables if not table.ready_at]
    if not pending:
        return RecoveryAction.PROCEED, f"all {len(recovery.tables)} restored tables are ready"
    reason = f"not ready: {', '.join(pending)}"
    return (RecoveryAction.RESTORE if startable_tables(recovery, max_concurrent) else RecoveryAction.WAIT), reason


def refuse_expired(recovery: Recovery, now: datetime) -> None:
    """Stop waiting when the recovery expires.

    Raises:
        RestoreFailed: it has expired.
    """
    if now >= recovery.expires_at:
        expired_at = recovery.expires_at.isoformat()
        raise RestoreFailed(f"the restored tables were not ready when the recovery expired, at {expired_at}")


def with_error(recovery: Recovery, error: Mapping[str, str]) -> Recovery:
    """Return the record with the error of a state, which fails the recovery. A repeated error is added only once."""
    count = sum(1 for result in recovery.check_results if result.check.startswith("machine."))
    check = f"machine.{count + 1}"
    cause = cause_of(error)
    if any(result.verdict.reason == cause for result in recovery.check_results):
        return recovery
    return recovery.with_check_results(CheckResult(check, Verdict.error(cause)))


REMOVAL_TIMEOUT = timedelta(hours=2)
"""How long after the expiry a removal is awaited, because a table cannot be deleted while it is being restored."""


def judge_removal(recovery: Recovery, removals: Mapping[str, Removal], now: datetime) -> tuple[Recovery, str]:
    """Judge a removal. The text names what to wait for; it is empty if waiting does not help."""
    remaining = sorted(name for name, removal in removals.items() if not removal.over)
    foreign = sorted(name for name, removal in removals.items() if removal is Removal.FOREIGN)
    refused = sorted(name for name, removal in removals.items() if removal is Removal.REFUSED)
    if remaining and not refused and now < recovery.expires_at + REMOVAL_TIMEOUT:
        return recovery, f"removing: {', '.join(remaining)}"
    figures = {"made": sorted(removals.keys() - set(foreign)), "left": remaining}
    if foreign:
        figures["foreign"] = foreign
    if remaining:
        reason = "AWS refuses to remove" if refused else "not removed in time:"
        return recovery.with_check_results(
            CheckResult("cleanup", Verdict.failed(f"{reason} {', '.join(refused or remaining)}"), figures)
        ), ""
    others = f"; {', '.join(foreign)}: not created by {recovery.id}, and left" if foreign else ""
    removed = f"all {len(removals) - len(foreign)} resources are removed{others}"
    if expiring := sorted(table.copied_arn for table in recovery.tables if table.copied_arn):
        # No role of ours may delete recovery points.
        removed += f"; AWS Backup deletes {len(expiring)} recovery points in the vault of drills, by their retention"
        figures["expiring"] = expiring
    clean = CheckResult("cleanup", Verdict.passed(removed), figures)
    return replace(recovery, cleaned_at=now).with_check_results(clean), ""
