"""The orchestrator's own events as notifications. docs/reference/events/schemas.json describes the events.

| dedup key          | TRIGGER                          | RESOLVE                                                       |
|--------------------|----------------------------------|---------------------------------------------------------------|
| ``deployment:ID``  | DeploymentPlanned                | it succeeded, was refused, has nothing to ship, or rolls back |
| ``rollback:ID``    | RollbackStarted                  | RollbackCompleted, if the service is healthy again            |
| ``recovery:ID``    | DrillStarted, RestoreStarted     | DrillCompleted; RestoreCompleted, if it succeeded             |
| one for each       | RollbackSkipped, refusals before a trigger, freezes, messages to clients | none                  |

Those of deployments are in `deployment_events.py`, of recoveries in `recovery_events.py`, of incidents in
`incidents.py`, of maintenance in `maintenance.py`, and of findings in `findings.py`.

What has no RESOLVE is INFO, or stays open at a pager until a person closes it: a restore that failed, and a rollback
that was impossible or did not make the service healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.notifications.alarms import read_time
from orchestrator.domain.notifications.bus_event import BusEvent, Objectives, Translation
from orchestrator.domain.notifications.deployment_events import DEPLOYMENT_TRANSLATIONS
from orchestrator.domain.notifications.findings import FINDING_TRANSLATIONS
from orchestrator.domain.notifications.incidents import INCIDENT_TRANSLATIONS
from orchestrator.domain.notifications.maintenance import MAINTENANCE_TRANSLATIONS
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.notifications.recovery_events import RECOVERY_TRANSLATIONS

TEST_EVENT = "NotificationTest"
"""The detail-type with which `orchestrator notify test` asks for a message."""

_TRIGGER, _RESOLVE = Transition.TRIGGER, Transition.RESOLVE
_INFO = Severity.INFO


def _frozen(word: str, impact: str) -> Translation:
    def changed(event: BusEvent) -> tuple[Notification, ...]:
        return (
            event.notification(
                EventKind.FREEZE,
                _TRIGGER,
                _INFO,
                f"the environment is {word}",
                key=f"freeze:{word}:{event.at.isoformat()}",
                reason=f"{event.text('by')}: {event.text('reason')}",
                impact=impact,
                command=f"orchestrator status --env {event.environment}",
            ),
        )

    return changed


def _test(event: BusEvent) -> tuple[Notification, ...]:
    """Return a test to every audience; at a pager the second notification closes what the first opened."""
    key = test_key(event.text("test"))
    return tuple(
        event.notification(
            EventKind.TEST,
            transition,
            _INFO,
            f"TEST of notifications by {event.text('by')}",
            key=key,
            audience=audience,
            reason="`orchestrator notify test` asked for this message",
            impact="none: this is a test",
            action="nothing",
            command=f"orchestrator notify list --env {event.environment}",
            opened_as=_INFO if transition is _RESOLVE else None,
            only_pagers=transition is _RESOLVE,
        )
        for audience in Audience
        for transition in (_TRIGGER, _RESOLVE)
    )


def test_key(test: str) -> str:
    """Return the dedup key of a test."""
    return f"test:{test}"


TRANSLATIONS: Mapping[str, Translation] = {
    **DEPLOYMENT_TRANSLATIONS,
    **RECOVERY_TRANSLATIONS,
    "EnvironmentFrozen": _frozen("frozen", "no deployment begins until it is unfrozen"),
    "EnvironmentUnfrozen": _frozen("unfrozen", "deployments may begin again"),
    TEST_EVENT: _test,
}
"""Detail-type to its notifications, except for those of incidents, maintenance and findings."""

_OTHER_TRANSLATIONS = {**INCIDENT_TRANSLATIONS, **MAINTENANCE_TRANSLATIONS, **FINDING_TRANSLATIONS}

NOTIFIED = tuple(sorted((*TRANSLATIONS, *_OTHER_TRANSLATIONS)))
"""The detail-types that the rule of the bus passes on."""


def bus_notifications(
    detail_type: str, detail: Mapping[str, Any], environment: str, objectives: Objectives
) -> tuple[Notification, ...]:
    """Return the notifications of an event; none for a detail-type that is not in `NOTIFIED`."""
    if detail_type in _OTHER_TRANSLATIONS:
        return _OTHER_TRANSLATIONS[detail_type](detail, environment)
    translate = TRANSLATIONS.get(detail_type)
    if translate is None:
        return ()
    return translate(BusEvent(detail, environment, read_time(str(detail["at"])), objectives))
