"""What traffic has seen: every response, and what a live view or a benchmark asks about them."""

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

NO_ANSWER: Final = 0
"""The status of a request that got no response: refused, cut off or too late."""


@dataclass(frozen=True)
class Response:
    """One response, or the lack of one.

    at: when it ended, epoch seconds; latency_ms: from sending to the last byte, milliseconds.
    version: the Lambda version that answered, by the service's header; None where nothing said so.
    error: the OAuth error code in the body; the kind of failure where there was no answer.
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
        """Whether it is not what a well-behaved client was owed: this traffic makes no mistakes, so only 2xx and 3xx are good."""
        return not HTTPStatus.OK <= self.status < HTTPStatus.BAD_REQUEST


@dataclass(frozen=True)
class Counts:
    """The responses of one version of one function within a window. Latencies are None where there were no requests."""

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
    """Counts of every function and version that answered from `since` to `until`, epoch seconds."""

    since: float
    until: float
    counts: tuple[Counts, ...]

    def of(self, function: str, version: str) -> Counts:
        """Return one version's counts; all zero where it did not answer."""
        return next(
            (item for item in self.counts if (item.function, item.version) == (function, version)),
            Counts(function, version, 0, 0, 0, {}, None, None),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the snapshot as plain values."""
        return {"since": self.since, "until": self.until, "counts": [asdict(item) for item in self.counts]}


@dataclass
class Observations:
    """Responses in the order they ended. Safe to write and read from several threads."""

    _responses: list[Response] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, response: Response) -> None:
        """Add a response; one that ended a moment before the last one added is put in its place."""
        with self._lock:
            place = len(self._responses)
            while place and self._responses[place - 1].at > response.at:
                place -= 1
            self._responses.insert(place, response)

    def since(self, since: float) -> list[Response]:
        """Return the responses that ended at `since` or later."""
        with self._lock:
            return self._responses[bisect_left(self._responses, since, key=lambda response: response.at) :]

    def snapshot(self, since: float, until: float) -> Snapshot:
        """Return the counts of a window."""
        return Snapshot(since, until, counted(response for response in self.since(since) if response.at <= until))

    def first_bad_response_after(self, since: float) -> Response | None:
        """Return the first bad response that ended at `since` or later."""
        return next((response for response in self.since(since) if response.bad), None)

    def last_response_of(self, function: str, version: str) -> Response | None:
        """Return the last response that this version gave."""
        wanted = (function, version)
        return next((item for item in reversed(self.since(0.0)) if (item.function, item.version) == wanted), None)


def counted(responses: Iterable[Response]) -> tuple[Counts, ...]:
    """Return the counts of responses, by function and version."""
    by_version: defaultdict[tuple[str, str | None], list[Response]] = defaultdict(list)
    for response in responses:
        by_version[response.function, response.version].append(response)
    return tuple(
        _counts(function, version, answers)
        for (function, version), answers in sorted(by_version.items(), key=lambda pair: (pair[0][0], pair[0][1] or ""))
    )


def percentile(ordered: list[float], percent: float) -> float:
    """Return the nearest-rank percentile of ordered values. Raises ValueError when there are none."""
    if not ordered:
        raise ValueError("no values, no percentile")
    return ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1]


def _counts(function: str, version: str | None, answers: list[Response]) -> Counts:
    latencies = sorted(answer.latency_ms for answer in answers)
    server_error = HTTPStatus.INTERNAL_SERVER_ERROR
    return Counts(
        function=function,
        version=version,
        requests=len(answers),
        bad=sum(answer.bad for answer in answers),
        server_errors=sum(answer.status >= server_error or answer.status == NO_ANSWER for answer in answers),
        errors=dict(Counter(answer.error for answer in answers if answer.error is not None)),
        p50_ms=round(percentile(latencies, 50), 1),
        p99_ms=round(percentile(latencies, 99), 1),
    )
