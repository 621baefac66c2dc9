"""The upkeep report of an environment: the results of its checks as a document that is kept.

A finding is overdue if it lasts longer than its severity allows. It lasts since the time that was measured, or since
the first kept report that has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.untrusted_json import problem_of
from orchestrator.domain.upkeep.finding import DUE_WITHIN, SEVERITY_ORDER, Finding
from orchestrator.domain.upkeep.result import CheckResult, Status

VERSION = 1
KIND = "upkeep"
"""The kind of the report's entry in the evidence chain."""
SUCCEEDED, FAILED, INCOMPLETE = "SUCCEEDED", "FAILED", "INCOMPLETE"

_STATUS_ORDER = tuple(Status)


@dataclass(frozen=True)
class Dated:
    """A finding with its times. `since`: never None here."""

    finding: Finding
    since: datetime
    due_at: datetime
    overdue: bool

    @property
    def needs_action(self) -> bool:
        """Whether it is urgent or overdue."""
        return self.overdue or self.finding.is_urgent


@dataclass(frozen=True)
class UpkeepReport:
    """The results of an environment at a time. `findings`: those of all checks, the most urgent first."""

    environment: str
    at: datetime
    results: tuple[CheckResult, ...]
    findings: tuple[Dated, ...]

    @property
    def needing_action(self) -> tuple[Dated, ...]:
        """The findings that are urgent or overdue."""
        return tuple(one for one in self.findings if one.needs_action)

    @property
    def not_checked(self) -> tuple[CheckResult, ...]:
        """The checks that were not completed."""
        return tuple(result for result in self.results if not result.complete)

    @property
    def unreachable(self) -> bool:
        """Whether AWS did not answer a check."""
        return any(result.unreachable for result in self.results)

    @property
    def saving_usd_per_month(self) -> float:
        """What all recommendations save together, in US dollars."""
        return sum(one.finding.saving_usd_per_month or 0.0 for one in self.findings)

    @property
    def outcome(self) -> str:
        """FAILED if a finding is urgent or overdue, INCOMPLETE if a check was not completed, else SUCCEEDED."""
        if self.needing_action:
            return FAILED
        return INCOMPLETE if self.not_checked else SUCCEEDED

    @property
    def summary(self) -> str:
        """One sentence without a full stop."""
        counts = {
            severity: sum(one.finding.severity is severity for one in self.findings) for severity in SEVERITY_ORDER
        }
        named = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
        overdue = sum(one.overdue for one in self.findings)
        return (
            f"{len(self.findings)} findings of {len(self.results)} checks{f' ({named})' if named else ''}, {overdue} "
            f"overdue, {len(self.not_checked)} checks not completed; the recommendations save "
            f"{self.saving_usd_per_month:.2f} USD a month"
        )


def compile_report(
    environment: str, at: datetime, results: Iterable[CheckResult], first_seen: Mapping[str, datetime]
) -> UpkeepReport:
    """Return the report of these results.

    Args:
        environment: its name.
        at: aware.
        results: one a check.
        first_seen: since when each finding of the newest kept report lasts, by its id.

    Raises:
        ValueError: two results of one check, or two findings with one id.
    """
    every = tuple(sorted(results, key=lambda result: _STATUS_ORDER.index(result.status)))
    names = [result.check for result in every]
    findings = [finding for result in every for finding in result.findings]
    for what, ids in (("results of a check", names), ("findings with an id", [one.id for one in findings])):
        if len(ids) != len(set(ids)):
            raise ValueError(f"two {what}: {', '.join(sorted(ids))}")
    dated = [_dated(finding, at, first_seen.get(finding.id)) for finding in findings]
    dated.sort(key=_urgency)
    return UpkeepReport(environment, at, every, tuple(dated))


def _dated(finding: Finding, at: datetime, first_seen: datetime | None) -> Dated:
    since = min(time for time in (finding.since, first_seen, at) if time is not None)
    due_at = since + DUE_WITHIN[finding.severity]
    return Dated(replace(finding, since=since), since, due_at, overdue=at > due_at)


def _urgency(dated: Dated) -> tuple[int, bool, float, datetime, str]:
    finding = dated.finding
    return (
        SEVERITY_ORDER.index(finding.severity),
        not dated.overdue,
        -(finding.saving_usd_per_month or 0.0),
        dated.since,
        finding.id,
    )


def report_document(report: UpkeepReport) -> bytes:
    """Serialize a report as the file that is kept: canonical JSON."""
    return canonical_json(report_object(report))


def report_object(report: UpkeepReport) -> dict[str, Any]:
    """Return a report as a JSON object."""
    return {
        "version": VERSION,
        "kind": KIND,
        "environment": report.environment,
        "at": report.at.isoformat(),
        "outcome": report.outcome,
        "summary": report.summary,
        "saving_usd_per_month": round(report.saving_usd_per_month, 2),
        "findings": [_finding_object(one) for one in report.findings],
        "checks": [
            {
                "check": result.check,
                "status": str(result.status),
                "reason": result.reason,
                "remedy": result.remedy,
                "findings": len(result.findings),
            }
            for result in report.results
        ],
    }


def _finding_object(dated: Dated) -> dict[str, Any]:
    finding = dated.finding
    return {
        "id": finding.id,
        "check": finding.check,
        "subject": finding.subject,
        "severity": str(finding.severity),
        "owner": str(finding.owner),
        "summary": finding.summary,
        "evidence": dict(finding.evidence),
        "since": dated.since.isoformat(),
        "due_at": dated.due_at.isoformat(),
        "overdue": dated.overdue,
        "remedy": finding.remedy,
        "setting": finding.setting,
        "saving_usd_per_month": finding.saving_usd_per_month,
    }


def read_first_seen(document: bytes) -> Mapping[str, datetime]:
    """Return since when each finding of a kept report lasts, by its id.

    Raises:
        Refused: it is no upkeep report of a version that this one knows.
    """
    try:
        content = json.loads(document)
        known = (content["kind"], content["version"]) == (KIND, VERSION)
        since = {str(one["id"]): datetime.fromisoformat(one["since"]) for one in content["findings"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = f"it is no upkeep report of version {VERSION}: {problem_of(error)}"
        raise Refused("report", f"{len(document)} bytes", remedy) from error
    if not known or any(at.tzinfo is None for at in since.values()):
        remedy = f"it is of another kind, or of another version than {VERSION}"
        raise Refused("report", f"{len(document)} bytes", remedy)
    return since
