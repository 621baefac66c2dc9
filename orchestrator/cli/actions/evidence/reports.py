"""The commands `evidence list` and `evidence show`."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console

from orchestrator.aws.ledger.evidence import entry_as_json
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.cli.rendering.local_times import local_minute, local_second
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.compliance.report import KIND as COMPLIANCE
from orchestrator.domain.compliance.result import Status
from orchestrator.domain.evidence.chain import REPORT_FILE, ChainEntry, EvidenceFile
from orchestrator.domain.texts import measured_seconds
from orchestrator.domain.upkeep.report import KIND as UPKEEP


def list_entries(context: Context, limit: int, *, json: bool) -> None:
    """List the chain entries, newest first."""
    entries = context.cloud.evidence.read_entries()[::-1][:limit]
    if json:
        print_json({"head": context.cloud.evidence.read_head(), "entries": [entry_as_json(entry) for entry in entries]})
        return
    if not entries:
        console().print("no evidence yet; `orchestrator drill` creates some")
        return
    rows = [
        (
            entry.number,
            local_minute(entry.recorded_at),
            entry.kind,
            entry.recovery,
            entry.outcome,
            entry.hash[:12],
        )
        for entry in entries
    ]
    console().print(
        text_table(("entry", "recorded", "kind", "recovery", "outcome", "hash"), rows, ("recorded", "recovery"))
    )


def read_report(context: Context, recovery: str) -> tuple[ChainEntry, Mapping[str, Any]]:
    """Return the chain entry of a recovery or a kept report, and its report, verified by the entry's digest.

    Raises:
        Refused: there is none, or its file differs from its recorded digest.
    """
    entry = context.cloud.evidence.read_entry(recovery)
    return entry, json_text.loads(read_verified(context, next(one for one in entry.files if one.name == REPORT_FILE)))


def show(context: Context, recovery: str, *, json: bool) -> None:
    """Show the evidence report of a drill or restore, or a kept compliance or upkeep report.

    Raises:
        Refused: there is none, or its file differs from its recorded digest.
    """
    entry, report = read_report(context, recovery)
    if json:
        print_json(report)
        return
    screen = console()
    tone = {"SUCCEEDED": "bold green", "FAILED": "bold red"}.get(entry.outcome, "bold")
    screen.print(f"{entry.outcome}  {report['summary']}", style=tone, markup=False)
    if entry.kind == COMPLIANCE:
        _show_controls(screen, report["controls"])
    elif entry.kind == UPKEEP:
        _show_findings(screen, report["findings"])
    else:
        _show_recovery(screen, report)
    for file in entry.files:
        screen.print(f"{file.name}  {file.key} in {context.cloud.artifacts.bucket}", style="dim", markup=False)


def _show_controls(screen: Console, controls: Sequence[Mapping[str, str]]) -> None:
    rows = [
        (one["id"], one["status"], one["severity"], one["owner"], one["reason"])
        for one in controls
        if one["status"] in {Status.FAIL, Status.NOT_CHECKED}
    ]
    if rows:
        screen.print(text_table(("control", "status", "severity", "owner", "found"), rows, ("control",)))


def _show_findings(screen: Console, findings: Sequence[Mapping[str, str]]) -> None:
    rows = [(one["id"], one["severity"], one["owner"], one["due_at"][:10], one["remedy"]) for one in findings]
    if rows:
        screen.print(text_table(("finding", "severity", "owner", "due", "remedy"), rows, ("finding",)))


def _show_recovery(screen: Console, report: Mapping[str, Any]) -> None:
    for objective in report["objectives"]:
        measured = measured_seconds(objective["measured_seconds"])
        result = "met" if objective["met"] else "MISSED"
        name = spaced(objective["name"]).replace("_", " ")
        screen.print(
            f"{name}: {measured}, objective {objective['promised_seconds']:.0f} s: {result}",
            markup=False,
        )
    timeline = report["timeline"]
    rows = [
        (spaced(phase["name"]), local_second(datetime.fromisoformat(phase["began"])), f"{phase['seconds']:.1f}")
        for phase in timeline["phases"]
    ]
    screen.print(
        text_table(("phase", "started", "seconds"), [*rows, ("wall time", "", f"{timeline['wall_seconds']:.1f}")])
    )
    for problem in report["went_wrong"]:
        screen.print(f"failed      {problem}", style="red", markup=False)
    for remainder in report["residual"]:
        screen.print(f"remaining   {remainder}", markup=False)
    screen.print(f"{len(report['went_well'])} of {len(report['findings'])} checks passed", markup=False)


def read_verified(context: Context, file: EvidenceFile) -> bytes:
    """Read a file that an entry names.

    Raises:
        Refused: it differs from its recorded digest.
    """
    return context.cloud.artifacts.get_file(file.key, file.sha256)
