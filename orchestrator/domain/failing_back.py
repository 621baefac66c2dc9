"""Going back from a restore to the tables that it left: what has to be so for that, what it costs, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.levelling import Levelling
from orchestrator.domain.prices import Prices, total
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Cost, Finding, Measured, Recovery, TableRecovery
from orchestrator.domain.recovery_plan import RecoveryPlan, RecoveryRequest, Source
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.restoration import VARIABLES
from orchestrator.domain.verdict import Json, Verdict

COMPARED = "both sides, while neither took writes"
"""What measured that nothing was lost."""

_READ_UNIT, _WRITE_UNIT, _MILLION = 4096, 1024, 1_000_000
_READS = 4
"""How often each side is read: when it is brought level, by its own scan and by the other's keys, and when it is compared."""


@dataclass(frozen=True)
class WayBack:
    """One table's way back, as DynamoDB describes both ends.

    Attributes:
        in_use: the copy that a restore had made and the service uses.
        left: the table that it left; None where that is not there any more.
        closed: whether `left` denies everybody.
    """

    in_use: Source
    left: Source | None
    closed: bool


def refuse_no_restore(undone: Recovery) -> None:
    """Let one go back from a restore that had the service use its copies, and from nothing else.

    Raises:
        Refused: it is a drill, has not ended, or the service never came to use its copies.
    """
    if undone.kind is not Kind.RESTORE or undone.ended_at is None or not undone.in_use:
        remedy = (
            f"the service does not use what it made: {undone.reason or 'it is under way'}; name a restore that cut over"
        )
        raise Refused("back", undone.id, remedy)


def refuse_not_in_use(undone: Recovery, used: Mapping[str, Mapping[str, str]]) -> None:
    """Let one go back only from what clients use.

    Args:
        undone: the restore.
        used: by function: the tables that its version uses which clients get, by the variable that says so.

    Raises:
        Refused: clients use other tables by now.
    """
    for function, tables in used.items():
        for table in undone.tables:
            found = tables.get(VARIABLES[table.role], table.target)
            if found != table.target:
                remedy = f"{function} uses {found} by now: name the restore that made it use that"
                raise Refused("back", undone.id, remedy)


def draw_up_back(
    undone: Recovery,
    ways: Sequence[WayBack],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    prices: Prices,
    now: datetime,
) -> RecoveryPlan:
    """Plan to go back from a restore, now: nothing is lost that was written since.

    Raises:
        Refused: a table is not there, is open, or could not be restored itself; or it costs more than it may.
    """
    tables = tuple(_planned(table, way, now) for table, way in zip(undone.tables, ways, strict=True))
    cost = _cost_of([table.size_bytes for table in tables], prices)
    if cost.usd > policy.max_cost_usd:
        remedy = (
            f"recovery.max_cost_usd allows {policy.max_cost_usd:g} US dollars: raise it if that is what it is worth"
        )
        raise Refused("cost", cost.usd, remedy)
    assert request.back == undone.id, "the plan is of the restore that was asked for"
    return RecoveryPlan(now, now, tables, cost, now + policy.lease)


def _planned(table: TableRecovery, way: WayBack, now: datetime) -> TableRecovery:
    if way.left is None:
        remedy = "it is not there any more, so there is nothing to go back to: `orchestrator restore --to TIME` instead"
        raise Refused(f"tables.{table.role}", table.source, remedy)
    if not way.closed:
        remedy = "it is open, and somebody may be writing to it: close it again (docs/runbooks/fail-back.md) once nobody does"
        raise Refused(f"tables.{table.role}", table.source, remedy)
    for one in (way.in_use, way.left):
        if one.latest is None:
            remedy = "point-in-time recovery is off: turn it on first, for what is written over could not be had again"
            raise Refused(f"tables.{table.role}", one.name, remedy)
    return TableRecovery(
        role=table.role,
        source=table.target,
        target=table.source,
        size_bytes=way.in_use.size_bytes,
        items=way.in_use.items,
        source_arn=way.in_use.arn,
        started_at=now,
        ready_at=now,
    )


def _cost_of(sizes_bytes: Sequence[int], prices: Prices) -> Cost:
    size = sum(sizes_bytes)
    charges = (
        prices.charge(
            "reads", "dynamodb_million_read_units", 2 * _READS * size / _READ_UNIT / _MILLION, "both sides, four times"
        ),
        prices.charge(
            "writes", "dynamodb_million_write_units", size / _WRITE_UNIT / _MILLION, "every item, where all differ"
        ),
    )
    parts = {charge.what: round(charge.usd, 4) for charge in charges}
    return Cost(round(total(charges), 4), parts, prices.as_of.isoformat())


def findings_of(levelling: Levelling | None) -> tuple[Finding, ...]:
    """What is found of tables that were brought level: a finding each; nothing where it did not come to that."""
    if levelling is None or not levelling.level:
        return ()
    return tuple(_finding(role, levelling) for role in levelling.segments)


def _finding(role: str, levelling: Levelling) -> Finding:
    moved, read = levelling.moved[role], levelling.read(role)
    told = f"{role}: {read.items} items, the same as in the table that was in use; {moved.written} were written and {moved.removed} removed"
    figures: dict[str, Json] = {
        "source_at_point": "it took no writes while it was compared",
        "items": read.items,
        "digest": read.text,
        "written": moved.written,
        "removed": moved.removed,
        "examples_removed": list(moved.examples),
        "rounds": levelling.round,
    }
    return Finding(f"level.{role}", Verdict.passed(told), figures)


def measured_back(recovery: Recovery) -> Recovery:
    """A recovery that went back, with the loss that the comparison tells: none, where all tables were found level."""
    level = {one.check for one in recovery.findings if one.check.startswith("level.")}
    if level != {f"level.{table.role}" for table in recovery.tables}:
        return recovery
    return replace(recovery, measured=Measured(None, timedelta(0), COMPARED))
