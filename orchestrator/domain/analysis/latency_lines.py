"""The lines over which requests are counted to judge latency: latencies of stable, fixed before what they judge.

CloudWatch returns percentiles by period, and percentiles cannot be added up; counts can. "Canary is at most the margin
slower than stable" means that canary's requests over ``tolerated_ms(L)`` are at most as frequent as stable's over L,
for every L. So a line can be any latency, as long as it does not depend on the requests that it judges: it need not be
a percentile of the current traffic, and it stays valid if latencies drift. Percentiles of stable are where a
difference shows: its middle (p50) and its tail (p90, p99).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import median
from typing import Any

from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.verdict import Json

PERCENTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
"""The percentiles of stable that become lines, and the share of its requests that are no slower."""

DECIMALS = 3
"""Of a line in ms. A statistic of CloudWatch takes ten, and the service reports three."""

Percentiles = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class LatencyLines:
    """The lines of one function, in ms by percentile.

    Attributes:
        fixed_at: only requests from then on are judged by them.
        usual: stable's usual percentiles; a percentile that was not measured is absent.
        highest_p99_ms: stable's highest p99 of any five minutes in the hour before the deployment; None if it was idle
            then.
    """

    fixed_at: datetime
    usual: Mapping[str, float] = field(default_factory=dict)
    highest_p99_ms: float | None = None

    def to_json(self) -> Mapping[str, Json]:
        """Return the form in the ledger."""
        return {
            "fixed_at": self.fixed_at.isoformat(),
            "usual": dict(self.usual),
            "highest_p99_ms": self.highest_p99_ms,
        }

    @classmethod
    def from_json(cls, document: Any) -> LatencyLines:
        """Read what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is another document.
        """
        highest = document["highest_p99_ms"]
        return cls(
            datetime.fromisoformat(document["fixed_at"]),
            {percentile: float(ms) for percentile, ms in document["usual"].items()},
            None if highest is None else float(highest),
        )


def fix_before(percentiles: Percentiles, fixed_at: datetime) -> LatencyLines | None:
    """Return the lines from stable's percentiles in the hour before the deployment; None if it was idle.

    Args:
        percentiles: percentile to its values in ms, one for each five minutes with requests.
        fixed_at: when the first canary request is judged.
    """
    lines = fix_from_first_look(percentiles, fixed_at)
    tail = percentiles.get("p99")
    return replace(lines, highest_p99_ms=_rounded(max(tail))) if lines is not None and tail else lines


def fix_from_first_look(percentiles: Percentiles, fixed_at: datetime) -> LatencyLines | None:
    """Return the lines from stable's percentiles since the shift, if it was idle before; None if it still is.

    Args:
        percentiles: percentile to its values in ms, one for each period with requests.
        fixed_at: the end of these periods. What they measured is not judged.
    """
    measured = {percentile: _rounded(median(values)) for percentile, values in percentiles.items() if values}
    return LatencyLines(fixed_at, measured) if measured else None


def tolerated_ms(line_ms: float, thresholds: Thresholds) -> float:
    """Return the line for canary that corresponds to stable's: slower by the tolerated ratio, and at least the floor."""
    return _rounded(max(line_ms * thresholds.max_latency_ratio, line_ms + thresholds.latency_floor_ms))


def bounds_ms(lines: LatencyLines | None, thresholds: Thresholds, *, canary_has_all_traffic: bool) -> tuple[float, ...]:
    """Return the latencies over which the requests of both versions must be counted, ascending.

    While both have traffic, each version is counted over stable's lines and over canary's: before an alarm is obeyed,
    the versions are compared with the roles swapped.
    """
    bounds = {thresholds.max_p99_ms}
    if lines is not None and canary_has_all_traffic:
        bounds |= set() if lines.highest_p99_ms is None else {tolerated_ms(lines.highest_p99_ms, thresholds)}
    elif lines is not None:
        bounds |= set(lines.usual.values()) | {tolerated_ms(line, thresholds) for line in lines.usual.values()}
    return tuple(sorted(bounds))


def _rounded(ms: float) -> float:
    return round(ms, DECIMALS)
