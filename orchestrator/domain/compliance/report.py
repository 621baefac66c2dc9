"""The compliance report of an environment: its results with their controls, as a document that is kept.

A failing control is a finding: it has an owner, a severity and a remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.compliance.control import SEVERITY_ORDER, Control, Framework
from orchestrator.domain.compliance.result import Result, Status
from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import problem_of

VERSION = 1
KIND = "compliance"
"""The kind of the report's entry in the evidence chain."""
SUCCEEDED, FAILED, INCOMPLETE = "SUCCEEDED", "FAILED", "INCOMPLETE"

_STATUS_ORDER = tuple(Status)


@dataclass(frozen=True)
class Finding:
    """A control with its result."""

    control: Control
    result: Result

    @property
    def remedy(self) -> str:
        """What to do: of this result, or else of the control. Empty if nothing has to be done."""
        if self.result.status in {Status.PASS, Status.NOT_APPLICABLE}:
            return ""
        return self.result.remedy or (self.control.remedy if self.result.status is Status.FAIL else "")


@dataclass(frozen=True)
class ComplianceReport:
    """The results of an environment at a time, the most urgent first."""

    environment: str
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The controls that failed."""
        return self.with_status(Status.FAIL)

    @property
    def counts(self) -> Mapping[Status, int]:
        """The number of controls by status."""
        return {status: len(self.with_status(status)) for status in Status}

    @property
    def outcome(self) -> str:
        """FAILED if a control failed, INCOMPLETE if one was not checked, else SUCCEEDED."""
        if self.failing:
            return FAILED
        return INCOMPLETE if self.with_status(Status.NOT_CHECKED) else SUCCEEDED

    @property
    def summary(self) -> str:
        """One sentence without a full stop."""
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items() if count)
        return f"{len(self.findings)} controls: {counts or 'none'}"

    def with_status(self, status: Status) -> tuple[Finding, ...]:
        """Return the controls whose check ended so."""
        return tuple(finding for finding in self.findings if finding.result.status is status)


def compile_report(
    environment: str, at: datetime, controls: Iterable[Control], results: Iterable[Result]
) -> ComplianceReport:
    """Return the report of these controls. A control without a result was not checked.

    Args:
        environment: its name.
        at: aware.
        controls: what the report is about.
        results: of any order; those of other controls are refused.

    Raises:
        ValueError: two results of one control, or a result of none of the controls.
    """
    by_control: dict[str, Result] = {}
    for result in results:
        if result.control in by_control:
            raise ValueError(f"two results of {result.control}")
        by_control[result.control] = result
    findings = [
        Finding(control, by_control.pop(control.id, Result(control.id, Status.NOT_CHECKED, "no check gave a result")))
        for control in controls
    ]
    if by_control:
        raise ValueError(f"results of no control: {', '.join(sorted(by_control))}")
    findings.sort(key=_urgency)
    return ComplianceReport(environment, at, tuple(findings))


def _urgency(finding: Finding) -> tuple[int, int, int]:
    control = finding.control
    return (
        _STATUS_ORDER.index(finding.result.status),
        SEVERITY_ORDER.index(control.severity),
        tuple(Framework).index(control.framework),
    )


def report_document(report: ComplianceReport) -> bytes:
    """Serialize a report as the file that is kept: canonical JSON."""
    return canonical_json(report_object(report))


def report_object(report: ComplianceReport) -> dict[str, Any]:
    """Return a report as a JSON object."""
    return {
        "version": VERSION,
        "kind": KIND,
        "environment": report.environment,
        "at": report.at.isoformat(),
        "outcome": report.outcome,
        "summary": report.summary,
        "counts": {str(status): count for status, count in report.counts.items()},
        "controls": [
            {
                "id": finding.control.id,
                "framework": str(finding.control.framework),
                "requirement": finding.control.requirement,
                "source": finding.control.source,
                "method": str(finding.control.method),
                "severity": str(finding.control.severity),
                "owner": str(finding.control.owner),
                "status": str(finding.result.status),
                "reason": finding.result.reason,
                "remedy": finding.remedy,
            }
            for finding in report.findings
        ],
    }


@dataclass(frozen=True)
class RecordedReport:
    """What a kept report says: its time and outcome, and the status of each control by id."""

    at: datetime
    outcome: str
    statuses: Mapping[str, Status]


def read_report(document: bytes) -> RecordedReport:
    """Read a kept report; a later version may have other controls.

    Raises:
        Refused: it is no compliance report of a version that this one knows.
    """
    try:
        content = json.loads(document)
        known = (content["kind"], content["version"]) == (KIND, VERSION)
        statuses = {str(one["id"]): Status(one["status"]) for one in content["controls"]}
        report = RecordedReport(datetime.fromisoformat(content["at"]), str(content["outcome"]), statuses)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(
            "report", f"{len(document)} bytes", f"it is no compliance report of version {VERSION}: {problem_of(error)}"
        ) from error
    if not known:
        raise Refused(
            "report", f"{len(document)} bytes", f"it is of another kind, or of another version than {VERSION}"
        )
    return report


@dataclass(frozen=True)
class Trend:
    """The difference between two reports, by ids of controls.

    Attributes:
        since: time of the previous report.
        newly_failing: they fail, and did not.
        still_failing: they fail in both.
        resolved: they failed, and pass now.
        unchecked: they passed or failed, and were not checked now.
        added, removed: only one of the reports has them.
    """

    since: datetime
    newly_failing: tuple[str, ...]
    still_failing: tuple[str, ...]
    resolved: tuple[str, ...]
    unchecked: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def compare_reports(previous: RecordedReport, current: RecordedReport) -> Trend:
    """Return what changed between two reports."""
    before, now = previous.statuses, current.statuses
    failing = [one for one, status in now.items() if status is Status.FAIL]
    known = frozenset({Status.PASS, Status.FAIL})
    return Trend(
        since=previous.at,
        newly_failing=_sorted(one for one in failing if before.get(one) is not Status.FAIL),
        still_failing=_sorted(one for one in failing if before.get(one) is Status.FAIL),
        resolved=_sorted(
            one for one, status in now.items() if status is Status.PASS and before.get(one) is Status.FAIL
        ),
        unchecked=_sorted(
            one for one, status in now.items() if status is Status.NOT_CHECKED and before.get(one) in known
        ),
        added=_sorted(now.keys() - before.keys()),
        removed=_sorted(before.keys() - now.keys()),
    )


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def recorded(report: ComplianceReport) -> RecordedReport:
    """Return what a report says, as if it had been kept."""
    statuses = {finding.control.id: finding.result.status for finding in report.findings}
    return RecordedReport(report.at, report.outcome, statuses)


def by_framework(report: ComplianceReport, frameworks: Sequence[Framework]) -> Mapping[Framework, Mapping[Status, int]]:
    """Return the number of controls by framework and status."""
    return {
        framework: {
            status: sum(finding.control.framework is framework for finding in report.with_status(status))
            for status in Status
        }
        for framework in frameworks
    }
