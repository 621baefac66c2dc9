"""The entries of the API's access log: requests of clients. They have neither a token nor an address of a person.

API Gateway knows no client. The request line of the function has it, and both have Lambda's request id. Of everything
else that could name a person, such as the source address and the user agent, nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.audit.entry import AuditEntry, Source
from orchestrator.domain.untrusted_json import decode_untrusted

MILLISECOND_DIGITS = 13
"""Digits of epoch milliseconds, until the year 2286."""

UNKNOWN_CLIENT = "a client"
"""The actor of a request that no client was verified for."""

_NOTHING = frozenset({"", "-"})
"""What API Gateway writes for a variable without a value."""


def clients_of_requests(lines: Iterable[LogLine]) -> Mapping[str, str]:
    """Return the verified client of each request by Lambda's request id, from the request lines of the functions."""
    found = {}
    for line in lines:
        record = _record(line)
        if record.get("message") == "request" and "client" in record:
            found[str(record.get("request_id", ""))] = str(record["client"])
    return found


def entry_of_request(line: LogLine, clients: Mapping[str, str]) -> AuditEntry | None:
    """Return the entry of a line of the access log; None if it is none.

    Args:
        line: of the access log (infrastructure/service/api.py).
        clients: the verified client of each request, by Lambda's request id.
    """
    record = _record(line)
    if not {"request_id", "method", "route", "status"} <= record.keys():
        return None
    key = _text(record, "key")
    actor = clients.get(_text(record, "invocation")) or (f"API key {key}" if key else UNKNOWN_CLIENT)
    refused = [_text(record, name) for name in ("refused_as", "firewall")]
    return AuditEntry(
        _time(record.get("time_ms"), line.at),
        Source.ACCESS_LOG,
        _text(record, "request_id"),
        actor,
        f"{_text(record, 'method')} {_text(record, 'route')}",
        _text(record, "route"),
        _text(record, "status"),
        " ".join(filter(None, refused)) or f"answered in {_text(record, 'latency_ms') or '?'} ms",
    )


def _record(line: LogLine) -> Mapping[str, object]:
    try:
        record = decode_untrusted(line.message)
    except ValueError:
        return {}
    return record if isinstance(record, Mapping) else {}


def _text(record: Mapping[str, object], key: str) -> str:
    text = str(record.get(key, ""))
    return "" if text in _NOTHING else text


def _time(milliseconds: object, at: datetime) -> datetime:
    """Return when a request arrived; the time of its line if the log does not say it."""
    text = str(milliseconds)
    known = text.isascii() and text.isdigit() and len(text) <= MILLISECOND_DIGITS
    return datetime.fromtimestamp(int(text) / 1000, UTC) if known else at
