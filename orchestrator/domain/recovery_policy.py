"""An environment's rules of recovery: when it is drilled, what that may cost, and what is promised."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery import Objectives
from orchestrator.domain.token_safety import RotatedPolicy

SCHEDULE = re.compile(r"(rate|cron)\([^()]+\)")
"""EventBridge Scheduler's own forms; their content is judged by EventBridge."""

RESTORES_AT_ONCE = 50
"""DynamoDB restores so many tables of an account at once (quotas of DynamoDB)."""

MOST_WHOLE_ITEMS = 300_000
"""So many small items of two sides fit into a function that compares them."""

FIRST_POLLS = 10
LONGEST_POLL = timedelta(minutes=5)


@dataclass(frozen=True)
class RecoveryPolicy:
    """Everything of ``[recovery]`` in environments.toml, checked.

    Attributes:
        drill_schedule: when drills begin, in EventBridge Scheduler's words, in UTC; empty where nobody but people begins one.
        drill_window: within which after that the scheduler may choose; 0 for none.
        objectives: RTO and RPO.
        green_within: how long after a green drill the next must have been green, before an alarm rings.
        max_cost_usd: a recovery that is expected to cost more is refused.
        max_tables: a service of more tables is refused.
        lease: how long a drill may keep what it made.
        restores_at_once: how many restores a recovery asks for before it waits.
        poll: how long between two looks at a restore, at first.
        sabotage: whether a drill may be sabotaged here.
        whole_items: up to so many items a table is compared by one task, and a larger one in segments.
        receipts: whether a row a second is written, by which a recovery measures what it lost.
        by_export: an export tells what a source held at the point; otherwise its stream does, and an export where that cannot.
        stream_settle: how late a write may be in its table's stream.
        rotated_tokens: what becomes of refresh tokens that were replaced after the point, or may have been.
    """

    drill_schedule: str
    drill_window: timedelta
    objectives: Objectives
    green_within: timedelta
    max_cost_usd: float
    max_tables: int
    lease: timedelta
    restores_at_once: int
    poll: timedelta
    sabotage: bool
    whole_items: int
    by_export: bool
    stream_settle: timedelta
    receipts: bool
    rotated_tokens: RotatedPolicy

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> RecoveryPolicy:
        """Read the environment's table.

        Raises:
            Refused: a key is missing, unknown or out of range; names the key, the value and the remedy.
        """
        for key in table:
            if key not in _KNOWN:
                raise Refused(f"recovery.{key}", table[key], f"remove it; known keys are {', '.join(sorted(_KNOWN))}")
        return cls(
            drill_schedule=_schedule(table),
            drill_window=timedelta(minutes=_number(table, "drill_window_minutes", 0, 1440)),
            objectives=Objectives(
                recovery_time=timedelta(minutes=_number(table, "rto_minutes", 1, 10_080)),
                data_loss=timedelta(minutes=_number(table, "rpo_minutes", 1, 10_080)),
            ),
            green_within=timedelta(hours=_number(table, "green_within_hours", 1, 8784)),
            max_cost_usd=_number(table, "max_cost_usd", 0, 10_000),
            max_tables=_whole(table, "max_tables", 1, RESTORES_AT_ONCE),
            # The machine ends itself after a day: a lease is over by then.
            lease=timedelta(hours=_number(table, "lease_hours", 0.1, 23)),
            restores_at_once=_whole(table, "restores_at_once", 1, RESTORES_AT_ONCE),
            poll=timedelta(seconds=_whole(table, "poll_seconds", 1, 300)),
            sabotage=_flag(table, "sabotage"),
            whole_items=_whole(table, "whole_items", 0, MOST_WHOLE_ITEMS),
            by_export=_source(table),
            stream_settle=timedelta(seconds=_number(table, "stream_settle_seconds", 0, 30)),
            receipts=_flag(table, "receipts"),
            rotated_tokens=_rotated(table),
        )


def seconds_before_poll(policy: RecoveryPolicy, attempt: int) -> int:
    """How long to wait before another look: the same for the first ones, then ever longer, up to five minutes."""
    grown = policy.poll.total_seconds() * 1.5 ** max(0, attempt - FIRST_POLLS)
    return round(min(grown, max(LONGEST_POLL, policy.poll).total_seconds()))


_KNOWN = frozenset(
    {
        "drill_schedule",
        "drill_window_minutes",
        "rto_minutes",
        "rpo_minutes",
        "green_within_hours",
        "max_cost_usd",
        "max_tables",
        "lease_hours",
        "restores_at_once",
        "poll_seconds",
        "sabotage",
        "whole_items",
        "source_at_point",
        "stream_settle_seconds",
        "receipts",
        "rotated_tokens",
    }
)


def _schedule(table: Mapping[str, object]) -> str:
    value = table.get("drill_schedule")
    if not isinstance(value, str) or not (value == "" or SCHEDULE.fullmatch(value)):
        raise Refused("recovery.drill_schedule", value, "give a schedule such as cron(0 5 * * ? *), or an empty text")
    return value


def _source(table: Mapping[str, object]) -> bool:
    value = table.get("source_at_point")
    if value not in {"stream", "export"}:
        raise Refused("recovery.source_at_point", value, 'give "stream" or "export"')
    return value == "export"


def _rotated(table: Mapping[str, object]) -> RotatedPolicy:
    value = table.get("rotated_tokens")
    if value not in list(RotatedPolicy):
        raise Refused("recovery.rotated_tokens", value, f"give one of {', '.join(RotatedPolicy)}")
    return RotatedPolicy(str(value))


def _number(table: Mapping[str, object], key: str, low: float, high: float) -> float:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise Refused(f"recovery.{key}", value, f"give a number from {low:g} to {high:g}")
    return value


def _whole(table: Mapping[str, object], key: str, low: int, high: int) -> int:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise Refused(f"recovery.{key}", value, f"give a whole number from {low} to {high}")
    return value


def _flag(table: Mapping[str, object], key: str) -> bool:
    value = table.get(key)
    if not isinstance(value, bool):
        raise Refused(f"recovery.{key}", value, "give true or false")
    return value
