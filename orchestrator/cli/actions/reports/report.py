"""The command `report`: write what the ledger recorded about a deployment, a drill or a restore into one file."""

from __future__ import annotations

import json as json_text
import re
from pathlib import Path

import msgspec

from orchestrator.cli.actions.explain import read_deployment_history
from orchestrator.cli.context import Context
from orchestrator.cli.files import write
from orchestrator.cli.rendering.output import console, finite, print_json
from orchestrator.cli.rendering.reports.deployment_plots import DeploymentFacts
from orchestrator.cli.rendering.reports.deployment_report import deployment_report, refused_report
from orchestrator.cli.rendering.reports.markdown import render_markdown
from orchestrator.cli.rendering.reports.page import render_page
from orchestrator.cli.rendering.reports.recovery_report import recovery_report, refused_recovery_report
from orchestrator.cli.rendering.reports.report import Report
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.request import RECOVERY_PREFIX

FORMATS = {"html": "html", "md": "md", "json": "json"}
"""Format to the ending of its file."""

_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


def write_report(context: Context, name: str, form: str, output: Path | None, folder: Path, *, json: bool) -> None:
    """Write a report and print its path.

    Args:
        context: the environment.
        name: id of a deployment, a drill or a restore.
        form: one of `FORMATS`.
        output: the file; None for one in `folder` that is named by the id.
        folder: where a report is written that has no other place; created if it is missing.
        json: print one JSON object.

    Raises:
        Refused: there is no deployment or recovery with this id, the format is unknown, or the file cannot be written.
    """
    refuse_unknown_format(form)
    report = read_report(context, name)
    path = write_file(render(report, form), output, folder, f"{_FILE_NAME.sub('_', name)}.{FORMATS[form]}")
    if json:
        print_json({"report": str(path), "format": form, "id": report.id, "outcome": report.outcome})
        return
    console().print(report.headline, style="bold", markup=False)
    console().print(f"report: {path}", markup=False, soft_wrap=True)


def refuse_unknown_format(form: str) -> None:
    """Raise Refused for a format that is none of `FORMATS`."""
    if form not in FORMATS:
        raise Refused("--format", form, f"give one of {', '.join(FORMATS)}")


def write_file(content: str, output: Path | None, folder: Path, name: str) -> Path:
    """Write a report into a file, and return its path.

    Args:
        content: of the file.
        output: the file; None for `name` in `folder`, which is created if it is missing.
        folder: where reports are written.
        name: of the file in `folder`.

    Raises:
        Refused: the file cannot be written.
    """
    path = output or _from_here(folder) / name
    write("--output", path, content.encode())
    return path


def _from_here(folder: Path) -> Path:
    """Return a folder as a path from the current folder, if it is below it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def read_report(context: Context, name: str) -> Report:
    """Return the report of a deployment or a recovery.

    Raises:
        Refused: there is none with this id.
    """
    if name.startswith(RECOVERY_PREFIX):
        refusal = context.cloud.drills.read_refusal(name)
        if refusal:
            return refused_recovery_report(refusal, context.name)
        return recovery_report(context.cloud.drills.read_record(name))
    refusal = context.cloud.ledger.read_refusal(name)
    if refusal:
        return refused_report(refusal, context.name)
    history = read_deployment_history(context, name)
    facts = DeploymentFacts(history.deployment, history.decisions, history.events)
    return deployment_report(facts, incident=history.incident, pause=history.pause, broken_at=history.broken_at)


def render(report: Report, form: str) -> str:
    """Return a report in one of `FORMATS`."""
    if form == "html":
        return render_page(report)
    if form == "md":
        return f"{render_markdown(report)}\n"
    document = finite(msgspec.to_builtins(report.to_json()))
    return f"{json_text.dumps(document, indent=2, allow_nan=False)}\n"
