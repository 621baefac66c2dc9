"""Events and destinations that the tests of notifications share."""

from __future__ import annotations

from orchestrator.domain.notifications.destinations import DestinationKind
from tests.fakes.notification_provider import SHA
from tests.unit.application.notifications.conftest import alarm_event, bus_event

KINDS = tuple(DestinationKind)
OTHERS = tuple(kind for kind in KINDS if kind is not DestinationKind.GITHUB)
CHATS = (
    DestinationKind.SLACK,
    DestinationKind.TEAMS,
    DestinationKind.GOOGLE_CHAT,
    DestinationKind.WEBHOOK,
    DestinationKind.CLOUDEVENTS,
)

DEPLOYMENT = [
    bus_event(
        "DeploymentPlanned", 0, deployment="d-1", release="sha256:1", commit=SHA, strategy="canary-10-50",
        steps=[{"weight_percent": 10}], requested_by="ann",
    ),
    bus_event("TrafficShifted", 10, deployment="d-1", step=0, weight_percent=10),
    bus_event("RollbackStarted", 20, deployment="d-1", execution="rollback-d-1", source="alarm", reason="7.7 % > 5 %"),
    bus_event("AliasesReverted", 23, deployment="d-1", reverted_at="x", functions=["token"]),
    bus_event(
        "RollbackCompleted", 25, deployment="d-1", cause="7.7 % > 5 %", traffic_to="STABLE", healthy=True,
        figures={"trigger_to_restored_seconds": 3.1},
    ),
]  # fmt: skip
NAME = "ib-oauth-recovery-drill-failed-test"
ALARMS = [
    # Two episodes of one alarm, and one of another.
    alarm_event(NAME, "ALARM", "OK", 5, -500, "recovery-drill-failed"),
    alarm_event(NAME, "OK", "ALARM", 30, 5, "recovery-drill-failed"),
    alarm_event(NAME, "ALARM", "OK", 60, 30, "recovery-drill-failed"),
    alarm_event(NAME, "OK", "ALARM", 90, 60, "recovery-drill-failed"),
    alarm_event("ib-oauth-root-account-used-test", "ALARM", "OK", 15, -900, "root-account-used"),
    alarm_event("ib-oauth-root-account-used-test", "OK", "ALARM", 75, 15, "root-account-used"),
]
EPISODES = 3
"""Each is opened once and closed once."""
