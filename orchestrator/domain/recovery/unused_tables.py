"""Restored tables that the service does not use: since when, at what cost, and whether they may be deleted. Pure.

A restore never deletes a table. One that died before its cutover leaves its restored tables unused, and a failback or a
later restore leaves those that were in use before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.cost.fixed_costs import HOURS
from orchestrator.domain.cost.prices import Prices, total_usd
from orchestrator.domain.environment_lock import EnvironmentLock, Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Recovery, Role, TableRecovery
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.restored_table import RestoredTable, foreign_reason

_ANY = "\0"
"""Stands for any id in a name."""

_GB = 1_000_000_000


class TableUse(StrEnum):
    """What a restored table is used for."""

    IN_USE = "in use"
    RESTORING = "restore in progress"
    UNUSED = "unused"
    NO_RECORD = "no record"  # the ledger has no restore of its name
    FOREIGN = "not ours: left as it is"  # its restore did not create it


@dataclass(frozen=True)
class TableFacts:
    """A table as DynamoDB describes it.

    Attributes:
        size_bytes, items: with all indexes; DynamoDB's own counts, up to six hours old.
        read_units, write_units: provisioned capacity of the table and its indexes; 0 on demand.
    """

    name: str
    created_at: datetime
    size_bytes: int
    items: int
    read_units: int = 0
    write_units: int = 0


@dataclass(frozen=True)
class RestoredTableStatus:
    """A table with the name of a restored table of the environment.

    Attributes:
        recovery: id of its restore, from its name.
        used_by: what uses it; empty if nothing does.
        since: when it was created or, if it was in use, when another one replaced it.
        foreign: why it is not its restore's; empty unless its use is FOREIGN.
    """

    facts: TableFacts
    recovery: str
    use: TableUse
    used_by: str
    since: datetime
    foreign: str = ""

    @property
    def is_unused(self) -> bool:
        """Whether it costs money for nothing."""
        return self.use in {TableUse.UNUSED, TableUse.NO_RECORD}


def recovery_of_table(table: str, environment: str) -> str:
    """Return the id of the restore of which a table has the name; empty if it is no restored table's name."""
    role = role_of_restored_table(table, environment)
    if role is None:
        return ""
    prefix, suffix = target_name(Kind.RESTORE, _ANY, role, environment).split(_ANY)
    return table[len(prefix) : -len(suffix)]


def role_of_restored_table(table: str, environment: str) -> Role | None:
    """Return the role of a table with the name of a restored table; None if it is no restored table's name."""
    for role in Role:
        prefix, suffix = target_name(Kind.RESTORE, _ANY, role, environment).split(_ANY)
        if table.startswith(prefix) and table.endswith(suffix) and len(table) > len(prefix) + len(suffix):
            return role
    return None


def status_of(
    facts: TableFacts,
    environment: str,
    record: Recovery | None,
    in_use: Mapping[str, str],
    recent: Iterable[Recovery],
    *,
    foreign: str = "",
) -> RestoredTableStatus:
    """Return the status of a table with the name of a restored table.

    Args:
        facts: the table.
        environment: whose table it is.
        record: the ledger's record of its restore; None if there is none.
        in_use: name of each table in use to what uses it.
        recent: recoveries that may have replaced it.
        foreign: why it is not proved that its restore created it; empty if it is. Until the restore has ended, nothing
            proves it.
    """
    used_by = in_use.get(facts.name, "")
    if used_by:
        use = TableUse.IN_USE
    elif record is None:
        use = TableUse.NO_RECORD
    elif record.ended_at is None:
        use = TableUse.RESTORING
    else:
        use = TableUse.FOREIGN if foreign else TableUse.UNUSED
    replaced = [recovery.ended_at for recovery in replacements(facts.name, recent) if recovery.ended_at]
    since = max([facts.created_at, *replaced])
    why = foreign if use is TableUse.FOREIGN else ""
    return RestoredTableStatus(facts, recovery_of_table(facts.name, environment), use, used_by, since, why)


