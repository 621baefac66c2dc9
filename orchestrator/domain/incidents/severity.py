"""The severities of incidents, as docs/runbooks/incident.md defines them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from orchestrator.domain.notifications.notification import Severity


class IncidentSeverity(StrEnum):
    """How bad an incident is. SEV1 is the worst."""

    SEV1 = "SEV1"
    SEV2 = "SEV2"
    SEV3 = "SEV3"

    def at_least(self, other: IncidentSeverity) -> bool:
        """Return whether this severity is the other one or worse."""
        order = tuple(IncidentSeverity)
        return order.index(self) <= order.index(other)


def worse_of(one: IncidentSeverity, other: IncidentSeverity) -> IncidentSeverity:
    """Return the worse one of two severities."""
    return one if one.at_least(other) else other


NOTIFIED_AS: Mapping[IncidentSeverity, Severity] = {
    IncidentSeverity.SEV1: Severity.CRITICAL,
    IncidentSeverity.SEV2: Severity.ERROR,
    IncidentSeverity.SEV3: Severity.WARNING,
}
"""The severity of an incident's notifications."""

OF_NOTIFICATION: Mapping[Severity, IncidentSeverity] = {
    **{notified: severity for severity, notified in NOTIFIED_AS.items()},
    Severity.INFO: IncidentSeverity.SEV3,
}
"""The severity of an incident that an alarm of this severity opens."""
