"""The register of findings: what the newest kept reports found wrong, and when each owner was notified.

A report that is kept replaces what an earlier one of its kind found. What it did not check stays as it was. An owner gets
one message about everything that is new, and a reminder once a day while anything of theirs is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.compliance.report import ComplianceReport
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.upkeep.report import UpkeepReport
from orchestrator.domain.verdict import Json

REMIND_EVERY = timedelta(days=1)
"""How often an owner is reminded, as for action items of incidents."""

COMPLIANCE, UPKEEP = "compliance", "upkeep"
EVENT = "FindingsReported"
MOST_NAMED = 10
"""Findings that one message names; the command shows all."""

SEVERITIES = ("critical", "high", "medium", "low")
"""The most urgent first. Controls and upkeep have the same words."""


@dataclass(frozen=True)
class OpenFinding:
    """A finding that lasts.

    Attributes:
        source: `COMPLIANCE` or `UPKEEP`.
        id: of the control, or of the finding in the upkeep report.
        owner: an audience of `[….contacts]`.
        since: the first kept report that has it.
        notified: whether its owner got a message about it.
    """

    source: str
    id: str
    owner: str
    severity: str
    summary: str
    remedy: str
    since: datetime
    notified: bool = False

    @property
    def key(self) -> str:
        """Its name in the register."""
        return f"{self.source}:{self.id}"


@dataclass(frozen=True)
class Sent:
    """The newest message to an owner: when, and the how-manieth it was."""

    at: datetime
    number: int


@dataclass(frozen=True)
class FindingRegister:
    """The register of an environment. `version`: of the stored item; 0 if there is none. `sent`: by owner."""

    version: int = 0
    findings: Mapping[str, OpenFinding] = field(default_factory=dict)
    sent: Mapping[str, Sent] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """A message that is due to an owner: its number, and their open findings, new ones and urgent ones first."""

    owner: str
    number: int
    findings: tuple[OpenFinding, ...]

    @property
    def new(self) -> int:
        """How many of the findings the owner was not notified of."""
        return sum(not finding.notified for finding in self.findings)


def after_compliance(register: FindingRegister, report: ComplianceReport) -> FindingRegister:
    """Return the register after a kept compliance report. Controls that were not checked stay as they were."""
    answered = {finding.control.id for finding in report.findings if finding.result.status is not Status.NOT_CHECKED}
    found = [
        OpenFinding(
            COMPLIANCE,
            finding.control.id,
            finding.control.owner.value,
            finding.control.severity.value,
            f"{finding.control.requirement} {finding.result.reason}".strip(),
            finding.remedy,
            report.at,
        )
        for finding in report.failing
    ]
    return _replaced(register, found, [f"{COMPLIANCE}:{name}" for name in answered])


def after_upkeep(register: FindingRegister, report: UpkeepReport) -> FindingRegister:
    """Return the register after a kept upkeep report: its overdue findings. Checks that did not end stay as they were."""
    completed = {result.check for result in report.results if result.complete}
    found = [
        OpenFinding(
            UPKEEP,
            one.finding.id,
            one.finding.owner.value,
            one.finding.severity.value,
            f"{one.finding.summary}, due {one.due_at:%Y-%m-%d}",
            one.finding.remedy,
            one.since,
        )
        for one in report.findings
        if one.overdue
    ]
    answered = [
        key
        for key, known in register.findings.items()
        if known.source == UPKEEP and known.id.partition(":")[0] in completed
    ]
    return _replaced(register, found, answered)


def _replaced(register: FindingRegister, found: Iterable[OpenFinding], answered: Iterable[str]) -> FindingRegister:
    gone = frozenset(answered)
    findings = {key: known for key, known in register.findings.items() if key not in gone}
    for one in found:
        known = register.findings.get(one.key)
        findings[one.key] = replace(one, since=min(known.since, one.since), notified=known.notified) if known else one
    return replace(register, findings=findings)


def next_message(register: FindingRegister, now: datetime) -> Message | None:
    """Return the next message that is due: of new findings, or a reminder; None if none is."""
    for owner in sorted({finding.owner for finding in register.findings.values()}):
        own = [finding for finding in register.findings.values() if finding.owner == owner]
        sent = register.sent.get(owner)
        is_new = any(not finding.notified for finding in own)
        if is_new or sent is None or now - sent.at >= REMIND_EVERY:
            ordered = sorted(own, key=lambda one: (one.notified, SEVERITIES.index(one.severity), one.since, one.key))
            return Message(owner, sent.number + 1 if sent else 1, tuple(ordered))
    return None


def after_message(register: FindingRegister, message: Message, now: datetime) -> FindingRegister:
    """Return the register after a message was sent."""
    named = {finding.key for finding in message.findings}
    findings = {
        key: replace(known, notified=known.notified or key in named) for key, known in register.findings.items()
    }
    return replace(register, findings=findings, sent={**register.sent, message.owner: Sent(now, message.number)})


def event_detail(message: Message, now: datetime) -> Mapping[str, Json]:
    """Return the detail of the event of a message, without the environment."""
    return {
        "at": now.isoformat(),
        "owner": message.owner,
        "number": message.number,
        "open": len(message.findings),
        "new": message.new,
        "severity": min((one.severity for one in message.findings), key=SEVERITIES.index),
        "findings": [
            {
                "source": one.source,
                "id": one.id,
                "severity": one.severity,
                "summary": one.summary,
                "remedy": one.remedy,
                "since": one.since.isoformat(),
                "new": not one.notified,
            }
            for one in message.findings[:MOST_NAMED]
        ],
    }
