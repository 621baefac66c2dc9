"""The command `compliance`: run the controls, print a page or JSON, keep the report, compare it with an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.application.notifications.findings import change_findings
from orchestrator.cli.actions.compliance.gathering import Gathering
from orchestrator.cli.actions.evidence.kept_reports import (
    entry_object,
    keep_report,
    read_newest_report,
    show_kept,
    write_page,
)
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED, UNREACHABLE
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.compliance.catalogue.controls import controls_of
from orchestrator.domain.compliance.control import Framework, choose_frameworks
from orchestrator.domain.compliance.html_page import render_page
from orchestrator.domain.compliance.report import (
    FAILED as REPORT_FAILED,
)
from orchestrator.domain.compliance.report import (
    KIND,
    SUCCEEDED,
    ComplianceReport,
    Finding,
    RecordedReport,
    Trend,
    by_framework,
    compare_reports,
    compile_report,
    read_report,
    recorded,
    report_document,
    report_object,
)
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.findings.register import after_compliance
from orchestrator.domain.printable import one_line

_STYLES = {
    Status.FAIL: "bold red",
    Status.NOT_CHECKED: "yellow",
    Status.NOT_APPLICABLE: "dim",
    Status.PASS: "green",
}
MOST_NAMED = 8
"""Controls that are named for one reason; the JSON object and the page name all."""


def run(
    context: Context,
    frameworks: Sequence[str],
    assembly: Path | None,
    output: Path | None,
    *,
    record: bool,
    trend: bool,
    json: bool,
) -> int:
    """Run the controls; return the exit code: 1 if one fails, 3 if one was not checked, else 0.

    Args:
        context: the environment.
        frameworks: names of frameworks; all of them if there is none.
        assembly: a folder that cdk synth wrote; None for the templates that are deployed.
        output: a file for the report's page; None for none.
        record: keep the report in the evidence chain.
        trend: compare it with the newest report that was kept.
        json: print one JSON object.

    Raises:
        Refused: there is no framework of a name, the folder is no assembly of the environment, or the page
            cannot be written; nothing is recorded.
    """
    chosen = choose_frameworks(frameworks)
    screen = console()
    screen.quiet = json
    gathering = Gathering(context, assembly, lambda what: screen.print(f"checking {what} …", style="dim"))
    results = gathering.results(chosen)
    report = compile_report(context.name, context.cloud.now(), controls_of(chosen), results)
    previous = _newest_report(context) if trend else None
    difference = compare_reports(_only(previous, chosen), recorded(report)) if previous else None
    write_page(output, report_document(report), lambda digest: render_page(report, digest))
    entry = _keep(context, report) if record else None
    if json:
        print_json(_json_object(report, difference, entry, trend=trend))
    else:
        _show(screen, report, chosen)
        if trend:
            _show_trend(screen, difference)
        show_kept(screen, entry, output)
    if report.outcome == SUCCEEDED:
        return DONE
    return FAILED if report.outcome == REPORT_FAILED else UNREACHABLE


def _json_object(
    report: ComplianceReport, difference: Trend | None, entry: ChainEntry | None, *, trend: bool
) -> Mapping[str, Any]:
    compared = {"trend": difference} if trend else {}
    return {**report_object(report), **compared, **entry_object(entry)}


def _newest_report(context: Context) -> RecordedReport | None:
    newest = read_newest_report(context, KIND)
    return None if newest is None else read_report(newest[1])


def _only(previous: RecordedReport, chosen: Sequence[Framework]) -> RecordedReport:
    """Return an earlier report without the controls of other frameworks, which are not compared."""
    others = {control.id for control in controls_of(set(Framework) - set(chosen))}
    statuses = {name: status for name, status in previous.statuses.items() if name not in others}
    return RecordedReport(previous.at, previous.outcome, statuses)


def _keep(context: Context, report: ComplianceReport) -> ChainEntry:
    """Keep a report in the evidence chain, and bring the register of findings up to date."""
    document = report_document(report)
    entry = keep_report(context, KIND, report.at, document, lambda digest: render_page(report, digest), report.summary)
    change_findings(context.cloud, lambda register: after_compliance(register, report))
    return entry


def _show(screen: Console, report: ComplianceReport, chosen: Sequence[Framework]) -> None:
    screen.print(f"compliance of {report.environment} at {report.at:%Y-%m-%d %H:%M} UTC", style="bold", markup=False)
    for finding in report.failing:
        _show_finding(screen, finding)
    for status in (Status.NOT_CHECKED, Status.NOT_APPLICABLE):
        _show_by_reason(screen, status, report.with_status(status))
    counts = by_framework(report, chosen)
    rows = [(framework, *(counts[framework][status] for status in Status)) for framework in chosen]
    screen.print(text_table(("framework", *Status), rows))
    tone = "bold red" if report.failing else "bold"
    screen.print(f"{report.outcome}: {report.summary}", style=tone, markup=False)


def _show_finding(screen: Console, finding: Finding) -> None:
    control, result = finding.control, finding.result
    head = f"{result.status}: {control.id} ({control.severity}, {control.source}, owner {control.owner})"
    screen.print(head, style=_STYLES[result.status], markup=False, highlight=False, soft_wrap=True)
    _show_lines(screen, required=control.requirement, found=result.reason, remedy=finding.remedy)


def _show_by_reason(screen: Console, status: Status, findings: Sequence[Finding]) -> None:
    """Print the controls that share a reason together: often one reading is missing for many."""
    groups: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.result.reason, finding.remedy), []).append(finding.control.id)
    for (reason, remedy), names in groups.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        head = f"{status}: {', '.join(names[:MOST_NAMED])}{more}"
        screen.print(head, style=_STYLES[status], markup=False, highlight=False, soft_wrap=True)
        _show_lines(screen, reason=reason, remedy=remedy)


def _show_lines(screen: Console, **texts: str) -> None:
    for name, text in texts.items():
        if text:
            screen.print(f"    {name:<9}{one_line(text)}", markup=False, highlight=False, soft_wrap=True)


def _show_trend(screen: Console, difference: Trend | None) -> None:
    if difference is None:
        screen.print("no earlier report is kept: `orchestrator compliance --record` keeps one")
        return
    screen.print(f"since the report of {difference.since:%Y-%m-%d %H:%M} UTC:", markup=False)
    for name in ("newly_failing", "still_failing", "resolved", "unchecked", "added", "removed"):
        controls = getattr(difference, name)
        if controls:
            screen.print(f"    {name.replace('_', ' '):<14}{', '.join(controls)}", markup=False, soft_wrap=True)
    if not (difference.newly_failing or difference.still_failing or difference.resolved or difference.unchecked):
        screen.print("    no control changed")
