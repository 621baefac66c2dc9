"""The events of the bus after which the status page is published at once. All else waits for the next minute."""

from __future__ import annotations

EVENT_TYPES = (
    "IncidentOpened",
    "IncidentAcknowledged",
    "IncidentUpdated",
    "IncidentResolved",
    "RollbackStarted",
    "RollbackCompleted",
    "DeploymentSucceeded",
)
