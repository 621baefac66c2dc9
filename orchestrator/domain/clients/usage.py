"""What a client did, from the request lines of the service's log (service/request_metrics.py).

A line names a client that was accepted (`client`), or the id that a refused request stated (`claimed_client`). Anyone
can state an id: errors of a claimed client are no evidence that the client itself sent them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.untrusted_json import decode_untrusted

ISSUED, SERVER_ERROR = "issued", "server_error"
RECENT_ERRORS = 10
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500


@dataclass(frozen=True)
class ClientRequest:
    """One request.

    Attributes:
        route: method and pattern, such as ``POST /token``.
        error: its error code, or ``http 404`` if the service answered without one; empty if it succeeded.
        grant: it got tokens.
        verified: the client authenticated, or used a registered redirect URI; otherwise its id was only stated.
        earlier_secret: it authenticated with the secret that it has to replace.
        request_id: Lambda's, which finds all lines of the request.
    """

    at: datetime
    route: str
    error: str
    grant: bool
    verified: bool
    earlier_secret: bool
    request_id: str


@dataclass(frozen=True)
class Usage:
    """The requests of one client in a time.

    Attributes:
        requests: of a verified client.
        grants: requests that got tokens.
        errors: error code to how often.
        by_route: route to the number of verified requests.
        last_used: the newest verified request; None without one.
        earlier_secret_last: the newest request with the earlier secret.
        recent_errors: the newest, newest first.
    """

    requests: int = 0
    grants: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    by_route: Mapping[str, int] = field(default_factory=dict)
    last_used: datetime | None = None
    last_grant: datetime | None = None
    earlier_secret_requests: int = 0
    earlier_secret_last: datetime | None = None
    recent_errors: tuple[ClientRequest, ...] = ()


def parse_request(line: LogLine, client_id: str) -> ClientRequest | None:
    """Return the request that a log line describes; None if it is none of this client's."""
    try:
        record = decode_untrusted(line.message)
    except ValueError:
        return None
    if not isinstance(record, Mapping) or record.get("message") != "request":
        return None
    verified = record.get("client") == client_id
    if not verified and record.get("claimed_client") != client_id:
        return None
    return ClientRequest(
        at=line.at,
        route=str(record.get("route", "")),
        error=_error_of(record),
        grant=record.get("result") == ISSUED,
        verified=verified,
        earlier_secret=record.get("earlier_secret") is True,
        request_id=str(record.get("request_id", "")),
    )


def _error_of(record: Mapping[str, object]) -> str:
    refusal, result, status = record.get("refusal"), record.get("result"), record.get("status")
    if isinstance(refusal, str):
        return refusal
    if isinstance(result, str) and result != ISSUED:
        return result
    if isinstance(status, int) and status >= _FIRST_ERROR:
        return SERVER_ERROR if status >= _FIRST_SERVER_ERROR else f"http {status}"
    return ""


def summarize_usage(lines: Iterable[LogLine], client_id: str) -> Usage:
    """Return the usage by one client, from log lines in any order."""
    found = (parse_request(line, client_id) for line in lines)
    requests = sorted((one for one in found if one is not None), key=lambda one: one.at)
    verified = [one for one in requests if one.verified]
    grants = [one for one in requests if one.grant]
    earlier = [one for one in requests if one.earlier_secret]
    errors = [one for one in requests if one.error]
    return Usage(
        requests=len(verified),
        grants=len(grants),
        errors=dict(Counter(one.error for one in errors).most_common()),
        by_route=dict(Counter(one.route for one in verified).most_common()),
        last_used=_newest(verified),
        last_grant=_newest(grants),
        earlier_secret_requests=len(earlier),
        earlier_secret_last=_newest(earlier),
        recent_errors=tuple(reversed(errors[-RECENT_ERRORS:])),
    )


def _newest(requests: list[ClientRequest]) -> datetime | None:
    return requests[-1].at if requests else None
