"""Plan a recovery: its point, its tables and its cost. Everything is checked before anything is created."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.domain.cost.prices import Prices, total_usd
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.identifiers import new_key
from orchestrator.domain.recovery.backups.kinds import (
    BackupKind,
    Selection,
    read_backup_kind,
    read_selection,
    refuse_with_backup_kind,
)
from orchestrator.domain.recovery.lost_writes.replay import read_corrupted
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS, needs_export
from orchestrator.domain.recovery.record import Cost, Fault, Recovery, Role, TableRecovery
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.texts import MAX_NAME

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,24}")
"""Function names of a drill contain its id, and a Lambda function's name has at most 64 characters."""

RECOVERY_PREFIX = "dr-"
"""Prefix of the id of every recovery."""

DRILL_PREFIX = "ib-oauth-drill-"
"""Prefix of the names of all resources of a drill."""

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


@dataclass(frozen=True)
class RecoveryRequest:
    """The input of a recovery, checked.

    Attributes:
        to: the recovery point; None for the latest time to which all tables can be restored.
        fault: drill: the fault to inject.
        backup: restore: name of backups that were made of all tables together, instead of a time.
        override_freeze: restore: start even if the environment is frozen.
        skip_comparison: restore: do not compare the contents with the source.
        failback_of: id of a restore whose original tables are to be used again.
        backup_kind: drill: what to restore from.
        selection: drill: which backup of its kind to restore.
        replay: restore: replay what was written since the recovery point.
        corrupted: restore: the kinds of item that are not replayed.
    """

    requested_by: str
    to: datetime | None = None
    fault: Fault | None = None
    backup: str = ""
    override_freeze: bool = False
    skip_comparison: bool = False
    failback_of: str = ""
    backup_kind: BackupKind = BackupKind.PITR
    selection: Selection = Selection.LATEST
    replay: bool = False
    corrupted: tuple[str, ...] = ()

    @property
    def replays(self) -> tuple[str, ...] | None:
        """The kinds of item that the replay leaves out; None for no replay."""
        return self.corrupted if self.replay else None


@dataclass(frozen=True)
class RecoveryPlan:
    """The plan of a recovery.

    Attributes:
        point: the recovery point: the earliest time of all restored tables. Only backups may be of a later time.
        latest: the latest time to which all tables could be restored.
    """

    point: datetime
    latest: datetime
    tables: tuple[TableRecovery, ...]
    cost: Cost
    expires_at: datetime


def recovery_id(key: str) -> str:
    """Return the id of the recovery of a key. The same key always gives the same id.

    Raises:
        Refused: the key contains characters that names of drill resources must not have.
    """
    if not KEY.fullmatch(key):
        raise Refused("key", key, "give 1 to 25 letters, digits or -")
    return f"{RECOVERY_PREFIX}{key}"


def new_recovery_key(now: datetime, salt: bytes) -> str:
    """Return a key for a recovery that an operator requests."""
    return new_key(now, salt)


def scheduled_key(scheduled: datetime) -> str:
    """Return the key of a scheduled drill. A repeated event gives the same key."""
    return f"{scheduled.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def target_name(kind: Kind, recovery: str, what: str, environment: str) -> str:
    """Return the name of a recovery's resource. what: a table's role, or the name of a function or an IAM role."""
    prefix = DRILL_PREFIX if kind is Kind.DRILL else "ib-oauth-restored-"
    return f"{prefix}{recovery}-{what}-{environment}"


def read_recovery_request(document: Mapping[str, object], policy: RecoveryPolicy, environment: str) -> RecoveryRequest:
    """Check a recovery's input.

    Raises:
        Refused: a field is wrong. The error names the field, the value and the remedy.
    """
    fields = SettingsReader("", document, Refused)
    kind = read_backup_kind(fields)
    request = RecoveryRequest(
        requested_by=fields.text(
            "requested_by", remedy='name the requester, such as {"requested_by": "you"}', at_most=MAX_NAME
        ),
        to=read_time(fields.take("to")),
        fault=_fault(fields, policy, environment),
        backup=_optional_name(fields, "backup", "give the name of a backup that every table has"),
        override_freeze=fields.flag("override_freeze", default=False),
        skip_comparison=fields.flag("skip_comparison", default=False),
        failback_of=_optional_name(fields, "failback_of", "give the id of a restore from `orchestrator history`"),
        backup_kind=kind,
        selection=read_selection(fields, kind),
        replay=fields.flag("replay", default=False),
        corrupted=read_corrupted(fields.take("corrupted") or ()),
    )
    fields.refuse_unknown_keys()
    if request.backup and request.to is not None:
        raise Refused("backup", request.backup, "omit `to`: a backup has its own time")
    if request.corrupted and not request.replay:
        raise Refused("corrupted", ", ".join(request.corrupted), "it is about a replay: give `replay` as well")
    if request.failback_of:
        _refuse_with_failback(request)
    refuse_with_backup_kind(kind, request.to, request.fault)
    return request


