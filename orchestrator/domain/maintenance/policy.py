"""The settings of maintenance, ``[….maintenance]``. The table and both settings are optional."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from orchestrator.domain.schema import SettingsReader

DEFAULT_MAX_HOURS, DEFAULT_NOTICE_HOURS = 8, 72
MAX_HOURS, NOTICE_HOURS = (1, 12), (0, 720)
"""At most 12 hours: a page that waits for the end of a window waits in a queue, which delivers it at most 30 times."""


@dataclass(frozen=True)
class MaintenancePolicy:
    """How long a window may take, and how long before its start it has to be planned."""

    max_hours: int = DEFAULT_MAX_HOURS
    notice_hours: int = DEFAULT_NOTICE_HOURS

    @property
    def longest(self) -> timedelta:
        """The longest window."""
        return timedelta(hours=self.max_hours)

    @property
    def notice(self) -> timedelta:
        """The least time from the plan to the start."""
        return timedelta(hours=self.notice_hours)


def read_policy(settings: SettingsReader) -> MaintenancePolicy:
    """Read the table ``maintenance`` of an environment's table.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    max_hours, notice_hours = DEFAULT_MAX_HOURS, DEFAULT_NOTICE_HOURS
    if "maintenance" in settings:
        table = settings.table("maintenance")
        if "max_hours" in table:
            max_hours = table.whole_number("max_hours", *MAX_HOURS)
        if "notice_hours" in table:
            notice_hours = table.whole_number("notice_hours", *NOTICE_HOURS)
        table.refuse_unknown_keys()
    return MaintenancePolicy(max_hours, notice_hours)
