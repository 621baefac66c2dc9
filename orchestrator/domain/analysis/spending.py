"""Who spent what of a deployment's false alarm probability: the figures of each probe, and the table of all of them.

`Thresholds.false_alarm_percent` is divided among the sources of a failure (`FalseAlarmShares`). A probe that spends a
share puts into its evidence `figures["false_alarm"]`: `percent`, its share; `evidence`, the odds so far that canary is
worse; `needed`, the odds with which it fails the release, which are 100 / `percent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from orchestrator.domain.analysis.odds import MOST_ODDS_SHOWN, odds_of_log
from orchestrator.domain.deployment.policy import FalseAlarmShares, Thresholds
from orchestrator.domain.verdict import Evidence, Json

FALSE_ALARM = "false_alarm"
"""The key in `Evidence.figures`."""


SOURCE_OF_PROBE: Mapping[str, str] = {
    "metrics": "request_metrics",
    "performance": "latency",
    "logs": "logs",
    "health": "checks",
    "security": "checks",
    "flows": "checks",
    "alarms": "alarms",
    "custom_checks": "custom_checks",
}
"""The field of `FalseAlarmShares` that a probe spends. Several probes may divide one."""


@dataclass(frozen=True)
class Spending:
    """What one probe may spend, and how near it is to a failure.

    Attributes:
        source: field of `FalseAlarmShares`.
        probe: the probe that spends it; empty if none has done so yet.
        percent: its share, in percent of deployments.
        evidence: the odds so far that canary is worse; None before its first evidence.
        needed: the odds with which it fails the release.
    """

    source: str
    probe: str
    percent: float
    evidence: float | None
    needed: float


def false_alarm_figures(probability: float, log_evidence: float) -> Mapping[str, Json]:
    """Return a probe's part of its evidence.

    Args:
        probability: the source's, above 0 (`Thresholds.false_alarm_probability`).
        log_evidence: natural logarithm of the evidence so far.
    """
    evidence = min(MOST_ODDS_SHOWN, odds_of_log(log_evidence))
    return {
        "percent": round(100 * probability, 9),
        "evidence": float(f"{evidence:.4g}"),
        "needed": round(1 / probability, 3),
    }


def shares_in_words(thresholds: Thresholds) -> str:
    """Return the division of the false alarm probability, such as ``1 % (request metrics 0.75 %, latency 0.05 %, …)``."""
    shares = [
        f"{field.name.replace('_', ' ')} {100 * thresholds.false_alarm_probability(field.name):.2g} %"
        for field in fields(FalseAlarmShares)
    ]
    return f"{thresholds.false_alarm_percent:g} % ({', '.join(shares)})"


def spendings(evidence: Iterable[Evidence], thresholds: Thresholds) -> tuple[Spending, ...]:
    """Return what every source may spend, in the order of `FalseAlarmShares`, with the probes' latest evidence.

    Args:
        evidence: of all evaluations, in order.
        thresholds: of the deployment's plan.
    """
    latest = {one.probe: one.figures[FALSE_ALARM] for one in evidence if one.figures.get(FALSE_ALARM)}
    return tuple(
        spending
        for source in (field.name for field in fields(FalseAlarmShares))
        for spending in _of_source(source, latest, thresholds)
    )


def _of_source(source: str, latest: Mapping[str, Json], thresholds: Thresholds) -> list[Spending]:
    spent = [
        _of_probe(source, probe, figures) for probe, figures in latest.items() if SOURCE_OF_PROBE.get(probe) == source
    ]
    probability = thresholds.false_alarm_probability(source)
    return spent or [Spending(source, "", 100 * probability, None, 1 / probability)]


def _of_probe(source: str, probe: str, figures: Json) -> Spending:
    known = figures if isinstance(figures, Mapping) else {}
    return Spending(source, probe, float(known["percent"]), float(known["evidence"]), float(known["needed"]))
