"""Reports that an operator keeps in the evidence chain, and the entry that each gets.

An operator's command compiles the report. The function that records it signs that it was received, and when. So it
accepts no document of a drill or a restore: those are compiled and recorded by the state machines' own functions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.untrusted_json import decode_untrusted, problem_of, quoted

KINDS = ("compliance", "upkeep")
"""The kinds of reports that are kept, as their documents name them."""
OUTCOMES = ("SUCCEEDED", "FAILED", "INCOMPLETE")


def report_id(kind: str, at: datetime, document: bytes) -> str:
    """Return the id under which a report is kept: its kind, its time and a part of its digest."""
    return f"{kind}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{sha256(document).hexdigest()[:6]}"


def entry_of_report(document: bytes, environment: str, now: datetime) -> ChainEntry:
    """Return the entry of a report, which is not placed yet and names no files.

    Args:
        document: the report's document.
        environment: whose chain keeps it.
        now: when it is recorded.

    Raises:
        Refused: it is no report of a kind that is kept, or of another environment.
    """
    try:
        report: Any = decode_untrusted(document)
        kind, of, outcome = (str(report[name]) for name in ("kind", "environment", "outcome"))
        at = datetime.fromisoformat(report["at"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("report", f"{len(document)} bytes", f"give a report's document: {problem_of(error)}") from error
    if at.tzinfo is None:
        raise Refused("at", quoted(report["at"]), "give a time with its zone")
    if kind not in KINDS:
        raise Refused("kind", quoted(kind), f"give one of {', '.join(KINDS)}: recoveries record their own evidence")
    if of != environment:
        raise Refused("environment", quoted(of), f"record it there: this is {environment}")
    if outcome not in OUTCOMES:
        raise Refused("outcome", quoted(outcome), f"give one of {', '.join(OUTCOMES)}")
    return ChainEntry(0, environment, report_id(kind, at, document), kind, outcome, now, (), "")
