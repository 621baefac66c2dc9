"""What the world looks like to the probes: requests, answers, measurements, log lines, alarms. Values, and no judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.sequential import Tally

GRANTING = "token"
"""The function whose requests are grants, counted by their result."""

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
"""The results that are asked for by name. CloudWatch finds a new metric by search up to 15 minutes late (SEARCH, ListMetrics),
and every metric of a canary is new; a result that is not listed shows as a grant without a result."""


@dataclass(frozen=True)
class Request:
    """A request to the service, by whichever way it goes there. `form` becomes the body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status; 502 where the function raised.
        headers: lower-case name to its values.
        version: the function's version that answered, as far as the answer says so; empty otherwise.
        unhandled: the class of the exception that the function raised; empty where it answered.
        sent: how often the request was sent until something came back.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: str
    elapsed_ms: float
    version: str = ""
    unhandled: str = ""
    sent: int = 1

    def header(self, name: str) -> str:
        """A header's first value, empty where it is absent."""
        return next(iter(self.headers.get(name.lower(), ())), "")


@dataclass(frozen=True)
class Certificate:
    """How an address is secured: the protocol that was agreed on and until when its certificate is good."""

    protocol: str
    expires_at: datetime


@dataclass(frozen=True)
class Query:
    """One metric to read: `statistic` of every `period_seconds`. `id` is the caller's own name for it."""

    id: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period_seconds: int


@dataclass(frozen=True)
class LogLine:
    """One log event. `stream` is the log stream's name, which for Lambda holds the version in brackets."""

    at: datetime
    stream: str
    message: str


@dataclass(frozen=True)
class LogPage:
    """The lines that were found; `complete` is False where there were more than were read."""

    lines: tuple[LogLine, ...]
    complete: bool


@dataclass(frozen=True)
class AlarmState:
    """Where an alarm stands, as CloudWatch says: OK, ALARM or INSUFFICIENT_DATA, and since when."""

    name: str
    state: str
    since: datetime
    reason: str


@dataclass(frozen=True)
class Sample:
    """One period of one version: counts, and percentiles of its latency in ms (None without requests)."""

    start: datetime
    requests: int = 0
    server_errors: int = 0
    grants: Mapping[str, int] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Measurements:
    """What one version of one function did in a window.

    Attributes:
        samples: one a period, ascending; periods without requests may be missing.
        invocations: as Lambda counted them, by the minute; it counts those that died before they could say anything.
        unhandled: of these, the ones that ended in an exception or a timeout.
    """

    version: str
    samples: tuple[Sample, ...] = ()
    invocations: int = 0
    unhandled: int = 0

    @property
    def requests(self) -> int:
        """Requests that the function itself reported."""
        return sum(sample.requests for sample in self.samples)

    @property
    def errors(self) -> Tally:
        """Requests, and those answered with 5xx."""
        return Tally(self.requests, min(self.requests, sum(sample.server_errors for sample in self.samples)))

    @property
    def deaths(self) -> Tally:
        """Invocations, and those that ended in an exception or a timeout."""
        return Tally(self.invocations, min(self.invocations, self.unhandled))

    @property
    def grants(self) -> Mapping[str, int]:
        """Token requests by result; results that did not occur are left out."""
        counts: Counter[str] = Counter()
        for sample in self.samples:
            counts.update(sample.grants)
        return {result: count for result, count in counts.items() if count}

    def grants_that(self, counts: Callable[[str], bool]) -> Tally:
        """Token requests with a result, and those whose result counts."""
        grants = self.grants
        return Tally(sum(grants.values()), sum(count for result, count in grants.items() if counts(result)))

    @property
    def p50_ms(self) -> float | None:
        """The typical period's median latency, periods weighing by their requests; None without requests."""
        return _weighted_median((sample.p50_ms, sample.requests) for sample in self.samples)

    @property
    def p99_ms(self) -> float | None:
        """The typical period's 99th percentile; a few cold starts in one period do not move it."""
        return _weighted_median((sample.p99_ms, sample.requests) for sample in self.samples)


@dataclass(frozen=True)
class Compared:
    """One function's two versions side by side.

    Attributes:
        pooled_requests: requests of both by the metric that has no version; shows whether versions can be told apart.
        before: stable in the time before the deployment, where it was asked for.
    """

    name: str
    stable: Measurements
    canary: Measurements
    pooled_requests: int = 0
    before: Measurements | None = None

    @property
    def observed_percent(self) -> float | None:
        """Canary's share of the requests in percent; None without requests."""
        both = self.stable.requests + self.canary.requests
        return 100 * self.canary.requests / both if both else None

    @property
    def told_apart(self) -> bool:
        """Whether the measurements name versions, as far as there are any."""
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
