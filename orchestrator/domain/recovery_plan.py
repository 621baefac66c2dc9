"""Planning a recovery: which point, which tables, at which cost. Everything is checked before anything is made."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.naming import new_key
from orchestrator.domain.prices import Prices, total
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Cost, Recovery, Role, Sabotage, TableRecovery
from orchestrator.domain.recovery_policy import RecoveryPolicy

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,24}")
"""A function of a drill is named by its id, and a Lambda function's name has 64 characters at most."""

RECOVERY_PREFIX = "dr-"
"""How the id of every recovery begins."""

DRILL_PREFIX = "ib-oauth-drill-"
"""How the name of everything begins that a drill makes."""

FIELDS = ("requested_by", "to", "sabotage", "backup", "through_freeze", "uncompared", "back")
READS_OF_A_TABLE = 3
"""How often a drill reads every item, at most: the copy's digest, and source and copy where they differ."""

_GB = 1_000_000_000
_UNIT_BYTES = 4096
_MILLION = 1_000_000
_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Source:
    """A table that may be restored, as DynamoDB describes it.

    Attributes:
        size_bytes, items: by DynamoDB's own count, which is up to six hours old.
        earliest, latest: the window that it can be restored to; None where point-in-time recovery is off.
        backup_arn: the backup that it is restored from; empty where it is restored to a time within its window.
        gone: the table is not there any more.
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


@dataclass(frozen=True)
class RecoveryRequest:
    """What a person or the schedule asks for.

    Attributes:
        to: None for the latest time to which all tables can be restored.
        backup: of a restore: the name of a backup that every table has, in place of a time.
        through_freeze: of a restore: begin although the environment is frozen.
        uncompared: of a restore: do not compare its contents with the source.
        back: the id of a restore whose tables are to be left again, for those that it left.
    """

    requested_by: str
    to: datetime | None = None
    sabotage: Sabotage | None = None
    backup: str = ""
    through_freeze: bool = False
    uncompared: bool = False
    back: str = ""


@dataclass(frozen=True)
class RecoveryPlan:
    """What a recovery will do.

    Attributes:
        latest: the latest time to which all tables could be restored.
    """

    point: datetime
    latest: datetime
    tables: tuple[TableRecovery, ...]
    cost: Cost
    lease_until: datetime


def recovery_id(key: str) -> str:
    """The recovery that a key names: the same key is the same recovery.

    Raises:
        Refused: the key cannot stand in the names of what a drill makes.
    """
    if not KEY.fullmatch(key):
        raise Refused("key", key, "give 1 to 25 letters, digits or -")
    return f"{RECOVERY_PREFIX}{key}"


def new_recovery_key(now: datetime, salt: bytes) -> str:
    """A key for a recovery that a person asks for."""
    return new_key(now, salt)


def scheduled_key(scheduled: datetime) -> str:
    """The key of a drill that the schedule asks for: however often the event comes, it is this one."""
    return f"{scheduled.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def target_name(kind: Kind, recovery: str, what: str, environment: str) -> str:
    """The name of what a recovery makes: a table by its role, a function or role by the function's name."""
    prefix = DRILL_PREFIX if kind is Kind.DRILL else "ib-oauth-restored-"
    return f"{prefix}{recovery}-{what}-{environment}"


def read_recovery_request(given: Mapping[str, object], policy: RecoveryPolicy, environment: str) -> RecoveryRequest:
    """Check a recovery's input.

    Raises:
        Refused: names the field, the value and what would be right.
    """
    for key in given:
        if key not in FIELDS:
            raise Refused(key, given[key], f"remove it; known fields are {', '.join(FIELDS)}")
    asker = given.get("requested_by")
    if not isinstance(asker, str) or not asker.strip():
        raise Refused("requested_by", asker, 'say who asks, such as {"requested_by": "you"}')
    to, backup = read_time(given.get("to")), given.get("backup", "")
    if not isinstance(backup, str):
        raise Refused("backup", backup, "give the name of a backup that every table has")
    if backup and to is not None:
        raise Refused("backup", backup, "leave out `to`: a backup is of its own time")
    return RecoveryRequest(
        requested_by=asker,
        to=to,
        sabotage=_sabotage(given.get("sabotage"), policy, environment),
        backup=backup,
        through_freeze=_flag(given, "through_freeze"),
        uncompared=_flag(given, "uncompared"),
        back=_back(given),
    )


def _back(given: Mapping[str, object]) -> str:
    value = given.get("back", "")
    if not isinstance(value, str):
        raise Refused("back", value, "give the id of a restore that `orchestrator history` lists")
    for other in ("to", "backup", "uncompared", "sabotage"):
        if value and given.get(other):
            raise Refused(other, given[other], "leave it out: going back restores nothing, and is compared as a whole")
    return value


