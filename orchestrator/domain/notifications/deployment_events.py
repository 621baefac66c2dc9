"""The events of deployments and rollbacks as notifications."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from orchestrator.domain.notifications.alarms import read_time
from orchestrator.domain.notifications.bus_event import BusEvent, Translation
from orchestrator.domain.notifications.notification import (
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.texts import two_digits

_TRIGGER, _UPDATE, _RESOLVE = Transition.TRIGGER, Transition.UPDATE, Transition.RESOLVE
_INFO, _WARNING, _ERROR, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
_DEPLOYMENT, _ROLLBACK = EventKind.DEPLOYMENT, EventKind.ROLLBACK


def _planned(event: BusEvent) -> tuple[Notification, ...]:
    steps = len(event.detail["steps"])
    return (
        event.notification(
            _DEPLOYMENT,
            _TRIGGER,
            _INFO,
            f"deployment {event.id} planned",
            reason=f"requested by {event.text('requested_by')}, release {event.text('release')}",
            impact="none yet",
            action=f"strategy {event.text('strategy')}, {steps} steps",
            commit=event.text("commit"),
        ),
    )


def _shifted(event: BusEvent) -> tuple[Notification, ...]:
    step, weight = event.detail["step"], event.detail["weight_percent"]
    return (
        event.notification(
            _DEPLOYMENT,
            _UPDATE,
            _INFO,
            f"{weight} % of traffic to the canary of {event.id}",
            id=f"shifted-{step}-{weight}",
            impact=f"{weight} % of requests are answered by the new release",
            action="the canary is compared with stable",
            figures=(Figure("Weight", f"{weight} %"),),
        ),
    )


def _paused(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _DEPLOYMENT,
            _UPDATE,
            _WARNING,
            f"deployment {event.id} waits for an operator",
            # A repeated task announces the same pause with another deadline.
            id=f"paused-{_digest(event.text('reason'))}",
            impact="traffic stays as it is",
            action=f"without an answer until {read_time(event.text('deadline')):%Y-%m-%d %H:%M} UTC it is rolled back",
        ),
    )


def _promoted(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _DEPLOYMENT,
            _UPDATE,
            _INFO,
            f"deployment {event.id} promoted",
            id="promoted",
            impact="every request is answered by the new release",
            action="the live versions are verified once more",
        ),
    )


def _succeeded(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _DEPLOYMENT,
            _RESOLVE,
            _INFO,
            f"deployment {event.id} succeeded",
            impact="clients use the new release",
            opened_as=_INFO,
        ),
        event.to_clients(
            "updated",
            _INFO,
            "OAuth service updated",
            event.text("changelog") or "The OAuth service was updated. No action is needed.",
        ),
    )


def _nothing_to_ship(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _DEPLOYMENT, _RESOLVE, _INFO, f"deployment {event.id} has nothing to ship", impact="none", opened_as=_INFO
        ),
    )


def _refused_deployment(event: BusEvent) -> tuple[Notification, ...]:
    # Most are refused before they are planned, so this one waits for no trigger.
    return (
        event.notification(
            _DEPLOYMENT,
            _RESOLVE,
            _INFO,
            f"deployment {event.id} refused",
            impact="none: nothing was changed",
            failed=True,
        ),
    )


def _rollback_started(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _ROLLBACK,
            _TRIGGER,
            _ERROR,
            f"rollback of {event.id} started",
            # A rollback that failed is repeated by another execution.
            id=f"trigger-{event.text('execution')}",
            reason=f"{event.text('source')}: {event.text('reason')}",
            impact="clients may see failures until the aliases are reverted",
            action="every alias is pointed back at its stable version",
        ),
        # Chats have the rollback. GitHub would show a late message of the deployment as its newest state.
        event.notification(
            _DEPLOYMENT,
            _RESOLVE,
            _INFO,
            f"deployment {event.id} ended: a rollback was started",
            opened_as=_INFO,
            failed=True,
            only_states=True,
        ),
    )


def _reverted(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _ROLLBACK,
            _UPDATE,
            _ERROR,
            f"aliases of {event.id} reverted",
            id="reverted",
            reason=f"{', '.join(map(str, event.detail['functions']))} point at the versions to revert to",
            impact="new requests reach the reverted versions",
            action="they are verified",
        ),
    )


def _rolled_back(event: BusEvent) -> tuple[Notification, ...]:
    traffic_to, figures = event.text("traffic_to").lower(), _durations(event.detail["figures"])
    to_clients = event.to_clients(
        "withdrawn",
        _INFO,
        "OAuth service: an update was withdrawn",
        "An update of the OAuth service was withdrawn. Some requests may have failed; retrying them is safe.",
    )
    if event.detail["healthy"]:
        ended = event.notification(
            _ROLLBACK,
            _RESOLVE,
            _ERROR,
            f"rollback of {event.id} completed, {traffic_to} is healthy",
            reason=event.text("cause"),
            impact="over",
            figures=figures,
            opened_as=_ERROR,
        )
    else:
        ended = event.notification(
            _ROLLBACK,
            _UPDATE,
            _CRITICAL,
            f"rollback of {event.id} completed, {traffic_to} is not healthy",
            id="unhealthy",
            reason=event.text("cause"),
            impact="clients may still see failures",
            action="an operator must look: docs/runbooks/incident.md",
            figures=figures,
        )
    return (ended, to_clients)


def _impossible(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _ROLLBACK,
            _UPDATE,
            _CRITICAL,
            f"rollback of {event.id} is impossible",
            id="impossible",
            impact="no alias was moved: clients still use the version that is to blame",
            action="an operator must act: docs/runbooks/break-glass.md",
        ),
    )


def _skipped(event: BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _ROLLBACK,
            _TRIGGER,
            _INFO,
            f"{event.id or 'no deployment'} is not rolled back",
            key=f"skipped:{event.id}:{_digest(event.text('alarm'), event.text('reason'))}",
            impact="none of this deployment",
            # At GitHub the deployment keeps its state.
            subject="",
        ),
    )


def _digest(*texts: str) -> str:
    """Return a short name of texts for people, which may be of any length."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _durations(figures: Mapping[str, Any]) -> tuple[Figure, ...]:
    names = {"trigger_to_restored_seconds": "Trigger to reverted", "exposed_seconds": "Clients exposed"}
    return tuple(
        Figure(name, f"{two_digits(float(figures[key]))} s")
        for key, name in names.items()
        if isinstance(figures.get(key), int | float)
    )


DEPLOYMENT_TRANSLATIONS: Mapping[str, Translation] = {
    "DeploymentPlanned": _planned,
    "TrafficShifted": _shifted,
    "DeploymentPaused": _paused,
    "DeploymentPromoted": _promoted,
    "DeploymentSucceeded": _succeeded,
    "DeploymentNothingToShip": _nothing_to_ship,
    "DeploymentRefused": _refused_deployment,
    "RollbackStarted": _rollback_started,
    "AliasesReverted": _reverted,
    "RollbackCompleted": _rolled_back,
    "RollbackImpossible": _impossible,
    "RollbackSkipped": _skipped,
}
"""Detail-type to its notifications."""
