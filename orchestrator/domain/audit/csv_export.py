"""The audit trail as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that begins like a formula gets an apostrophe before it, and control characters are escaped, so that no text of
another person is calculated, or forges a line (OWASP, CSV injection).
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.domain.audit.entry import AuditEntry
from orchestrator.domain.printable import one_line

COLUMNS = ("time", "source", "actor", "action", "resource", "outcome", "detail", "id")
_FORMULA = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
"""What begins a formula or a command in spreadsheets, full-width forms included."""


def csv_of(entries: Iterable[AuditEntry]) -> str:
    """Return the entries as CSV, with a heading."""
    rows = [
        (
            entry.at.isoformat(),
            str(entry.source),
            entry.actor,
            entry.action,
            entry.resource,
            entry.outcome,
            entry.detail,
            entry.id,
        )
        for entry in entries
    ]
    return "".join(f"{','.join(map(_cell, row))}\r\n" for row in (COLUMNS, *rows))


def _cell(text: str) -> str:
    safe = one_line(text)
    if safe.lstrip()[:1] in _FORMULA and safe.strip():
        safe = f"'{safe}"
    escaped = safe.replace('"', '""')
    return f'"{escaped}"' if any(character in safe for character in ',"') else safe
