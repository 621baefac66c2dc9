"""The page of an upkeep report: the most severe first, with its remedy. All text is escaped; nothing is loaded or run."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.evidence.html_report import escape, html_document
from orchestrator.domain.texts import shortened
from orchestrator.domain.upkeep.finding import Figure, Severity
from orchestrator.domain.upkeep.report import Dated, UpkeepReport
from orchestrator.domain.upkeep.result import Status

SHOWN = 100
"""The most characters of a figure on a page; the JSON object has all."""
_TONES = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "other", Severity.LOW: "other"}
_STATUS_TONES = {
    Status.FINDINGS: "bad",
    Status.NOT_CHECKED: "other",
    Status.NOT_APPLICABLE: "other",
    Status.CLEAR: "good",
}
_SIGNS = {Status.FINDINGS: "✗", Status.NOT_CHECKED: "?", Status.NOT_APPLICABLE: "-", Status.CLEAR: "✓"}


def render_page(report: UpkeepReport, sha256: str) -> bytes:
    """Return the page of a report. sha256: of the report's document."""
    title = f"Upkeep of {report.environment}"
    return html_document(
        f"{title}: {report.outcome}",
        f"<header><h1>{escape(title)}</h1>"
        f'<p><time datetime="{report.at.isoformat()}">{report.at:%Y-%m-%d %H:%M:%S} UTC</time>.'
        f" {escape(report.summary)}.</p></header><main>{_findings(report)}{_checks(report)}</main>"
        f"<footer><p>SHA-256 of the document: <code>{escape(sha256)}</code></p></footer>",
    )


def figures_text(evidence: Mapping[str, Figure]) -> str:
    """Return the figures of a finding in one line, with long ones shortened."""
    return ", ".join(f"{name.replace('_', ' ')} {shortened(str(value), SHOWN)}" for name, value in evidence.items())


def _findings(report: UpkeepReport) -> str:
    if not report.findings:
        return "<h2>Findings</h2><p>None.</p>"
    rows = "".join(map(_finding, report.findings))
    return (
        "<h2>Findings</h2><div class=scroll><table><caption>The most severe first</caption><thead><tr>"
        "<th scope=col>finding</th><th scope=col>evidence</th><th scope=col>remedy</th><th scope=col>owner</th>"
        "<th scope=col class=number>saving, USD a month</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _finding(dated: Dated) -> str:
    finding = dated.finding
    overdue = " overdue" if dated.overdue else ""
    badge = f'<span class="badge {_TONES[finding.severity]}">{escape(finding.severity)}{overdue}</span>'
    saving = finding.saving_usd_per_month
    return (
        f"<tr><th scope=row class=finding><code>{escape(finding.id)}</code><br>{badge}<br>since {dated.since:%Y-%m-%d}, due "
        f"{dated.due_at:%Y-%m-%d}</th><td>{escape(finding.summary)}<br>"
        f"<span class=quiet>{escape(figures_text(finding.evidence))}</span></td>"
        f"<td><code>{escape(finding.remedy)}</code></td><td>{escape(finding.owner)}</td>"
        f"<td class=number>{'' if saving is None else f'{saving:.2f}'}</td></tr>"
    )


def _checks(report: UpkeepReport) -> str:
    rows = "".join(
        f'<tr><th scope=row>{escape(one.check)}</th><td><span class="badge {_STATUS_TONES[one.status]}">'
        f"{_SIGNS[one.status]} {escape(one.status)}</span></td><td>{escape(one.reason)}"
        f"{f'<br>Remedy: {escape(one.remedy)}' if one.remedy else ''}</td></tr>"
        for one in report.results
    )
    return (
        "<h2>Checks</h2><div class=scroll><table><caption>Every check, with what it read</caption><thead><tr>"
        "<th scope=col>check</th><th scope=col>result</th><th scope=col>read</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )
