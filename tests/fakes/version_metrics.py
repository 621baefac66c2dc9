"""CloudWatch's metrics by version, as a probe reads them: both versions have requests, and each fails as a test says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.domain.analysis.observations import MetricQuery
from orchestrator.domain.verdict import Window


@dataclass
class FakeVersionMetrics:
    """A reader of metrics.

    Attributes:
        errors: share of 5xx by version, 0 where nothing is said.
        refused: share of known grants that are refused, by version.
        latency_ms: p50 and p99 by version; 20 ms where nothing is said.
        requests: of each version, a period.
        error: what the reader raises.
        calls: the windows that were read.
    """

    errors: Mapping[str, float] = field(default_factory=dict)
    refused: Mapping[str, float] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    requests: int = 20
    error: Exception | None = None
    calls: list[Window] = field(default_factory=list)

    def read_metrics(self, queries: Sequence[MetricQuery], window: Window) -> Mapping[str, Mapping[datetime, float]]:
        self.calls.append(window)
        if self.error is not None:
            raise self.error
        return {query.id: self._series(query, window) for query in queries}

    def _series(self, query: MetricQuery, window: Window) -> Mapping[datetime, float]:
        version = query.dimensions.get("version") or query.dimensions.get("ExecutedVersion") or ""
        value = self._value(query, version)
        if value is None:
            return {}
        period = timedelta(seconds=query.period_seconds)
        count = window.length // period
        return {window.start + number * period: value for number in range(count)}

    def _value(self, query: MetricQuery, version: str) -> float | None:
        values = {
            "Requests": float(self.requests if version else 2 * self.requests),
            "ServerErrors": self.requests * self.errors.get(version, 0.0),
            "KnownGrants": float(self.requests),
            "RefusedGrants": self.requests * self.refused.get(version, 0.0),
            "Latency": self._latency(query, self.latency_ms.get(version, 20.0)),
            "Grants": float(self.requests) if query.dimensions.get("result") == "issued" else None,
        }
        return values.get(query.name)

    def _latency(self, query: MetricQuery, latency_ms: float) -> float:
        """A percentile, the number of requests, or the number of those over the bound of a trimmed count."""
        if query.statistic == "SampleCount":
            return float(self.requests)
        if query.statistic.startswith("TC("):
            bound = float(query.statistic.removeprefix("TC(").removesuffix(":)"))
            return float(self.requests) if latency_ms > bound else 0.0
        return latency_ms
