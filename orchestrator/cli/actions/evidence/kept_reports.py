"""Keep an operator's report in the evidence chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from orchestrator.cli.context import Context
from orchestrator.cli.operator import operator_name
from orchestrator.cli.recorded_actions import record_action
from orchestrator.domain.evidence.chain import ChainEntry
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
