"""The schedules of drills: one for each kind of backup, with the selection, the time until it is overdue, and the cost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestrator.domain.cron import InvalidSchedule, read_schedule, runs_per_month
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection, read_within_days
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.setting_rules import Choice, Text

SCHEDULE: Final = re.compile(r"(rate|cron)\([^()]+\)")
"""The forms of EventBridge Scheduler."""

REMEDY: Final = "give a schedule such as cron(0 5 * * ? *)"
SCHEDULED_KINDS: Final = (BackupKind.BACKUP, BackupKind.VAULT, BackupKind.COPY)
"""The kinds with a schedule of their own. That of point-in-time recovery is `drill_schedule`."""

MAX_HOURS: Final = 8784
CAP: Final = "recovery.max_monthly_usd"
"""The setting that caps the cost of the scheduled drills of a month."""


@dataclass(frozen=True)
class DrillSchedule:
    """When drills of a kind of backup start, and what they restore.

    Attributes:
        expression: of EventBridge Scheduler, in UTC.
        success_within: age of the last successful drill of this kind above which an alarm fires.
        within_days: it selects from the backups of so many days; 0 for all.
    """

    kind: BackupKind
    expression: str
    selection: Selection
    success_within: timedelta
    within_days: int = 0

    def per_month(self, now: datetime) -> float:
        """Return how many drills start in a month, on average."""
        return runs_per_month(read_schedule(self.expression), now)


def read_drills(settings: SettingsReader) -> Mapping[BackupKind, DrillSchedule]:
    """Read ``[….recovery.drills]``: for a kind of backup `schedule`, `select`, `within_days` and `success_within_hours`.

    Raises:
        Refused: there is no such kind, or a value is missing or wrong.
    """
    found = {}
    for name, own in settings.children().items():
        if name not in SCHEDULED_KINDS:
            remedy = f"name one of {', '.join(SCHEDULED_KINDS)}; `drill_schedule` is that of point-in-time recovery"
            settings.observer.refused(settings.refused(name, name, remedy), {})
            continue
        kind = BackupKind(name)
        found[kind] = DrillSchedule(
            kind,
            read_expression(own, "schedule"),
            Selection(own.choice("select", tuple(Selection))),
            timedelta(hours=own.number("success_within_hours", 1, MAX_HOURS)),
            read_within_days(own, kind),
        )
        own.refuse_unknown_keys()
    return found


def read_expression(settings: SettingsReader, key: str, *, may_be_empty: bool = False) -> str:
    """Read a schedule expression.

    Args:
        settings: the table.
        key: the setting's name.
        may_be_empty: whether an empty text is no schedule.

    Raises:
        Refused: it is no schedule.
    """
    empty, remedy = ((Choice(("",)),), f"{REMEDY}, or an empty text") if may_be_empty else ((), REMEDY)
    value = settings.take(key, described_by=(*empty, Text(matching=SCHEDULE)))
    if may_be_empty and value == "":
        return ""
    try:
        read_schedule(value if isinstance(value, str) else "")
    except InvalidSchedule as error:
        settings.observer.refused(settings.refused(key, value, f"{remedy}: {error}"), value)
    return str(value)


def refuse_costly_drills(
    schedules: Iterable[DrillSchedule], usd_a_drill: Mapping[BackupKind, float], most_usd: float, now: datetime
) -> None:
    """Refuse schedules whose drills cost more than a month may.

    Args:
        schedules: of all kinds.
        usd_a_drill: estimated cost of one drill, by kind.
        most_usd: the cap, `max_monthly_usd`.
        now: the time; the months are those of the year after it.

    Raises:
        Refused: they cost more. The error has each kind's part.
    """
    costs = {one.kind: one.per_month(now) * usd_a_drill[one.kind] for one in schedules}
    total = sum(costs.values())
    if total > most_usd:
        parts = ", ".join(f"{kind} {usd:.2f}" for kind, usd in costs.items())
        remedy = f"scheduled drills would cost {total:.2f} US dollars a month ({parts}): raise it, or drill less often"
        raise Refused(CAP, most_usd, remedy)
