"""An operator keeps a report: append it to the evidence chain, which only functions may sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.domain.evidence.kept_report import entry_of_report
from orchestrator.event_handlers.runtime import event_handler


def record_report(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Append the report. A second invocation with the same report appends nothing.

    Raises:
        Refused: it is no report that is kept.
    """
    document, page = (str(event[name]).encode() for name in ("document", "page"))
    entry = cloud.evidence.append_report(entry_of_report(document, cloud.environment, cloud.now()), document, page)
    return f"{entry.recovery} is entry {entry.number}"


handler = event_handler(record_report)
