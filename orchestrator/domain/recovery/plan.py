"""Plan a recovery: its point, its tables and its cost. Everything is checked before anything is created."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.cost.prices import Prices, total_usd
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind, exports_of
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS, needs_export
from orchestrator.domain.recovery.record import Cost, Fault, Recovery, Role, TableRecovery
from orchestrator.domain.recovery.request import RecoveryRequest, target_name

READS_OF_A_TABLE = 3
"""Reads of every item by a drill, at most: the restored table's digest, and both tables where they differ."""

_GB = 1_000_000_000
_UNIT_BYTES = 4096
_MILLION = 1_000_000
_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Source:
    """A table that may be restored, as DynamoDB describes it.

    Attributes:
        size_bytes, items: DynamoDB's own counts, up to six hours old.
        earliest, latest: the window of point-in-time recovery; None if it is off.
            That of a backup is the time of its content.
        backup_arn: the backup to restore; empty for point-in-time recovery.
        gone: the table no longer exists.
        read_units: its read units a second.
        uncertainty: how much older or newer than the backup's time its content may be.
        exportable_from: of a backup: the earliest time that an export of the table can show; None if it cannot.
        encryption_key: ARN of the key that encrypts it; empty for DynamoDB's own.
        backup_bytes: the size of the backup, as AWS states it; 0 if it does not, and for point-in-time recovery.
        stream_since: when its stream with both images began; None if it has none.
    """

    role: Role
    name: str
    arn: str
    size_bytes: int
    items: int
    earliest: datetime | None
    latest: datetime | None
    backup_arn: str = ""
    gone: bool = False
    read_units: int = ON_DEMAND_READ_UNITS
    uncertainty: timedelta = timedelta(0)
    exportable_from: datetime | None = None
    encryption_key: str = ""
    backup_bytes: int = 0
    stream_since: datetime | None = None


@dataclass(frozen=True)
class RecoveryPlan:
    """The plan of a recovery.

    Attributes:
        point: the recovery point: the earliest time of all restored tables. Only backups may be of a later time.
        latest: the latest time to which all tables could be restored.
        standing_grants: drill of a chosen point: when the standing grants were given that it tries.
    """

    point: datetime
    latest: datetime
    tables: tuple[TableRecovery, ...]
    cost: Cost
    expires_at: datetime
    standing_grants: datetime | None = None


def plan_recovery(
    kind: Kind,
    recovery: str,
    sources: Sequence[Source],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    environment: str,
    prices: Prices,
    now: datetime,
) -> RecoveryPlan:
    """Plan a recovery of all tables to one point. A table that is restored from a backup has the time of its backup.

    Raises:
        Refused: a table cannot be restored, the time is outside the window, or the cost exceeds the limit.
    """
    if len(sources) > policy.max_tables:
        raise Refused("tables", len(sources), f"recovery.max_tables allows {policy.max_tables}: raise it if intended")
    earliest, latest = recovery_window(sources)
    point = (request.to or latest).replace(microsecond=0)
    if not earliest <= point <= latest:
        raise Refused("to", point.isoformat(), _remedy_outside(sources, earliest, latest))
    backup = any(source.backup_arn for source in sources)
    exports = exports_of(BackupKind.BACKUP if backup else BackupKind.PITR)
    cost = recovery_cost([source.size_bytes for source in sources], policy.expiry, prices, exports=exports)
    if cost.usd > policy.max_cost_usd:
        remedy = f"recovery.max_cost_usd allows {policy.max_cost_usd:g} US dollars: raise it to accept this cost"
        raise Refused("cost", cost.usd, remedy)
    tables = tuple(
        TableRecovery(
            role=source.role,
            source=source.name,
            target=target_name(kind, recovery, source.role, environment),
            size_bytes=source.size_bytes,
            items=source.items,
            source_arn=source.arn,
            backup_arn=source.backup_arn,
            gone=source.gone,
            by_export=_by_export(kind, source, request, policy),
            read_units=source.read_units,
            backup_at=source.latest if source.backup_arn else None,
            uncertainty=source.uncertainty,
            exportable_from=source.exportable_from,
            encryption_key=source.encryption_key,
            backup_bytes=source.backup_bytes,
        )
        for source in sources
    )
    return RecoveryPlan(point, latest, tables, cost, now + policy.expiry)


def _by_export(kind: Kind, source: Source, request: RecoveryRequest, policy: RecoveryPolicy) -> bool:
    """Return whether a table is compared with an export of its source, so that its clients lose no capacity."""
    if source.gone or source.backup_arn or request.skip_comparison:
        return False
    if kind is Kind.DRILL and policy.by_export:
        return True
    return needs_export(source.size_bytes, source.read_units, policy.read_share_percent)


