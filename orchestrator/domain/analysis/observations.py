"""Observations of the probes: requests, responses, measurements, log lines, alarms. Values without judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.latency_lines import LatencyLines
from orchestrator.domain.analysis.sequential_testing import Tally

GRANT_FUNCTION = "token"
"""The function whose requests are grants, counted by result."""

UPSTREAM_FUNCTION = "authorize"
"""The function that calls upstream identity providers."""

ISSUED = "issued"
REFUSALS = (
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
)
"""The results whose metrics are read by name. CloudWatch's search finds a new metric up to 15 minutes late (SEARCH,
ListMetrics), and all metrics of a canary are new. A result that is not listed counts as a request without a result."""


@dataclass(frozen=True)
class HttpRequest:
    """A request to the service, over HTTP or by direct invocation.

    Attributes:
        path: with its query, if that repeats a parameter; `query` is empty then.
        form: becomes the body.
        body: another body, whose headers have its Content-Type; None if there is none, or a form.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None
    body: str | None = None


VERSION_HEADER = "x-ib-oauth-version"
"""The header by which a function names the version that responded."""


@dataclass(frozen=True)
class HttpResponse:
    """The response to a request.

    Attributes:
        status: HTTP status; 502 if the function raised an exception.
        headers: lower-case name to its values.
        version: the function version that responded, if the response names it; otherwise empty.
        unhandled: class of the exception that the function raised; otherwise empty.
        attempts: how often the request was sent until there was a response.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: str
    elapsed_ms: float
    version: str = ""
    unhandled: str = ""
    attempts: int = 1

    def header(self, name: str) -> str:
        """Return a header's first value; empty if it is absent."""
        return next(iter(self.headers.get(name.lower(), ())), "")


@dataclass(frozen=True)
class Certificate:
    """The TLS protocol of an address, and when its certificate expires."""

    protocol: str
    expires_at: datetime


@dataclass(frozen=True)
class MetricQuery:
    """One metric to read: `statistic` of every `period_seconds`. `id` is chosen by the caller."""

    id: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period_seconds: int


@dataclass(frozen=True)
class LogLine:
    """One log event. `stream` is the name of its log stream, in which Lambda puts the version in brackets."""

    at: datetime
    stream: str
    message: str


@dataclass(frozen=True)
class LogPage:
    """The log lines found; `complete` is False if there were more."""

    lines: tuple[LogLine, ...]
    complete: bool


@dataclass(frozen=True)
class AlarmState:
    """The state of an alarm in CloudWatch (OK, ALARM or INSUFFICIENT_DATA), and since when."""

    name: str
    state: str
    since: datetime
    reason: str


@dataclass(frozen=True)
class Sample:
    """One period of one version: counts, and percentiles of its latency in ms (None without requests).

    Latencies are those of warm requests: not of the first request of an execution environment (`cold_starts`).

    Attributes:
        server_errors: 5xx responses, without those that an upstream identity provider caused (`upstream_errors`).
        known_grants: token requests of an authenticated client whose code or refresh token is its own: issued, or
            refused for the first time (`refused_grants`). Garbage and repetitions do not count.
        grants: all token requests by result, from all senders.
        timed: warm requests, whose latency was measured.
        slower: latency in ms to the number of warm requests that took longer (`latency_lines.bounds_ms`).
        cold_starts: first requests of an execution environment; `cold_start_ms` is their median latency.
    """

    start: datetime
    requests: int = 0
    server_errors: int = 0
    grants: Mapping[str, int] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None
    upstream_errors: int = 0
    known_grants: int = 0
    refused_grants: int = 0
    timed: int = 0
    slower: Mapping[float, int] = field(default_factory=dict)
    cold_starts: int = 0
    cold_start_ms: float | None = None

    def slower_than(self, ms: float) -> Tally:
        """Return the warm requests, and those that took longer than a bound of `slower`."""
        return Tally(self.timed, min(self.timed, self.slower.get(ms, 0)))