def replacements(table: str, recoveries: Iterable[Recovery]) -> list[Recovery]:
    """Return the recoveries whose tables came into use in place of a table. It is the original table of each."""
    return [
        recovery for recovery in recoveries if recovery.in_use and any(one.source == table for one in recovery.tables)
    ]


def oldest_unused(statuses: Iterable[RestoredTableStatus]) -> RestoredTableStatus | None:
    """Return the restored table that is unused for longest; None if all are in use."""
    return min((status for status in statuses if status.is_unused), key=lambda status: status.since, default=None)


def monthly_usd(facts: TableFacts, prices: Prices, *, point_in_time: bool) -> float:
    """Return the price of keeping a table for a month, in US dollars. point_in_time: whether it has that recovery."""
    gigabytes = facts.size_bytes / _GB
    charges = [
        prices.charge("storage", "dynamodb_storage_gb_month", gigabytes),
        prices.charge("reads", "dynamodb_read_capacity_hour", facts.read_units * HOURS),
        prices.charge("writes", "dynamodb_write_capacity_hour", facts.write_units * HOURS),
    ]
    if point_in_time:
        charges.append(prices.charge("point-in-time recovery", "dynamodb_pitr_gb_month", gigabytes))
    return total_usd(charges)


def refuse_discard(recovery: Recovery, in_use: Mapping[str, str], lock: EnvironmentLock, *, alive: bool) -> None:
    """Refuse to delete the tables of a recovery that are not surely its own and unused.

    Args:
        recovery: the recovery.
        in_use: name of each table in use, of any environment, to what uses it.
        lock: the environment lock.
        alive: whether the recovery's execution is running.

    Raises:
        Refused: it is a drill or a failback, has not ended, or has a table in use; or a lock holder may come to use one.
    """
    if recovery.kind is not Kind.RESTORE:
        raise Refused("restore", recovery.id, "it is a drill: the cleanup job deletes its tables")
    if recovery.failback_of:
        remedy = f"it is a failback, whose tables are the original ones: name {recovery.failback_of}, which it left"
        raise Refused("restore", recovery.id, remedy)
    if alive or recovery.ended_at is None:
        remedy = "it is in progress: wait until it has ended, or until the reconciler has completed its record"
        raise Refused("restore", recovery.id, remedy)
    for table in recovery.tables:
        if table.target in in_use:
            remedy = f"{table.target} is in use by {in_use[table.target]}: a table in use is not deleted"
            raise Refused("restore", recovery.id, remedy)
        if recovery_of_table(table.target, recovery.environment) != recovery.id:
            raise Refused("restore", recovery.id, f"{table.target} is not named as a table of this restore")
    if lock.held:
        remedy = f"{lock.deployment} holds it and may switch tables: repeat this when it has ended"
        raise Refused("environment lock", lock.execution, remedy)


def unproved_reason(recovery: Recovery, table: TableRecovery, restored: RestoredTable) -> str:
    """Return why DynamoDB does not prove that a restore created a table, for its time; empty if it does.

    Another restore, or none, may have created a table of that name. It is never deleted.
    """
    if reason := foreign_reason(recovery, table, restored):
        return reason
    if table.backup_arn:
        return ""
    if not table.source_arn:
        return "the record does not name its source"
    if restored.point is None or restored.point.replace(microsecond=0) != recovery.point:
        point = restored.point.isoformat() if restored.point else "no time"
        return f"it was restored to {point}, and this restore is to {recovery.point.isoformat()}"
    return ""


def consequences_of_discard(recovery: Recovery, recent: Sequence[Recovery]) -> list[str]:
    """Return what is lost with the tables of a restore, one sentence each."""
    later = {
        replacement.id: replacement for table in recovery.tables for replacement in replacements(table.target, recent)
    }
    sentences = [
        "Deletion protection is lifted. Where point-in-time recovery is on, DynamoDB keeps a system backup for 35 days."
    ]
    if recovery.in_use:
        sentences.append("The service used them after this restore: they hold what was written to them since.")
    sentences += [f"They were in use before {name}, of which no failback is possible any more." for name in later]
    return sentences