def _flag(given: Mapping[str, object], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise Refused(key, value, "give true or false")
    return value


def refuse_unlike_a_drill(request: RecoveryRequest) -> None:
    """Let a drill ask for nothing that only a restore does.

    Raises:
        Refused: it does.
    """
    if request.backup:
        raise Refused("backup", request.backup, "a drill restores to a time; a backup is for `orchestrator restore`")
    if request.back:
        raise Refused("back", request.back, "a drill has nothing to go back from; this is for `orchestrator restore`")
    if request.uncompared:
        raise Refused("uncompared", True, "a drill is there to compare; this is for `orchestrator restore`")


def read_time(given: object) -> datetime | None:
    """Read a time to restore to; nothing given is the latest.

    Raises:
        Refused: it is none, or says no time zone: a restore to the wrong hour is worse than none.
    """
    if given is None:
        return None
    remedy = "give a time with its zone, such as 2026-11-23T03:00:00Z"
    try:
        read = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise Refused("to", given, remedy) from error
    if read.tzinfo is None or not isinstance(given, str):
        raise Refused("to", given, remedy)
    return read.astimezone(UTC)


def _sabotage(given: object, policy: RecoveryPolicy, environment: str) -> Sabotage | None:
    if given is None:
        return None
    if given not in list(Sabotage):
        raise Refused("sabotage", given, f"give one of {', '.join(Sabotage)}")
    if not policy.sabotage:
        raise Refused("sabotage", given, f"not in {environment}: its settings do not say recovery.sabotage = true")
    return Sabotage(str(given))


def refuse_impossible_sabotage(sabotage: Sabotage, indexes: Collection[str]) -> None:
    """Refuse to break what is not there: a saboteur who does nothing proves nothing.

    Raises:
        Refused: an index is to go, and no table has one.
    """
    if sabotage is Sabotage.INDEX_GONE and not indexes:
        raise Refused("sabotage", sabotage.value, "no table of this service has an index; choose another kind")


def draw_up(
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
    """Plan a recovery of all tables to one point.

    Raises:
        Refused: a table cannot be restored, the time is outside the window, or it costs more than it may.
    """
    if len(sources) > policy.max_tables:
        raise Refused("tables", len(sources), f"recovery.max_tables allows {policy.max_tables}: raise it, or ask why")
    if request.backup:
        # Of on-demand backups each is of its own time, and fuzzy by about a minute under writes: the latest is named.
        earliest = latest = max(source.latest for source in sources if source.latest is not None).replace(microsecond=0)
    else:
        earliest, latest = _window(sources)
    point = (request.to or latest).replace(microsecond=0)
    if not earliest <= point <= latest:
        remedy = f"give a time from {earliest.isoformat()} to {latest.isoformat()}: all tables reach that"
        raise Refused("to", point.isoformat(), remedy)
    cost = cost_of([source.size_bytes for source in sources], policy.lease, prices)
    if cost.usd > policy.max_cost_usd:
        remedy = (
            f"recovery.max_cost_usd allows {policy.max_cost_usd:g} US dollars: raise it if that is what it is worth"
        )
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
            by_export=kind is Kind.DRILL and policy.by_export,
        )
        for source in sources
    )
    return RecoveryPlan(point, latest, tables, cost, now + policy.lease)


def _window(sources: Sequence[Source]) -> tuple[datetime, datetime]:
    """The times to which all tables can be restored, in whole seconds."""
    starts, ends = [], []
    for source in sources:
        if source.earliest is None or source.latest is None:
            raise Refused(
                f"tables.{source.name}", "point-in-time recovery is off", "turn it on, and wait until the window opens"
            )
        starts.append(source.earliest)
        ends.append(source.latest)
    # Rounded into the window on both sides.
    earliest = max(starts)
    if earliest.microsecond:
        earliest = earliest.replace(microsecond=0) + timedelta(seconds=1)
    latest = min(ends).replace(microsecond=0)
    if earliest > latest:
        raise Refused("tables", [source.name for source in sources], "no time lies in the windows of all: try later")
    return earliest, latest


def cost_of(sizes_bytes: Sequence[int], lease: timedelta, prices: Prices) -> Cost:
    """What it costs to restore tables, export them, read them through, and keep the copies for the whole lease.

    Raises:
        Refused: a price is not known: what costs an unknown amount is not begun.
    """
    gigabytes = sum(sizes_bytes) / _GB
    kept = gigabytes * (lease / _MONTH)
    units = READS_OF_A_TABLE * sum(sizes_bytes) / _UNIT_BYTES
    charges = (
        prices.charge("restore", "dynamodb_restore_gb", gigabytes, "the tables with their indexes"),
        prices.charge("storage", "dynamodb_storage_gb_month", kept, "the copies, for the whole lease"),
        prices.charge("recovery of the copies", "dynamodb_pitr_gb_month", kept, "the copies, for the whole lease"),
        # Also of a drill by streams: where one of these cannot tell, an export is asked for.
        prices.charge("exports", "dynamodb_export_gb", gigabytes, "the tables at the point, where no stream tells"),
        prices.charge("reads", "dynamodb_million_read_units", units / _MILLION, "every item, read three times"),
    )
    parts = {charge.what: round(charge.usd, 4) for charge in charges}
    return Cost(round(total(charges), 4), parts, prices.as_of.isoformat())


def asked_point(recovery: Recovery) -> datetime:
    """The time that DynamoDB is asked to restore to: the recovery's, unless a saboteur has put the clock wrong."""
    off = timedelta(minutes=1) if recovery.sabotage is Sabotage.TIME_OFF_BY_A_MINUTE else timedelta(0)
    return recovery.point - off


def free_to_start(recovery: Recovery, at_once: int) -> tuple[TableRecovery, ...]:
    """The tables whose copies may be asked for now, when so many may be restored at once."""
    under_way = sum(1 for table in recovery.tables if table.started_at and not table.ready_at)
    waiting = [table for table in recovery.tables if not table.started_at]
    return tuple(waiting[: max(0, at_once - under_way)])