@dataclass(frozen=True)
class Measurements:
    """The measurements of one version of one function in a window.

    Attributes:
        samples: one per period, ascending; periods without requests may be missing.
        invocations: as Lambda counts them, by the minute; includes invocations that failed before they reported.
        unhandled: invocations that ended in an exception or a timeout.
        minutes: both, minute by minute; empty if they were not read so.
    """

    version: str
    samples: tuple[Sample, ...] = ()
    invocations: int = 0
    unhandled: int = 0
    minutes: tuple[Tally, ...] = ()

    def periods(self, count: Callable[[Sample], Tally]) -> Periods:
        """Return what `count` counts in every sample, without those in which it counts no trials."""
        tallies = tuple(tally for sample in self.samples if (tally := count(sample)).trials)
        if len(self.samples) <= 1:
            return Periods(0.0, tallies)
        lengths = [(after.start - sample.start).total_seconds() for sample, after in pairwise(self.samples)]
        return Periods(min(lengths), tallies)

    @property
    def requests(self) -> int:
        """Requests that the function reported."""
        return sum(sample.requests for sample in self.samples)

    @property
    def errors(self) -> Tally:
        """Requests, and those with a 5xx response."""
        requests = self.requests
        return Tally(requests, min(requests, sum(sample.server_errors for sample in self.samples)))

    @property
    def upstream_failures(self) -> Tally:
        """Requests, and those that failed because of an upstream identity provider."""
        requests = self.requests
        return Tally(requests, min(requests, sum(sample.upstream_errors for sample in self.samples)))

    @property
    def known_grants(self) -> Tally:
        """Known grants, and those of them that were refused."""
        known = sum(sample.known_grants for sample in self.samples)
        return Tally(known, min(known, sum(sample.refused_grants for sample in self.samples)))

    @property
    def function_failures(self) -> Tally:
        """Invocations, and those that ended in an exception or a timeout."""
        return Tally(self.invocations, min(self.invocations, self.unhandled))

    @property
    def grants(self) -> Mapping[str, int]:
        """Token requests by result; results that did not occur are left out."""
        counts: Counter[str] = Counter()
        for sample in self.samples:
            counts.update(sample.grants)
        return {result: count for result, count in counts.items() if count}

    def slower_than(self, ms: float) -> Periods:
        """Return the warm requests of each period, and those of them that took longer than a bound of `Sample.slower`."""
        return self.periods(lambda sample: sample.slower_than(ms))

    def since(self, start: datetime) -> Measurements:
        """Return the measurements from a time on. Lambda's own counts stay: they have no periods."""
        samples = tuple(sample for sample in self.samples if sample.start >= start)
        return self if len(samples) == len(self.samples) else replace(self, samples=samples)

    @property
    def timed(self) -> int:
        """Warm requests."""
        return sum(sample.timed for sample in self.samples)

    @property
    def cold_starts(self) -> int:
        """First requests of an execution environment."""
        return sum(sample.cold_starts for sample in self.samples)

    @property
    def cold_start_ms(self) -> float | None:
        """The typical latency of cold starts; None without any."""
        return _weighted_median((sample.cold_start_ms, sample.cold_starts) for sample in self.samples)

    @property
    def p50_ms(self) -> float | None:
        """The median of the periods' median latencies, weighted by requests; None without requests."""
        return _weighted_median((sample.p50_ms, sample.requests) for sample in self.samples)

    @property
    def p99_ms(self) -> float | None:
        """The median of the periods' 99th percentiles; a few cold starts in one period do not affect it."""
        return _weighted_median((sample.p99_ms, sample.requests) for sample in self.samples)


@dataclass(frozen=True)
class VersionComparison:
    """The two versions of one function.

    Attributes:
        pooled_requests: requests of both versions, by the metric without a version; a check of the versioned metrics.
        before: stable before the deployment, if it was read.
        lines: the lines over which slow requests are counted; None if stable was never measured.
        canary_has_all_traffic: stable's requests, if there are any, are late ones, and no baseline.
    """

    name: str
    stable: Measurements
    canary: Measurements
    pooled_requests: int = 0
    before: Measurements | None = None
    lines: LatencyLines | None = None
    canary_has_all_traffic: bool = False

    @property
    def observed_percent(self) -> float | None:
        """Canary's share of the requests in percent; None without requests."""
        both = self.stable.requests + self.canary.requests
        return 100 * self.canary.requests / both if both else None

    @property
    def versions_identified(self) -> bool:
        """Whether the measurements distinguish the versions, if there are any requests."""
        return self.pooled_requests == 0 or self.stable.requests + self.canary.requests > 0


def _weighted_median(values: Iterable[tuple[float | None, int]]) -> float | None:
    ranked = sorted((value, weight) for value, weight in values if value is not None and weight > 0)
    half = sum(weight for _, weight in ranked) / 2
    seen = 0
    for value, weight in ranked:
        seen += weight
        if seen >= half:
            return value
    return None