def _optional_name(fields: SettingsReader, key: str, remedy: str) -> str:
    name = fields.take(key)
    if name is None:
        return ""
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME:
        raise fields.refused(key, name, remedy)
    return name


def _refuse_with_failback(request: RecoveryRequest) -> None:
    """Refuse options of a restore in the request of a failback."""
    for option in ("to", "backup", "skip_comparison", "fault", "replay"):
        if value := getattr(request, option):
            raise Refused(option, value, "omit it: a failback restores nothing and compares everything")


def refuse_restore_options(request: RecoveryRequest) -> None:
    """Refuse a drill with options of a restore.

    Raises:
        Refused: it has one.
    """
    if request.backup:
        remedy = "a drill selects its backup: give --from backup, with --select; `orchestrator restore` takes a name"
        raise Refused("backup", request.backup, remedy)
    if request.failback_of:
        raise Refused("failback_of", request.failback_of, "a drill has no failback; use `orchestrator failback`")
    if request.skip_comparison:
        raise Refused("skip_comparison", True, "a drill always compares; omit it")
    if request.replay:
        raise Refused("replay", True, "a drill replays nothing; use `orchestrator restore`")


def refuse_drill_options(request: RecoveryRequest) -> None:
    """Refuse a restore with options of a drill.

    Raises:
        Refused: it has one.
    """
    if request.backup_kind is not BackupKind.PITR:
        raise Refused("from", request.backup_kind.value, "only a drill selects backups; a restore takes --backup NAME")


def read_time(value: object) -> datetime | None:
    """Read a recovery point; None is the latest.

    Raises:
        Refused: it is not a time, or has no time zone: a restore to the wrong hour is worse than none.
    """
    if value is None:
        return None
    remedy = "give a time with its zone, such as 2026-11-23T03:00:00Z"
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise Refused("to", value, remedy) from error
    if time.tzinfo is None or not isinstance(value, str):
        raise Refused("to", value, remedy)
    return time.astimezone(UTC)


def _fault(fields: SettingsReader, policy: RecoveryPolicy, environment: str) -> Fault | None:
    fault = fields.take("fault")
    if fault is None:
        return None
    if fault not in tuple(Fault):
        raise fields.refused("fault", fault, f"give one of {', '.join(Fault)}")
    if not policy.inject_faults:
        remedy = f"not allowed in {environment}: its settings do not have recovery.inject_faults = true"
        raise fields.refused("fault", fault, remedy)
    return Fault(str(fault))


def refuse_impossible_fault(fault: Fault, indexes: Collection[str]) -> None:
    """Refuse a fault that cannot be injected, because a drill without a fault proves nothing about its checks.

    Raises:
        Refused: the fault removes an index, and no table has one.
    """
    if fault is Fault.INDEX_GONE and not indexes:
        raise Refused("fault", fault.value, "no table of this service has an index; choose another fault")


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
    earliest, latest = _recovery_window(sources)
    point = (request.to or latest).replace(microsecond=0)
    if not earliest <= point <= latest:
        raise Refused("to", point.isoformat(), _remedy_outside(sources, earliest, latest))
    cost = recovery_cost([source.size_bytes for source in sources], policy.expiry, prices)
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


def _recovery_window(sources: Sequence[Source]) -> tuple[datetime, datetime]:
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


def recovery_cost(sizes_bytes: Sequence[int], expiry: timedelta, prices: Prices) -> Cost:
    """Return the cost of restoring, exporting and reading the tables, and of keeping the restored tables until expiry.

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
            "exports", "dynamodb_export_gb", gigabytes, "the tables at the point, if streams are inconclusive"
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
