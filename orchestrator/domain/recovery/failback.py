"""Failback: return from the restored tables to the original tables. Preconditions, cost and result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.cost.prices import Prices, total_usd
from orchestrator.domain.deployment.table_sync import SyncProgress
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.plan import RecoveryPlan, Source
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import CheckResult, Cost, Measured, Recovery, TableRecovery
from orchestrator.domain.recovery.request import RecoveryRequest
from orchestrator.domain.recovery.restore import VARIABLES
from orchestrator.domain.recovery.table_settings import turn_on_stream
from orchestrator.domain.verdict import Json, Verdict

LOSS_SOURCE = "both sides, and the stream of the tables that were in use"
"""The evidence that nothing was lost."""

_READ_UNIT, _WRITE_UNIT, _MILLION = 4096, 1024, 1_000_000
_READS = 4
"""Reads of each side: by its own scan and by the other side's keys, in the synchronization and in the comparison."""


@dataclass(frozen=True)
class FailbackTable:
    """One table of a failback, as DynamoDB describes both sides.

    Attributes:
        in_use: the restored table that the service uses.
        original: the original table; None if it no longer exists.
        blocked: whether `original` denies all access.
    """

    in_use: Source
    original: Source | None
    blocked: bool


def refuse_not_cut_over(restore: Recovery) -> None:
    """Refuse a failback of a recovery that did not cut over.

    Raises:
        Refused: it is a drill, has not ended, or the service does not use its tables.
    """
    if restore.kind is not Kind.RESTORE or restore.ended_at is None or not restore.in_use:
        reason = restore.reason or "it is in progress"
        remedy = f"the service does not use its tables: {reason}; name a restore that cut over"
        raise Refused("failback_of", restore.id, remedy)


def refuse_not_in_use(restore: Recovery, tables_in_use: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a failback of a restore whose tables are no longer in use.

    Args:
        restore: the restore.
        tables_in_use: function to the tables of its live version, by environment variable.

    Raises:
        Refused: the live version uses other tables.
    """
    for function, tables in tables_in_use.items():
        for table in restore.tables:
            table_in_use = tables.get(VARIABLES[table.role], table.target)
            if table_in_use != table.target:
                remedy = f"{function} uses {table_in_use} now: name the restore that created this table"
                raise Refused("failback_of", restore.id, remedy)


def plan_failback(
    restore: Recovery,
    tables: Sequence[FailbackTable],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    prices: Prices,
    now: datetime,
) -> RecoveryPlan:
    """Plan the failback of a restore. All writes since the restore are kept.

    Raises:
        Refused: a table does not exist, is not blocked, has no stream or cannot be restored, or the cost exceeds the
            limit.
    """
    planned = tuple(
        _planned_table(table, failback, now) for table, failback in zip(restore.tables, tables, strict=True)
    )
    cost = _failback_cost([table.size_bytes for table in planned], prices)
    if cost.usd > policy.max_cost_usd:
        remedy = f"recovery.max_cost_usd allows {policy.max_cost_usd:g} US dollars: raise it to accept this cost"
        raise Refused("cost", cost.usd, remedy)
    assert request.failback_of == restore.id, "the request names this restore"
    return RecoveryPlan(now, now, planned, cost, now + policy.expiry)


def _planned_table(table: TableRecovery, failback: FailbackTable, now: datetime) -> TableRecovery:
    if failback.original is None:
        remedy = "it no longer exists, so there is no failback: use `orchestrator restore --to TIME` instead"
        raise Refused(f"tables.{table.role}", table.source, remedy)
    if not failback.blocked:
        remedy = "it is not blocked, so it may have other writers: block it again first (docs/runbooks/failback.md)"
        raise Refused(f"tables.{table.role}", table.source, remedy)
    for source in (failback.in_use, failback.original):
        if source.latest is None:
            remedy = "point-in-time recovery is off: enable it first, because overwritten items cannot be restored"
            raise Refused(f"tables.{table.role}", source.name, remedy)
    if failback.in_use.stream_since is None:
        remedy = f"it has no stream, from which its last writes are read: `{turn_on_stream(table.target)}`, then repeat"
        raise Refused(f"tables.{table.role}", table.target, remedy)
    return TableRecovery(
        role=table.role,
        source=table.target,
        target=table.source,
        size_bytes=failback.in_use.size_bytes,
        items=failback.in_use.items,
        source_arn=failback.in_use.arn,
        started_at=now,
        ready_at=now,
    )


def _failback_cost(sizes_bytes: Sequence[int], prices: Prices) -> Cost:
    size = sum(sizes_bytes)
    charges = (
        prices.charge(
            "reads", "dynamodb_million_read_units", 2 * _READS * size / _READ_UNIT / _MILLION, "both sides, four times"
        ),
        prices.charge(
            "writes", "dynamodb_million_write_units", size / _WRITE_UNIT / _MILLION, "every item, if all differ"
        ),
    )
    parts = {charge.what: round(charge.usd, 4) for charge in charges}
    return Cost(round(total_usd(charges), 4), parts, prices.as_of.isoformat())


def check_results_of(progress: SyncProgress | None) -> tuple[CheckResult, ...]:
    """Return one check result per synchronized table; empty if the tables are not in sync."""
    if progress is None or not progress.in_sync:
        return ()
    return tuple(_sync_check_result(role, progress) for role in progress.segments)


def _sync_check_result(role: str, progress: SyncProgress) -> CheckResult:
    counts = progress.moved[role]
    counted = f"{counts.written} were written and {counts.removed} removed"
    summary = f"{role}: {counts.compared} items, the same as in the table that was in use; {counted}"
    figures: dict[str, Json] = {
        "source_at_point": "clients wrote to it meanwhile: these writes were replayed from its stream",
        "items": counts.compared,
        "written": counts.written,
        "removed": counts.removed,
        "examples_removed": list(counts.examples),
        "rounds": progress.round,
        "settled": progress.settled,
    }
    return CheckResult(f"level.{role}", Verdict.passed(summary), figures)


def measured_failback(recovery: Recovery) -> Recovery:
    """Return a failback with its measured data loss: zero if all tables are in sync."""
    in_sync = {result.check for result in recovery.check_results if result.check.startswith("level.")}
    if in_sync != {f"level.{table.role}" for table in recovery.tables}:
        return recovery
    return replace(recovery, measured=Measured(None, timedelta(0), LOSS_SOURCE))
