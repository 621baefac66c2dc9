"""One log line for each request, which is also its metrics: CloudWatch's embedded metric format, one-second resolution.

Powertools' Metrics supports one set of dimensions for each metric. The orchestrator reads a function's rate both in
total and by version, and grants also by result, so this module writes the line itself.

Alarms roll a release back, so they count only outcomes that the service is responsible for (docs/reference/security.md):

    ServerErrors    5xx, except for those that an upstream identity provider caused (UpstreamErrors)
    Latency         the request's own time, without the time spent waiting for servers that are not ours
    ColdStartLatency  in place of Latency: the own time of the first request of an execution environment. It opens
                    connections and fills caches, and a new version has only new environments, so that these requests
                    would make every release look slow (docs/adr/0046-latency-is-counted-over-fixed-lines.md)
    KnownGrants     token requests of an authenticated client whose code or refresh token is its own: issued, or refused
                    for the first time (RefusedGrants). Garbage and repetitions are in Grants alone, which no alarm reads
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service.oauth.tokens import to_json

if TYPE_CHECKING:
    from service.settings import Settings

NAMESPACE: Final = "IbOauth"
SYNTHETIC_NAMESPACE: Final = "IbOauth/Synthetic"
UNCONFIGURED_CLIENT: Final = "(self-described)"
"""Name in the log of every client that is not configured. No configured client has it: an id has no brackets."""

_RESOLUTION_SECONDS: Final = 1
_REQUEST_METRICS: Final = [
    {"Name": "Requests", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
    {"Name": "ServerErrors", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
]
_LATENCY: Final = "Latency"
_COLD_START_LATENCY: Final = "ColdStartLatency"
_KNOWN_GRANT_METRICS: Final = [
    {"Name": "KnownGrants", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
    {"Name": "RefusedGrants", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS},
]
_UPSTREAM_METRICS: Final = [{"Name": "UpstreamErrors", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS}]
_GRANT_METRICS: Final = [{"Name": "Grants", "Unit": "Count", "StorageResolution": _RESOLUTION_SECONDS}]
_REQUEST_DIMENSIONS: Final = [["environment", "function"], ["environment", "function", "version"]]
_GRANT_DIMENSIONS: Final = [["environment", "function", "result"], ["environment", "function", "version", "result"]]


@dataclass
class RequestObservation:
    """Facts about a request, recorded while it is handled.

    probe: the orchestrator sent it directly to this version, not through the API. synthetic: it belongs to the
    synthetic identity, or to monitoring. Both are excluded from the business metrics, so that a release cannot pass
    because of the orchestrator's own requests.
    asks_for_grant: it is a token request, whose result is counted; grant: the result, "issued" or the error code.
    known_grant_refused: whether a known grant was refused; None if the request is no evidence about the service: it
    names no grant of an authenticated client, or one that was refused before.
    upstream_failed: an upstream identity provider caused the failure.
    client: the configured or managed client that sent it: at the token endpoint once it is authenticated, at the
    authorization endpoint once its redirect URI is a registered one. Any other client is UNCONFIGURED_CLIENT: its id
    may be a person's own URL.
    claimed_client: the id that a request stated whose client could not be accepted; None if it must not be logged.
    refusal: why an authorization request was refused: an error code, or one of the two reasons for a page.
    earlier_secret: the client authenticated with the secret that it has to replace.
    """

    probe: bool = False
    synthetic: bool = False
    asks_for_grant: bool = False
    grant: str | None = None
    known_grant_refused: bool | None = None
    upstream_failed: bool = False
    client: str | None = None
    claimed_client: str | None = None
    refusal: str | None = None
    earlier_secret: bool = False

    def set_error(self, code: str) -> None:
        """Record the error code of the response."""
        if self.asks_for_grant:
            self.grant = code

    @property
    def namespace(self) -> str:
        """The namespace of the request's metrics."""
        return SYNTHETIC_NAMESPACE if self.probe or self.synthetic else NAMESPACE


class RequestLines:
    """The log lines of the requests of one execution environment. The constant part is formatted once."""

    def __init__(self, settings: Settings) -> None:
        constant = {
            "level": "INFO",
            "message": "request",
            "environment": settings.environment,
            "function": settings.function,
            "function_name": settings.function_name,
            "version": settings.version,
        }
        self._constant_fields = to_json(constant)[1:-1]
        self._cold = True

    def format(
        self,
        observed: RequestObservation,
        *,
        route: str,
        status: int,
        latency_ms: float,
        request_id: str,
        at_ms: int,
        waited_ms: float = 0.0,
    ) -> str:
        """Return the line of a request.

        route: the route's pattern, never the requested path; at_ms: epoch milliseconds; waited_ms: the part of
        latency_ms that was spent waiting for servers that are not ours.
        """
        cold, self._cold = self._cold, False
        server_error = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        fields: dict[str, Any] = {
            "route": route,
            "status": status,
            "request_id": request_id,
            "Requests": 1,
            "ServerErrors": int(server_error and not observed.upstream_failed),
            _LATENCY: round(max(0.0, latency_ms - waited_ms), 3),
        }
        if cold:
            fields[_COLD_START_LATENCY] = fields[_LATENCY]
        if waited_ms:
            fields["waited_ms"] = round(waited_ms, 3)
        if observed.upstream_failed:
            fields["UpstreamErrors"] = 1
        if observed.known_grant_refused is not None:
            fields["KnownGrants"] = 1
            fields["RefusedGrants"] = int(observed.known_grant_refused)
        if observed.grant is not None:
            fields["Grants"] = 1
            fields["result"] = observed.grant
        if observed.client is not None:
            fields["client"] = observed.client
        elif observed.claimed_client is not None:
            fields["claimed_client"] = observed.claimed_client
        if observed.refusal is not None:
            fields["refusal"] = observed.refusal
        if observed.earlier_secret:
            fields["earlier_secret"] = True
        directives = _directives(
            observed.namespace,
            grants=observed.grant is not None,
            cold=cold,
            known_grants=observed.known_grant_refused is not None,
            upstream=observed.upstream_failed,
        )
        emf = f'"_aws":{{"Timestamp":{at_ms},"CloudWatchMetrics":{directives}}}'
        return f"{{{self._constant_fields},{to_json(fields)[1:-1]},{emf}}}"


@cache
def _directives(
    namespace: str, *, grants: bool, cold: bool = False, known_grants: bool = False, upstream: bool = False
) -> str:
    """Return the CloudWatch metric directives of a line: most of its text, and one of few variants."""
    latency = _COLD_START_LATENCY if cold else _LATENCY
    metrics = [
        *_REQUEST_METRICS,
        {"Name": latency, "Unit": "Milliseconds", "StorageResolution": _RESOLUTION_SECONDS},
        *(_KNOWN_GRANT_METRICS if known_grants else []),
        *(_UPSTREAM_METRICS if upstream else []),
    ]
    requests = {"Namespace": namespace, "Dimensions": _REQUEST_DIMENSIONS, "Metrics": metrics}
    by_result = {"Namespace": namespace, "Dimensions": _GRANT_DIMENSIONS, "Metrics": _GRANT_METRICS}
    return to_json([requests, by_result] if grants else [requests])
