"""One log line for each request, which is also its metrics: CloudWatch's embedded metric format at one-second resolution.

Powertools' Metrics writes one set of dimensions for each metric; the orchestrator reads a function's rate both pooled and by
version, and grants by result besides, so the line is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.oauth.compact import to_json

if TYPE_CHECKING:
    from service.settings import Settings

NAMESPACE: Final = "IbOauth"
SYNTHETIC_NAMESPACE: Final = "IbOauth/Synthetic"
SELF_DESCRIBED: Final = "(self-described)"
"""What every client that is not configured is called in the log. No configured client can be called so: an id has no brackets."""

_RESOLUTION_SECONDS: Final = 1
_REQUEST_METRICS: Final = [
    {"Name": "Requests", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
    {"Name": "ServerErrors", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
    {"Name": "Latency", "Unit": "Milliseconds", "StorageResolution": _RESOLUTION_SECONDS},
]
_GRANT_METRICS: Final = [{"Name": "Grants", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS}]
_REQUEST_DIMENSIONS: Final = [["environment", "function"], ["environment", "function", "version"]]
_GRANT_DIMENSIONS: Final = [["environment", "function", "result"], ["environment", "function", "version", "result"]]


@dataclass
class Observed:
    """What is noted about a request while it is answered.

    probe: it was sent to this version past the API, which only the orchestrator may do; synthetic: it is of the synthetic
    identity, or monitoring. Both are left out of the business metrics: a release must not pass on evidence made by its judge.
    asks_for_grant: it is a token request, whose result counts; grant: that result, "issued" or the error code.
    client: the configured client that asked, once it is known to be that one. Any other is SELF_DESCRIBED: what it calls itself
    may be a person's own address.
    """

    probe: bool = False
    synthetic: bool = False
    asks_for_grant: bool = False
    grant: str | None = None
    client: str | None = None

    def refused(self, code: str) -> None:
        """Note the error code that a request got."""
        if self.asks_for_grant:
            self.grant = code

    @property
    def namespace(self) -> str:
        """The namespace of the request's metrics."""
        return SYNTHETIC_NAMESPACE if self.probe or self.synthetic else NAMESPACE


class Lines:
    """The lines of one function's requests. What is the same in all of them is made into text once."""

    def __init__(self, settings: Settings) -> None:
        same = {
            "level": "INFO",
            "message": "request",
            "environment": settings.environment,
            "function": settings.function,
            "function_name": settings.function_name,
            "version": settings.version,
        }
        self._same = to_json(same)[1:-1]

    def line(
        self, observed: Observed, *, route: str, status: int, latency_ms: float, request_id: str, at_ms: int
    ) -> str:
        """Return the line of a request. route is the route's pattern and never what was asked for; at_ms is epoch milliseconds."""
        seen: dict[str, Any] = {
            "route": route,
            "status": status,
            "request_id": request_id,
            "Requests": 1,
            "ServerErrors": int(status >= HTTPStatus.INTERNAL_SERVER_ERROR),
            "Latency": round(latency_ms, 3),
        }
        if observed.grant is not None:
            seen["Grants"] = 1
            seen["result"] = observed.grant
        if observed.client is not None:
            seen["client"] = observed.client
        directives = _directives(observed.namespace, grants=observed.grant is not None)
        emf = f'"_aws":{{"Timestamp":{at_ms},"CloudWatchMetrics":{directives}}}'
        return f"{{{self._same},{to_json(seen)[1:-1]},{emf}}}"


@cache
def _directives(namespace: str, *, grants: bool) -> str:
    """Return what CloudWatch is to make of a line: most of its text, and one of four."""
    requests = {"Namespace": namespace, "Dimensions": _REQUEST_DIMENSIONS, "Metrics": _REQUEST_METRICS}
    by_result = {"Namespace": namespace, "Dimensions": _GRANT_DIMENSIONS, "Metrics": _GRANT_METRICS}
    return to_json([requests, by_result] if grants else [requests])
