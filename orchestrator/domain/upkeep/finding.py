"""A finding: what is wrong or could be cheaper, with its evidence, since when, who owns it, and what to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Severity(StrEnum):
    """How urgent a finding is, in the words of AWS Security Hub, the most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Owner(StrEnum):
    """Who answers for a finding: an audience of `[….contacts]`."""

    OPERATORS = "operators"
    SECURITY = "security"
    OWNERS = "owners"


SEVERITY_ORDER = tuple(Severity)
URGENT = frozenset({Severity.CRITICAL, Severity.HIGH})
"""The severities of which one finding makes the command fail."""

DUE_WITHIN: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(days=2),
    Severity.HIGH: timedelta(days=7),
    Severity.MEDIUM: timedelta(days=30),
    Severity.LOW: timedelta(days=90),
}
"""For how long a finding may last before it is overdue."""

Figure = str | int | float


@dataclass(frozen=True)
class Finding:
    """A finding of a check.

    Attributes:
        check: the name of the check.
        subject: what it is about, such as a function, a role or a package; unique within the check.
        summary: what was found, a sentence without a full stop.
        evidence: the measured figures, by a name with its unit.
        remedy: the command to run, or what to change.
        since: when it began; None if that was not measured, and it counts from the first report that has it.
        setting: the setting to change, with its new value; empty if no setting changes it.
        saving_usd_per_month: what the change saves, in US dollars; None if it saves no money.
    """

    check: str
    subject: str
    severity: Severity
    owner: Owner
    summary: str
    evidence: Mapping[str, Figure]
    remedy: str
    since: datetime | None = None
    setting: str = ""
    saving_usd_per_month: float | None = None

    @property
    def id(self) -> str:
        """The same in every report, as long as the finding lasts."""
        return f"{self.check}:{self.subject}"

    @property
    def is_urgent(self) -> bool:
        """Whether it is critical or high."""
        return self.severity in URGENT
