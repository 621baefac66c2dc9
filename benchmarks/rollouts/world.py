"""The traffic of one rollout, period by period, as CloudWatch and the logs report it.

A judge advances its own world by periods of ten seconds, at the weight that it has set. Worlds of one rollout are drawn
from the same seed, so judges that have decided the same so far see the same requests. Metrics and logs arrive at once;
the product's `metric_delay` is kept by its own windows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.rollouts.errors import Burst, correlated_minutes, draw_failures
from benchmarks.rollouts.labelled import REFUSED_SHARE, Clustering, Rollout, Signal, share_slower_than
from orchestrator.domain.analysis.observations import AlarmState, LogLine, LogPage, MetricQuery
from orchestrator.domain.verdict import Window

PERIOD_SECONDS, PERIODS_A_MINUTE = 10, 6
START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
"""The first shift."""

HISTORY_PERIODS = 8640
"""A day before the first shift."""

MAX_PERIODS = 360 * 5
STABLE, CANARY = "1", "2"
NAMESPACE, API_NAME, STAGE = "IbOauth", "ib-oauth-api-test", "test"
LINES_A_PERIOD = 10
"""More lines of one version in a period say nothing more: the product counts each kind once a period."""

NEVER = 1e-12

COUNTS = (
    "Requests",
    "ServerErrors",
    "UpstreamErrors",
    "KnownGrants",
    "RefusedGrants",
    "Invocations",
    "Errors",
    "ColdStarts",
    "Harmed",
)
RESULTS = ("issued", "invalid_grant", "invalid_scope")


def at(period: int) -> datetime:
    """Return when a period starts; period 0 begins at the first shift."""
    return START + timedelta(seconds=PERIOD_SECONDS * period)


@dataclass
class VersionSeries:
    """The counts of one version of one function by period, and its latencies."""

    counts: dict[str, np.ndarray[Any, Any]]
    latencies: dict[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    slower: dict[tuple[int, float], int] = field(default_factory=dict)
    statistics: dict[tuple[int, int, str], float | None] = field(default_factory=dict)
    burst: Burst = field(default_factory=lambda: Burst.none(1))

    @classmethod
    def empty(cls) -> VersionSeries:
        """Return series without requests."""
        size = HISTORY_PERIODS + MAX_PERIODS
        return cls({name: np.zeros(size, dtype=np.int64) for name in (*COUNTS, *RESULTS)})

    def sum(self, name: str, first: int, last: int) -> int:
        """Return the sum of a count over periods, `last` excluded."""
        return int(self.counts[name][first + HISTORY_PERIODS : last + HISTORY_PERIODS].sum())


class World:
    """The service during one rollout."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.random = np.random.default_rng(rollout.seed)
        self.period = 0
        self.series = {
            (function, version): VersionSeries.empty() for function in rollout.changed for version in (STABLE, CANARY)
        }
        self._minutes = (
            correlated_minutes(self.random, (HISTORY_PERIODS + MAX_PERIODS) // PERIODS_A_MINUTE)
            if rollout.clustering is Clustering.CORRELATED_MINUTES
            else np.ones((HISTORY_PERIODS + MAX_PERIODS) // PERIODS_A_MINUTE)
        )
        self._logged: dict[tuple[str, str, int], list[LogLine]] = {}
        self._drawn_until, self._drawn_weight = 0, -1
        for function in rollout.changed:
            self._draw(function, STABLE, -HISTORY_PERIODS, self._arrivals(-HISTORY_PERIODS, 0))

    @property
    def now(self) -> datetime:
        """The end of the newest period."""
        return at(self.period)

    @property
    def harmed(self) -> int:
        """Requests of clients that the release has served badly so far."""
        return sum(
            series.sum("Harmed", 0, self.period) for (_, version), series in self.series.items() if version == CANARY
        )

    def advance(self, weight_percent: int, periods: int = 1) -> None:
        """Serve clients for some periods, at a weight of the canary. Whole minutes are drawn in advance."""
        last = self.period + periods
        if weight_percent != self._drawn_weight:
            self._drawn_until, self._drawn_weight = self.period, weight_percent
        while self._drawn_until < last:
            first = self._drawn_until
            self._drawn_until = first + max(PERIODS_A_MINUTE, last - first)
            for function in self.rollout.changed:
                requests = self._arrivals(first, self._drawn_until)
                canary = self.random.binomial(requests, weight_percent / 100)
                self._draw(function, STABLE, first, requests - canary)
                self._draw(function, CANARY, first, canary)
        self.period = last

    def failing_share(self, function: str, version: str) -> float:
        """Return the share of synthetic requests that now fail by 5xx, an exception or a timeout."""
        rollout = self.rollout
        if function not in rollout.changed:
            return 0.0
        base = rollout.stable_errors if version == STABLE else rollout.error_share
        if version == STABLE or function not in rollout.faulty or not rollout.seen_by_checks:
            return base
        if rollout.signal not in {Signal.ERRORS, Signal.DEATHS}:
            return base
        return base + (1 - base) * rollout.fault_share_at(self.period * PERIOD_SECONDS)

    def refusing_share(self, function: str, version: str) -> float:
        """Return the share of synthetic grants that now get a wrong OAuth result."""
        rollout = self.rollout
        wrong = version == CANARY and function in rollout.faulty and rollout.seen_by_checks
        return rollout.fault_share if wrong and rollout.signal in {Signal.REFUSED, Signal.RESULT} else 0.0

    def _arrivals(self, first: int, last: int) -> np.ndarray[Any, Any]:
        return self.random.poisson(self.rollout.requests_per_second * PERIOD_SECONDS * self._trend(first, last))

    def _trend(self, first: int, last: int) -> np.ndarray[Any, Any]:
        if not self.rollout.drifts:
            return np.ones(last - first)
        return 1 + 2 * np.clip(np.arange(first, last) / 180, 0, 1)

    def _draw(self, function: str, version: str, first: int, requests: np.ndarray[Any, Any]) -> None:
        """Draw what happens to one version's requests."""
        rollout, random = self.rollout, self.random
        series, last = self.series[function, version], first + len(requests)
        stored = slice(first + HISTORY_PERIODS, last + HISTORY_PERIODS)
        faulty = version == CANARY and function in rollout.faulty
        base = rollout.stable_errors if version == STABLE else rollout.error_share
        shares = base * self._trend(first, last)
        shares *= np.repeat(self._minutes, PERIODS_A_MINUTE)[stored]
        fault = np.array([rollout.fault_share_at(period * PERIOD_SECONDS) for period in range(first, last)])
        counts = {name: np.zeros_like(requests) for name in (*COUNTS, *RESULTS)}
        deaths = np.zeros_like(requests)
        if faulty and rollout.signal is Signal.DEATHS:
            deaths = self._fail(series, requests, fault)
        answered = requests - deaths
        if faulty and rollout.signal is Signal.ERRORS:
            shares = shares + fault * (1 - shares)
        if faulty and rollout.signal is Signal.DEATHS:
            failed = random.binomial(answered, np.minimum(1, shares))
        else:
            failed = self._fail(series, answered, shares)
        good = answered - failed
        wrong = np.zeros_like(requests)
        if faulty and rollout.signal in {Signal.REFUSED, Signal.RESULT}:
            wrong = random.binomial(good, fault)
        counts["Requests"], counts["ServerErrors"] = answered, failed
        counts["Invocations"], counts["Errors"] = requests, deaths
        if function == "token":
            refused = random.binomial(good - wrong, REFUSED_SHARE)
            by_fault = wrong if rollout.signal is Signal.REFUSED else np.zeros_like(wrong)
            counts["KnownGrants"] = good - (wrong - by_fault)
            counts["RefusedGrants"] = refused + by_fault
            counts["invalid_grant"] = refused + by_fault
            counts["invalid_scope"] = wrong - by_fault
            counts["issued"] = good - wrong - refused
        if version == CANARY and rollout.cold_starts and first >= 0:
            served = series.sum("Requests", 0, first)
            cold = np.clip(100 - served - np.concatenate([[0], np.cumsum(answered)[:-1]]), 0, answered)
            counts["ColdStarts"] = random.binomial(cold, rollout.cold_starts)
        counts["Harmed"] = self._harmed(deaths, failed, wrong, answered, shares, fault) if faulty else deaths * 0
        for name, values in counts.items():
            series.counts[name][stored] = values

    def _fail(self, series: VersionSeries, requests: Any, shares: Any) -> Any:
        clustering = self.rollout.clustering
        return draw_failures(self.random, requests[None, :], shares[None, :], clustering, series.burst)[0]

    def _harmed(self, deaths: Any, failed: Any, wrong: Any, answered: Any, shares: Any, fault: Any) -> Any:
        rollout = self.rollout
        if rollout.signal is Signal.LATENCY:
            return answered if rollout.latency_ratio > 1 else answered * 0
        if rollout.signal is Signal.LOG_KIND:
            return self.random.binomial(answered, fault)
        of_fault = np.divide(fault, shares, out=np.zeros_like(fault), where=shares > 0).clip(0, 1)
        errors = self.random.binomial(failed, of_fault) if rollout.signal is Signal.ERRORS else failed * 0
        return deaths + wrong + errors

    # Latency ---------------------------------------------------------------------------------------------------------

    def latencies(self, function: str, version: str, period: int) -> np.ndarray[Any, Any]:
        """Return the latencies of the warm requests of a period in ms."""
        series = self.series[function, version]
        if period not in series.latencies:
            rollout, index = self.rollout, period + HISTORY_PERIODS
            count = int(series.counts["Requests"][index] - series.counts["ColdStarts"][index])
            random = np.random.default_rng((rollout.seed, index, int(version), len(function)))
            slow = rollout.latency_ratio if version == CANARY and function in rollout.faulty else 1.0
            series.latencies[period] = random.lognormal(np.log(rollout.median_ms * slow), rollout.sigma, count)
        return series.latencies[period]

    def slower(self, function: str, version: str, period: int, ms: float) -> int:
        """Return the warm requests of a period that took longer than a bound."""
        series = self.series[function, version]
        if (period, ms) not in series.slower:
            if period < -360:  # too long ago for single latencies; stable's share is known
                share = share_slower_than(ms, self.rollout.median_ms, self.rollout.sigma)
                requests = int(series.counts["Requests"][period + HISTORY_PERIODS])
                random = np.random.default_rng((self.rollout.seed, period + HISTORY_PERIODS, int(version), 3))
                series.slower[period, ms] = int(random.binomial(requests, share)) if share > NEVER else 0
            else:
                series.slower[period, ms] = int((self.latencies(function, version, period) > ms).sum())
        return series.slower[period, ms]

    # The readers that the probes use ---------------------------------------------------------------------------------

    def read_metrics(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        """Return the values by query id and period start, as CloudWatch does."""
        return {query.id: self._read(query, window) for query in queries}

    def read_errors(self, group: str, window: Window) -> LogPage:
        """Return the error lines of a function's log group."""
        function = group.rpartition("ib-oauth-")[2].removesuffix("-test")
        first, last = _index(window.start), min(self.period, _index(window.end))
        lines = [
            line
            for version in (STABLE, CANARY)
            for period in range(max(first, -360), last)
            for line in self._lines(function, version, period)
        ]
        return LogPage(tuple(sorted(lines, key=lambda line: line.at)), complete=True)

    def read_states(self, arns: Sequence[str]) -> Mapping[str, AlarmState]:
        """Return the states of the alarms that are pooled over versions; the last part of an ARN is the alarm's name."""
        firing = pooled_alarms(self)
        names = {arn: arn.rpartition(":")[2] for arn in arns}
        return {arn: AlarmState(name, "ALARM" if name in firing else "OK", self.now, "") for arn, name in names.items()}

    def _lines(self, function: str, version: str, period: int) -> list[LogLine]:
        key = (function, version, period)
        if key not in self._logged:
            self._logged[key] = self._draw_lines(function, version, period)
        return self._logged[key]

    def _draw_lines(self, function: str, version: str, period: int) -> list[LogLine]:
        series, index, rollout = self.series[function, version], period + HISTORY_PERIODS, self.rollout
        random = np.random.default_rng((rollout.seed, index, int(version), 7))
        failed = int(series.counts["ServerErrors"][index] + series.counts["Errors"][index])
        own = int(series.counts["Harmed"][index]) if rollout.signal is not Signal.LATENCY else 0
        of_release = rollout.own_kind and rollout.signal in {Signal.ERRORS, Signal.DEATHS}
        usual = max(0, failed - own) if of_release else failed
        kinds = [
            f"KeyError{_letters(kind)}" for kind in random.zipf(1.2, min(usual, LINES_A_PERIOD)) % rollout.log_kinds
        ]
        if of_release or rollout.signal is Signal.LOG_KIND:
            kinds += ["RuntimeErrorOfTheRelease"] * min(own, LINES_A_PERIOD)
        stream = f"2026/11/23/[{version}]stream"
        return [
            LogLine(
                at(period) + timedelta(seconds=PERIOD_SECONDS * (number + 0.5) / len(kinds)),
                stream,
                json.dumps(
                    {"level": "ERROR", "error": kind, "message": "the request failed", "version": version},
                    allow_nan=False,
                ),
            )
            for number, kind in enumerate(kinds)
        ]

    def _read(self, query: MetricQuery, window: Window) -> Mapping[datetime, float]:
        step = query.period_seconds // PERIOD_SECONDS or 1
        first = max(-HISTORY_PERIODS, _index(window.start) // step * step)
        last = min(self.period, _index(window.end))
        if last <= first:
            return {}
        if query.namespace == NAMESPACE and query.name in {"Latency", "ColdStartLatency"}:
            return self._latency(query, first, last, step)
        values = self._counted(query)
        if values is None:
            return {}
        part, present = (array[first + HISTORY_PERIODS : last + HISTORY_PERIODS] for array in values)
        starts = range(0, last - first, step)
        sums, any_request = np.add.reduceat(part, starts), np.add.reduceat(present, starts)
        return {
            at(first + start): float(total)
            for start, total, some in zip(starts, sums, any_request, strict=True)
            if some
        }

    def _counted(self, query: MetricQuery) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
        """Return the values of a count by period, and the requests of what it counts."""
        dimensions = query.dimensions
        if query.namespace == "AWS/ApiGateway":
            chosen = list(self.series.values())
            names = {"Count": ("Invocations",), "5XXError": ("ServerErrors", "Errors")}[query.name]
        elif query.namespace == "AWS/Lambda":
            function = dimensions["FunctionName"].removeprefix("ib-oauth-").removesuffix("-test")
            chosen, names = self._of(function, dimensions.get("ExecutedVersion", "")), (query.name,)
            if query.name == "Throttles":
                return None
        else:
            chosen = self._of(dimensions["function"], dimensions.get("version", ""))
            names = (dimensions["result"],) if query.name == "Grants" else (query.name,)
        if not chosen or any(name not in chosen[0].counts for name in names):
            return None
        values = np.asarray(sum(series.counts[name] for series in chosen for name in names))
        return values, np.asarray(sum(series.counts["Invocations"] for series in chosen))

    def _of(self, function: str, version: str) -> list[VersionSeries]:
        versions = (version,) if version else (STABLE, CANARY)
        return [self.series[function, one] for one in versions if (function, one) in self.series]

    def _latency(self, query: MetricQuery, first: int, last: int, step: int) -> Mapping[datetime, float]:
        function, version = query.dimensions["function"], query.dimensions["version"]
        series = self.series.get((function, version))
        if series is None:
            return {}
        values = {}
        for start in range(first, last, step):
            periods = range(start, min(last, start + step))
            key = (start, periods.stop, query.name + query.statistic)
            if key not in series.statistics:
                series.statistics[key] = self._statistic(series, function, version, periods, query)
            value = series.statistics[key]
            if value is not None:
                values[at(start)] = value
        return values

    def _statistic(
        self, series: VersionSeries, function: str, version: str, periods: range, query: MetricQuery
    ) -> float | None:
        requests = series.sum("Requests", periods.start, periods.stop)
        cold = series.sum("ColdStarts", periods.start, periods.stop)
        if query.name == "ColdStartLatency":
            return (float(cold) if query.statistic == "SampleCount" else 2000.0) if cold else None
        warm = requests - cold
        if not warm:
            return None
        if query.statistic == "SampleCount":
            return float(warm)
        if query.statistic.startswith("TC("):
            bound = float(query.statistic[3:].removesuffix(":)"))
            return float(sum(self.slower(function, version, period, bound) for period in periods))
        measured = np.concatenate([self.latencies(function, version, period) for period in periods])
        place = min(warm - 1, int(warm * float(query.statistic.removeprefix("p")) / 100))
        return float(np.partition(measured, place)[place])


def _index(moment: datetime) -> int:
    return int((moment - START).total_seconds() // PERIOD_SECONDS)


def _letters(number: int) -> str:
    """Return a number in letters: digits are no part of a kind of error."""
    letters = ""
    while True:
        number, rest = divmod(int(number), 26)
        letters += chr(ord("a") + rest)
        if not number:
            return letters


ALARM_SHARE, ALARM_REFUSED_SHARE, ALARM_REQUESTS, ALARM_DATAPOINTS, ALARM_PERIODS = 0.05, 0.5, 10, 2, 11
"""Prod's alarms (environments.toml): the share of failures, from so many requests in ten seconds, in two of the periods
that may still arrive."""

ALARMS = (
    ("server-errors", "Requests", "ServerErrors", ALARM_SHARE),
    ("errors", "Invocations", "Errors", ALARM_SHARE),
    ("refused-grants", "KnownGrants", "RefusedGrants", ALARM_REFUSED_SHARE),
)
"""Name, trials, failures and share of every alarm of a function."""


def alarm_names(functions: Sequence[str]) -> list[str]:
    """Return the names of all alarms."""
    return [f"{function}-{name}" for function in functions for name, *_ in ALARMS]


def pooled_alarms(world: World) -> list[str]:
    """Return the names of the alarms that are in ALARM by the newest periods, pooled over versions."""
    return [
        f"{function}-{name}"
        for function in world.rollout.changed
        for name, trials, failures, share in ALARMS
        if _breaching(world, function, trials, failures, share) >= ALARM_DATAPOINTS
    ]


def _breaching(world: World, function: str, trials: str, failures: str, share: float) -> int:
    newest = slice(world.period - ALARM_PERIODS + HISTORY_PERIODS, world.period + HISTORY_PERIODS)
    stable, canary = (world.series[function, version].counts for version in (STABLE, CANARY))
    requests = stable[trials][newest] + canary[trials][newest]
    failed = stable[failures][newest] + canary[failures][newest]
    return int(((requests >= ALARM_REQUESTS) & (failed > share * requests)).sum())
