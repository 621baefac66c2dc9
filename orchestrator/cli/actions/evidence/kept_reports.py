"""Keep an operator's report in the evidence chain, and read the newest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestrator.cli.context import Context
from orchestrator.cli.files import write
from orchestrator.cli.operator import operator_name
from orchestrator.cli.recorded_actions import record_action
from orchestrator.domain.evidence.chain import REPORT_FILE, ChainEntry
from orchestrator.domain.evidence.kept_report import report_id


def keep_report(
    context: Context, kind: str, at: datetime, document: bytes, render: Callable[[str], bytes], summary: str
) -> ChainEntry:
    """Record a report with its page, and who did so; return its entry.

    Args:
        context: the environment.
        kind: of the report: ``compliance`` or ``upkeep``.
        at: the report's time.
        document: the report's document.
        render: makes the page from the document's SHA-256 digest.
        summary: one line of the result.
    """
    context.cloud.report_recorder.record(document, render(sha256(document).hexdigest()))
    name = report_id(kind, at, document)
    entry = context.cloud.evidence.read_entry(name)
    what = f"{kind} by {operator_name(None, context)}"
    record_action(context, name, what, summary, at=at)
    return entry


def read_newest_report(context: Context, kind: str) -> tuple[ChainEntry, bytes] | None:
    """Return the entry of the newest kept report of a kind and its document; None if none is kept."""
    entry = context.cloud.evidence.newest_of_kind(kind)
    if entry is None:
        return None
    file = next(file for file in entry.files if file.name == REPORT_FILE)
    return entry, context.cloud.artifacts.get_file(file.key, file.sha256)


def write_page(output: Path | None, document: bytes, render: Callable[[str], bytes]) -> None:
    """Write the page of a report, before the report is kept: a page that cannot be written has to refuse the command.

    Args:
        output: the file; None for none.
        document: the report's document.
        render: makes the page from the document's SHA-256 digest.

    Raises:
        Refused: the page cannot be written.
    """
    if output is not None:
        write("--output", output, render(sha256(document).hexdigest()))


def entry_object(entry: ChainEntry | None) -> Mapping[str, Any]:
    """Return what the JSON object of a command says about a kept report; empty if it was not kept."""
    return {"entry": {"number": entry.number, "id": entry.recovery, "hash": entry.hash}} if entry else {}


def show_kept(screen: Console, entry: ChainEntry | None, output: Path | None) -> None:
    """Print where a report is kept, and where its page is."""
    if entry:
        screen.print(f"kept as {entry.title} of the evidence chain: orchestrator evidence show {entry.recovery}")
    if output:
        screen.print(f"the page is {output}", markup=False)
