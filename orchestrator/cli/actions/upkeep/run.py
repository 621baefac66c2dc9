"""The command `upkeep`: run the checks, print a page or JSON, and keep the report in the evidence chain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from orchestrator.application.notifications.findings import change_findings
from orchestrator.cli.actions.evidence.kept_reports import (
    entry_object,
    keep_report,
    read_newest_report,
    show_kept,
    write_page,
)
from orchestrator.cli.actions.upkeep.gathering import Gathering, complete
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE, FAILED, UNREACHABLE
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.findings.register import after_upkeep
from orchestrator.domain.printable import one_line
from orchestrator.domain.upkeep.finding import Severity
from orchestrator.domain.upkeep.html_page import figures_text, render_page
from orchestrator.domain.upkeep.report import (
    KIND,
    Dated,
    UpkeepReport,
    compile_report,
    read_first_seen,
    report_document,
    report_object,
)
from orchestrator.domain.upkeep.result import CheckResult, Status, found

PREVIOUS = "previous-report"
_STYLES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def run(context: Context, advisories: Sequence[Path], output: Path | None, *, record: bool, json: bool) -> int:
    """Run the checks; return the exit code: 1 if a finding is urgent or overdue, 3 if AWS did not answer, else 0.

    Args:
        context: the environment.
        advisories: files of pip-audit or of OSV.
        output: a file for the report's page; None for none.
        record: keep the report in the evidence chain.
        json: print one JSON object.

    Raises:
        Refused: a file of advisories cannot be read, or the page cannot be written; nothing is recorded.
    """
    screen = console()
    screen.quiet = json
    results = list(
        Gathering(context, advisories, lambda what: screen.print(f"checking {what} …", style="dim")).results()
    )
    first_seen: dict[str, datetime] = {}
    results.append(complete(PREVIOUS, lambda: _read_previous(context, first_seen), context.name))
    report = compile_report(context.name, context.cloud.now(), results, first_seen)
    write_page(output, report_document(report), lambda digest: render_page(report, digest))
    entry = _keep(context, report) if record else None
    if json:
        print_json({**report_object(report), **entry_object(entry)})
    else:
        _show(screen, report)
        show_kept(screen, entry, output)
    if report.needing_action:
        return FAILED
    return UNREACHABLE if report.unreachable else DONE


def _read_previous(context: Context, first_seen: dict[str, datetime]) -> CheckResult:
    """Read since when the findings of the newest kept report last."""
    newest = read_newest_report(context, KIND)
    if newest is None:
        return found(PREVIOUS, (), "none is kept: findings without a measured time begin today; --record keeps one")
    entry, document = newest
    first_seen.update(read_first_seen(document))
    return found(PREVIOUS, (), f"{entry.recovery} of {entry.recorded_at:%Y-%m-%d %H:%M} UTC")


def _keep(context: Context, report: UpkeepReport) -> ChainEntry:
    """Keep a report in the evidence chain, and bring the register of findings up to date."""
    document = report_document(report)
    entry = keep_report(context, KIND, report.at, document, lambda digest: render_page(report, digest), report.summary)
    change_findings(context.cloud, lambda register: after_upkeep(register, report))
    return entry


def _show(screen: Console, report: UpkeepReport) -> None:
    screen.print(f"upkeep of {report.environment} at {report.at:%Y-%m-%d %H:%M} UTC", style="bold", markup=False)
    for one in report.findings:
        _show_finding(screen, one)
    rows = [
        (result.check, result.status, f"{result.reason}{f' -> {result.remedy}' if result.remedy else ''}")
        for result in report.results
    ]
    screen.print(text_table(("check", "result", "read"), [tuple(one_line(cell) for cell in row) for row in rows]))
    tone = "bold red" if report.needing_action else "bold"
    screen.print(f"{report.outcome}: {report.summary}", style=tone, markup=False)
    skipped = sum(result.status is Status.NOT_APPLICABLE for result in report.results)
    if skipped:
        screen.print(f"{skipped} checks do not apply to {report.environment}", style="dim", markup=False)


def _show_finding(screen: Console, dated: Dated) -> None:
    finding = dated.finding
    overdue = ", OVERDUE" if dated.overdue else ""
    saving = finding.saving_usd_per_month
    head = f"{finding.severity}{overdue}: {finding.id}: {finding.summary}"
    screen.print(one_line(head), style=_STYLES[finding.severity], markup=False, highlight=False, soft_wrap=True)
    for name, text in {
        "evidence": figures_text(finding.evidence),
        "since": f"{dated.since:%Y-%m-%d}, due {dated.due_at:%Y-%m-%d}, owner {finding.owner}",
        "saves": "" if saving is None else f"{saving:.2f} USD a month",
        "setting": finding.setting,
        "remedy": finding.remedy,
    }.items():
        if text:
            screen.print(f"    {name:<9}{one_line(text)}", markup=False, highlight=False, soft_wrap=True)
