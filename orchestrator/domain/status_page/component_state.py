"""The states of a component of the status page, in the words of Statuspage, and which of two is worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class ComponentState(StrEnum):
    """The state of a component. The order is that of the table of outages: the last is the worst.

    `UNKNOWN` is our own: the evidence is missing, which is never operational.
    """

    OPERATIONAL = "operational"
    MAINTENANCE = "under_maintenance"
    UNKNOWN = "unknown"
    DEGRADED = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"


LABELS: Mapping[ComponentState, str] = {
    ComponentState.OPERATIONAL: "Operational",
    ComponentState.MAINTENANCE: "Under maintenance",
    ComponentState.UNKNOWN: "Not known",
    ComponentState.DEGRADED: "Degraded performance",
    ComponentState.PARTIAL_OUTAGE: "Partial outage",
    ComponentState.MAJOR_OUTAGE: "Major outage",
}
"""What people read."""

SUMMARIES: Mapping[ComponentState, str] = {
    ComponentState.OPERATIONAL: "All systems operational",
    ComponentState.MAINTENANCE: "Maintenance under way",
    ComponentState.UNKNOWN: "The state of some systems is not known",
    ComponentState.DEGRADED: "Some systems are degraded",
    ComponentState.PARTIAL_OUTAGE: "Partial outage",
    ComponentState.MAJOR_OUTAGE: "Major outage",
}
"""The sentence of the whole page, by the worst state of its components."""

_ORDER = tuple(ComponentState)


def worst_of(states: Iterable[ComponentState]) -> ComponentState:
    """Return the worst of some states; operational if there are none."""
    return max(states, key=_ORDER.index, default=ComponentState.OPERATIONAL)