def recovery_window(sources: Sequence[Source]) -> tuple[datetime, datetime]:
    """Return the times from which the recovery point is chosen, in whole seconds.

    A backup has one time. So tables with point-in-time recovery are restored to the earliest time of all backups, or
    to an earlier time if they do not reach it yet.

    Raises:
        Refused: point-in-time recovery of a table is off, or there is no time that all tables reach.
    """
    backups = [source for source in sources if source.backup_arn]
    continuous = [source for source in sources if not source.backup_arn]
    first = _first_backup_time(backups)
    if first is None:
        return _common_window(continuous)
    if not continuous:
        return first, first
    earliest, latest = _common_window(continuous)
    if first < earliest:
        remedy = (
            f"point-in-time recovery of {_names(continuous)} reaches back to {earliest.isoformat()} only, and "
            f"{_backup_times(backups)} is earlier: restore backups of all tables by name, with --backup"
        )
        raise Refused("tables", [source.name for source in sources], remedy)
    return earliest, min(latest, first)


def _first_backup_time(backups: Sequence[Source]) -> datetime | None:
    """Return the earliest time of some backups, in whole seconds; None without a backup."""
    times = [source.latest.replace(microsecond=0) for source in backups if source.latest is not None]
    return min(times, default=None)


def _remedy_outside(sources: Sequence[Source], earliest: datetime, latest: datetime) -> str:
    """Return the remedy for a recovery point that is not in the window of all tables."""
    window = f"give a time from {earliest.isoformat()} to {latest.isoformat()}"
    backups = [source for source in sources if source.backup_arn]
    if not backups:
        return f"{window}: the window of all tables"
    if len(backups) == len(sources):
        return f"omit it: a backup has its own time, {_backup_times(backups)}"
    return f"{window}, which is not later than the backup of a deleted table: {_backup_times(backups)}"


def _backup_times(backups: Sequence[Source]) -> str:
    return ", ".join(
        f"that of {source.name}, {source.latest.isoformat(timespec='seconds')}"
        for source in backups
        if source.latest is not None
    )


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.name for source in sources)


def _common_window(sources: Sequence[Source]) -> tuple[datetime, datetime]:
    """Return the times to which all tables can be restored, in whole seconds."""
    starts, ends = [], []
    for source in sources:
        if source.earliest is None or source.latest is None:
            remedy = "enable it, and wait until its window begins"
            raise Refused(f"tables.{source.name}", "point-in-time recovery is off", remedy)
        starts.append(source.earliest)
        ends.append(source.latest)
    # Both ends are rounded into the window.
    earliest = max(starts)
    if earliest.microsecond:
        earliest = earliest.replace(microsecond=0) + timedelta(seconds=1)
    latest = min(ends).replace(microsecond=0)
    if earliest > latest:
        raise Refused("tables", [source.name for source in sources], "their windows do not overlap yet: try later")
    return earliest, latest


def recovery_cost(sizes_bytes: Sequence[int], expiry: timedelta, prices: Prices, *, exports: int = 1) -> Cost:
    """Return the cost of restoring, exporting and reading the tables, and of keeping the restored tables until expiry.

    Args:
        sizes_bytes: of the tables.
        expiry: how long the restored tables are kept.
        prices: of the region.
        exports: of each table, at most (`exports_of`).

    Raises:
        Refused: a price is missing, because a recovery of unknown cost is not started.
    """
    gigabytes = sum(sizes_bytes) / _GB
    gigabyte_months = gigabytes * (expiry / _MONTH)
    units = READS_OF_A_TABLE * sum(sizes_bytes) / _UNIT_BYTES
    charges = (
        prices.charge("restore", "dynamodb_restore_gb", gigabytes, "the tables with their indexes"),
        prices.charge(
            "storage", "dynamodb_storage_gb_month", gigabyte_months, "the restored tables, until they expire"
        ),
        prices.charge(
            "recovery of the restored tables",
            "dynamodb_pitr_gb_month",
            gigabyte_months,
            "the restored tables, until they expire",
        ),
        # A drill by streams may need an export, too: if its stream is inconclusive.
        prices.charge(
            "exports",
            "dynamodb_export_gb",
            exports * gigabytes,
            f"{exports} of each table, if streams are inconclusive",
        ),
        prices.charge("reads", "dynamodb_million_read_units", units / _MILLION, "every item, read three times"),
    )
    parts = {charge.what: round(charge.usd, 4) for charge in charges}
    return Cost(round(total_usd(charges), 4), parts, prices.as_of.isoformat())


def requested_point(recovery: Recovery) -> datetime:
    """Return the time requested from DynamoDB: the recovery point, unless the injected fault shifts it."""
    offset = timedelta(minutes=1) if recovery.fault is Fault.TIME_OFF_BY_A_MINUTE else timedelta(0)
    return recovery.point - offset


def startable_tables(recovery: Recovery, max_concurrent: int) -> tuple[TableRecovery, ...]:
    """Return the tables whose restores may start now, within the limit of concurrent restores."""
    in_progress = sum(1 for table in recovery.tables if table.started_at and not table.ready_at)
    waiting = [table for table in recovery.tables if not table.started_at]
    return tuple(waiting[: max(0, max_concurrent - in_progress)])
