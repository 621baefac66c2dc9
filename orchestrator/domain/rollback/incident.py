"""The incident record of a rollback: its timeline, and how long clients were exposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.domain.deployment.record import DecisionEntry, Deployment
from orchestrator.domain.verdict import Json


@dataclass(frozen=True)
class Incident:
    """A rollback as the start of an after-action report: its timeline and its durations.

    Attributes:
        timeline: (event, time) in order of time.
        figures: durations in seconds; a duration that is not known is absent.
    """

    id: str
    deployment: str
    opened_at: datetime
    closed_at: datetime
    cause: str
    timeline: tuple[tuple[str, datetime], ...]
    figures: Mapping[str, Json] = field(default_factory=dict)


def open_incident(deployment: Deployment, decisions: Sequence[DecisionEntry], now: datetime) -> Incident:
    """Write the incident of a rolled-back deployment.

    Args:
        deployment: the deployment, with its rollback and reverted aliases.
        decisions: its decisions, in order.
        now: when the incident is closed.
    """
    rollback = deployment.rollback
    assert rollback is not None, "an incident needs a rollback"
    moments: list[tuple[str, datetime]] = [("requested", deployment.requested_at)]
    moments += [(f"shifted to {shift.weight_percent} %", shift.at) for shift in deployment.shifts]
    moments += [(f"{entry.state}: {entry.decision.action}", entry.at) for entry in decisions]
    moments.append((f"rollback triggered by {rollback.trigger.source}", rollback.trigger.at))
    moments += [
        (what, at)
        for what, at in (
            ("lock taken over", rollback.locked_at),
            ("aliases point at canary" if deployment.keeps_canary else "aliases reverted", rollback.reverted_at),
            (f"{rollback.traffic_to.lower()} verified", rollback.verified_at),
        )
        if at is not None
    ]
    return Incident(
        id=f"i-{deployment.id}",
        deployment=deployment.id,
        opened_at=rollback.trigger.at,
        closed_at=now,
        cause=rollback.reason,
        timeline=tuple(sorted(moments, key=lambda moment: moment[1])),
        figures=_figures(deployment),
    )


_METRICS = {"trigger_to_restored_seconds": "RollbackSeconds", "exposed_seconds": "CustomerExposureSeconds"}
"""Figure of an incident to the metric that reports it."""


def incident_metrics(incident: Incident) -> dict[str, float]:
    """Return an incident's durations in seconds, by metric name; unknown durations are absent."""
    figures = {metric: incident.figures.get(figure) for figure, metric in _METRICS.items()}
    return {metric: float(figure) for metric, figure in figures.items() if isinstance(figure, int | float)}


def _figures(deployment: Deployment) -> dict[str, Json]:
    rollback, figures = deployment.rollback, {}
    assert rollback is not None, "an incident needs a rollback"
    if rollback.reverted_at:
        figures["trigger_to_restored_seconds"] = (rollback.reverted_at - rollback.trigger.at).total_seconds()
        if deployment.first_shift_at:
            figures["exposed_seconds"] = (rollback.reverted_at - deployment.first_shift_at).total_seconds()
    return dict(figures)
