"""The page of a compliance report: what fails first, with its remedy. All text is escaped; nothing is loaded or run."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.compliance.control import Framework
from orchestrator.domain.compliance.report import ComplianceReport, Finding, by_framework
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.evidence.html_report import escape, html_document

_TONES = {Status.FAIL: "bad", Status.PASS: "good", Status.NOT_CHECKED: "other", Status.NOT_APPLICABLE: "other"}
_SIGNS = {Status.FAIL: "✗", Status.PASS: "✓", Status.NOT_CHECKED: "?", Status.NOT_APPLICABLE: "-"}
_TITLES = {
    Status.FAIL: "Failing",
    Status.NOT_CHECKED: "Not checked",
    Status.NOT_APPLICABLE: "Not applicable",
    Status.PASS: "Passing",
}


def render_page(report: ComplianceReport, sha256: str) -> bytes:
    """Return the page of a report. sha256: of the report's document."""
    title = f"Compliance of {report.environment}"
    sections = "".join(_section(status, report.with_status(status)) for status in Status)
    return html_document(
        f"{title}: {report.outcome}",
        f"<header><h1>{escape(title)}</h1>"
        f'<p><time datetime="{report.at.isoformat()}">{report.at:%Y-%m-%d %H:%M:%S} UTC</time>.'
        f" {escape(report.summary)}.</p></header><main>{_summary(report)}{sections}</main>"
        f"<footer><p>SHA-256 of the document: <code>{escape(sha256)}</code></p></footer>",
    )


def _summary(report: ComplianceReport) -> str:
    present = [one for one in Framework if any(finding.control.framework is one for finding in report.findings)]
    counts = by_framework(report, present)
    head = "".join(f"<th scope=col>{escape(status)}</th>" for status in Status)
    rows = "".join(
        f"<tr><th scope=row>{escape(framework)}</th>"
        + "".join(f"<td class=number>{counts[framework][status]}</td>" for status in Status)
        + "</tr>"
        for framework in present
    )
    return (
        "<h2>Frameworks</h2><div class=scroll><table><caption>Controls by framework and result</caption>"
        f"<thead><tr><th scope=col>framework</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _section(status: Status, findings: Iterable[Finding]) -> str:
    rows = "".join(_row(finding) for finding in findings)
    if not rows:
        return ""
    return (
        f"<h2>{_TITLES[status]}</h2><div class=scroll><table><caption>Controls: {escape(status)}</caption>"
        "<thead><tr><th scope=col>control</th><th scope=col>requirement and source</th>"
        f"<th scope=col>found</th><th scope=col>owner</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(finding: Finding) -> str:
    control, result = finding.control, finding.result
    remedy = f"<br>Remedy: {escape(finding.remedy)}" if finding.remedy else ""
    badge = f'<span class="badge {_TONES[result.status]}">{_SIGNS[result.status]} {escape(result.status)}</span>'
    return (
        f"<tr><th scope=row><code>{escape(control.id)}</code><br>{badge}<br>{escape(control.severity)}</th>"
        f"<td>{escape(control.requirement)}<br><span class=quiet>{escape(control.source)}</span></td>"
        f"<td>{escape(result.reason)}{remedy}</td><td>{escape(control.owner)}</td></tr>"
    )
