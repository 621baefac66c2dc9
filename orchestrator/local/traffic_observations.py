"""Observations of the generated traffic: every response, and statistics for live views and benchmarks."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_RESPONSE: Final = 0
"""The status of a request without a response: refused, interrupted or timed out."""


@dataclass(frozen=True)
class ObservedResponse:
    """One response, or a request without one.

    at: when it ended, epoch seconds; latency_ms: from sending to the last byte, milliseconds.
    version: the Lambda version that responded, from the service's header; None if the header is missing.
    error: the OAuth error code in the body; the kind of failure if there was no response.
    """

    at: float
    route: str
    function: str
    version: str | None
    status: int
    error: str | None
    latency_ms: float

    @property
    def bad(self) -> bool:
        """Whether the status is neither 2xx nor 3xx. The traffic sends only valid requests."""
        return not HTTPStatus.OK <= self.status < HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Counts:
    """Statistics of one version of one function within a window. Latencies are None without requests."""

    function: str
    version: str | None
    requests: int
    bad: int
    server_errors: int
    errors: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class Snapshot:
    """Statistics of every function and version that responded from `since` to `until`, epoch seconds."""

    since: float
    until: float
    counts: tuple[Counts, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the snapshot as plain JSON values."""
        return {"since": self.since, "until": self.until, "counts": [asdict(item) for item in self.counts]}


@dataclass
class Observations:
    """Responses in the order they ended. Safe to write and read from several threads."""

    _responses: list[ObservedResponse] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, response: ObservedResponse) -> None:
        """Add a response, in the order of the times at which responses ended."""
        with self._lock:
            position = len(self._responses)
            while position and self._responses[position - 1].at > response.at:
                position -= 1
            self._responses.insert(position, response)

    def responses_since(self, since: float) -> list[ObservedResponse]:
        """Return the responses that ended at `since` or later."""
        with self._lock:
            return self._responses[bisect_left(self._responses, since, key=lambda response: response.at) :]

    def snapshot(self, since: float, until: float) -> Snapshot:
        """Return the statistics of a window."""
        return Snapshot(
            since, until, count_by_version(response for response in self.responses_since(since) if response.at <= until)
        )

    def first_bad_response_after(self, since: float) -> ObservedResponse | None:
        """Return the first bad response that ended at `since` or later."""
        return next((response for response in self.responses_since(since) if response.bad), None)

    def last_response_of(self, function: str, version: str) -> ObservedResponse | None:
        """Return the last response of a version."""
        key = (function, version)
        return next(
            (item for item in reversed(self.responses_since(0.0)) if (item.function, item.version) == key), None
        )


def count_by_version(responses: Iterable[ObservedResponse]) -> tuple[Counts, ...]:
    """Return the statistics of responses by function and version."""
    by_version: defaultdict[tuple[str, str | None], list[ObservedResponse]] = defaultdict(list)
    for response in responses:
        by_version[response.function, response.version].append(response)
    return tuple(
        _counts(function, version, items)
        for (function, version), items in sorted(by_version.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
    )


def percentile(ordered: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of ordered values; raises ValueError without values."""
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    return ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1]


def _counts(function: str, version: str | None, items: list[ObservedResponse]) -> Counts:
    latencies = sorted(item.latency_ms for item in items)
    server_error = HTTPStatus.INTERNAL_SERVER_ERROR
    return Counts(
        function=function,
        version=version,
        requests=len(items),
        bad=sum(item.bad for item in items),
        server_errors=sum(item.status >= server_error or item.status == NO_RESPONSE for item in items),
        errors=dict(Counter(item.error for item in items if item.error is not None)),
        p50_ms=round(percentile(latencies, 50), 1),
        p99_ms=round(percentile(latencies, 99), 1),
    )
