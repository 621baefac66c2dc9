"""An incident: a rollback's timeline, and the figures that say how long clients were exposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orchestrator.domain.records import DecisionEntry, Deployment, Incident
from orchestrator.domain.verdict import Json


def open_incident(deployment: Deployment, decisions: Sequence[DecisionEntry], now: datetime) -> Incident:
    """Put a rolled-back deployment's course together.

    Args:
        deployment: with its rollback begun and its aliases restored.
        decisions: its chain, in order.
        now: when the incident is closed.
    """
    rollback = deployment.rollback
    assert rollback is not None, "only a rollback makes an incident"
    moments: list[tuple[str, datetime]] = [("requested", deployment.requested_at)]
    moments += [(f"shifted to {shift.weight_percent} %", shift.at) for shift in deployment.shifts]
    moments += [(f"{entry.state}: {entry.decision.action}", entry.at) for entry in decisions]
    moments.append((f"rollback triggered by {rollback.trigger.source}", rollback.trigger.at))
    moments += [
        (what, at)
        for what, at in (
            ("fenced", rollback.fenced_at),
            ("aliases restored", rollback.restored_at),
            ("stable verified", rollback.verified_at),
        )
        if at is not None
    ]
    return Incident(
        id=f"i-{deployment.id}",
        deployment=deployment.id,
        opened_at=rollback.trigger.at,
        closed_at=now,
        cause=rollback.trigger.reason,
        timeline=tuple(sorted(moments, key=lambda moment: moment[1])),
        figures=_figures(deployment),
    )


_METRICS = {"trigger_to_restored_seconds": "TriggerToRestored", "exposed_seconds": "Exposed"}
"""Figures of an incident to the names of the metrics that they become."""


def seconds_of(incident: Incident) -> dict[str, float]:
    """Return an incident's figures by the names of their metrics, in seconds; a figure that is not known is none."""
    figures = {metric: incident.figures.get(figure) for figure, metric in _METRICS.items()}
    return {metric: float(figure) for metric, figure in figures.items() if isinstance(figure, int | float)}


def _figures(deployment: Deployment) -> dict[str, Json]:
    rollback, figures = deployment.rollback, {}
    assert rollback is not None, "only a rollback makes an incident"
    if rollback.restored_at:
        figures["trigger_to_restored_seconds"] = (rollback.restored_at - rollback.trigger.at).total_seconds()
        if deployment.first_shift_at:
            figures["exposed_seconds"] = (rollback.restored_at - deployment.first_shift_at).total_seconds()
    return dict(figures)
