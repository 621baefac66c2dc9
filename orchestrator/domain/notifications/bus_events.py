"""The orchestrator's own events as notifications. docs/reference/events/schemas.json describes the events.

| dedup key          | TRIGGER                          | RESOLVE                                                       |
|--------------------|----------------------------------|---------------------------------------------------------------|
| ``deployment:ID``  | DeploymentPlanned                | it succeeded, was refused, has nothing to ship, or rolls back |
| ``rollback:ID``    | RollbackStarted                  | RollbackCompleted, if the service is healthy again            |
| ``recovery:ID``    | DrillStarted, RestoreStarted     | DrillCompleted; RestoreCompleted, if it succeeded             |
| one for each       | RollbackSkipped, refusals before a trigger, freezes, messages to clients | none                  |

Those of incidents are in `incidents.py`, of maintenance in `maintenance.py`, and of findings in `findings.py`.

What has no RESOLVE is INFO, or stays open at a pager until a person closes it: a restore that failed, and a rollback
that was impossible or did not make the service healthy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.notifications.alarms import read_time
from orchestrator.domain.notifications.findings import FINDING_TRANSLATIONS
from orchestrator.domain.notifications.incidents import INCIDENT_TRANSLATIONS
from orchestrator.domain.notifications.maintenance import MAINTENANCE_TRANSLATIONS
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.texts import two_digits

TEST_EVENT = "NotificationTest"
"""The detail-type with which `orchestrator notify test` asks for a message."""


@dataclass(frozen=True)
class Objectives:
    """The thresholds of a recovery's figures, in seconds."""

    recovery_seconds: float
    data_loss_seconds: float


@dataclass(frozen=True)
class _BusEvent:
    """An event of the orchestrator: its detail, and what every notification of it has."""

    detail: Mapping[str, Any]
    environment: str
    at: datetime
    objectives: Objectives

    @property
    def id(self) -> str:
        """The id of the deployment or recovery."""
        return str(self.detail.get("deployment") or self.detail.get("recovery") or "")

    @property
    def explain(self) -> str:
        """The command that shows what the event is about."""
        return f"orchestrator explain {self.id} --env {self.environment}"

    def text(self, key: str) -> str:
        """A text of the detail; empty if there is none."""
        return str(self.detail.get(key) or "")

    def notification(
        self, kind: EventKind, transition: Transition, severity: Severity, title: str, **more: Any
    ) -> Notification:
        """Return a notification to the operators, under the key of its kind and the event's id."""
        made = Notification(
            key=f"{kind}:{self.id}",
            id=transition.value,
            transition=transition,
            kind=kind,
            severity=severity,
            audience=Audience.OPERATORS,
            environment=self.environment,
            title=f"{self.environment}: {title}",
            at=self.at,
            reason=self.text("reason"),
            command=self.explain,
            subject=self.id,
        )
        return replace(made, **more)

    def to_clients(self, key: str, severity: Severity, title: str, impact: str) -> Notification:
        """Return a message to the clients. It says nothing of the orchestrator."""
        return Notification(
            key=f"{key}:{self.id}",
            id=Transition.TRIGGER.value,
            transition=Transition.TRIGGER,
            kind=EventKind.DEPLOYMENT if key == "updated" else EventKind.ROLLBACK,
            severity=severity,
            audience=Audience.CLIENTS,
            environment=self.environment,
            title=title,
            at=self.at,
            impact=impact,
        )


_TRIGGER, _UPDATE, _RESOLVE = Transition.TRIGGER, Transition.UPDATE, Transition.RESOLVE
_INFO, _WARNING, _ERROR, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
_DEPLOYMENT, _ROLLBACK, _RECOVERY = EventKind.DEPLOYMENT, EventKind.ROLLBACK, EventKind.RECOVERY


def _planned(event: _BusEvent) -> tuple[Notification, ...]:
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


def _shifted(event: _BusEvent) -> tuple[Notification, ...]:
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


def _paused(event: _BusEvent) -> tuple[Notification, ...]:
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


def _promoted(event: _BusEvent) -> tuple[Notification, ...]:
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


def _succeeded(event: _BusEvent) -> tuple[Notification, ...]:
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


def _nothing_to_ship(event: _BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _DEPLOYMENT, _RESOLVE, _INFO, f"deployment {event.id} has nothing to ship", impact="none", opened_as=_INFO
        ),
    )


def _refused_deployment(event: _BusEvent) -> tuple[Notification, ...]:
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


def _rollback_started(event: _BusEvent) -> tuple[Notification, ...]:
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
        event.notification(
            _DEPLOYMENT, _RESOLVE, _INFO, f"deployment {event.id} is being rolled back", only_pagers=True
        ),
    )


def _reverted(event: _BusEvent) -> tuple[Notification, ...]:
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


def _rolled_back(event: _BusEvent) -> tuple[Notification, ...]:
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


def _impossible(event: _BusEvent) -> tuple[Notification, ...]:
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


def _skipped(event: _BusEvent) -> tuple[Notification, ...]:
    return (
        event.notification(
            _ROLLBACK,
            _TRIGGER,
            _INFO,
            f"{event.id or 'no deployment'} is not rolled back",
            key=f"skipped:{event.id}:{_digest(event.text('alarm'), event.text('reason'))}",
            impact="none of this deployment",
        ),
    )


def _recovery_started(kind: str, severity: Severity) -> Callable[[_BusEvent], tuple[Notification, ...]]:
    def started(event: _BusEvent) -> tuple[Notification, ...]:
        return (
            event.notification(
                _RECOVERY,
                _TRIGGER,
                severity,
                f"{kind} {event.id} started",
                reason=f"requested by {event.text('requested_by')}, to {event.text('point')}",
                impact="none yet" if kind == "restore" else "none: clients notice nothing",
                action=f"{', '.join(map(str, event.detail['tables']))} are restored",
                figures=(Figure("Expected cost", f"{event.detail['expected_usd']:.2f} USD"),),
            ),
        )

    return started


def _recovery_restored(kind: str, severity: Severity) -> Callable[[_BusEvent], tuple[Notification, ...]]:
    def restored(event: _BusEvent) -> tuple[Notification, ...]:
        return (
            event.notification(
                _RECOVERY,
                _UPDATE,
                severity,
                f"{kind} {event.id}: tables restored",
                id="tables-restored",
                action="they are compared with their sources",
            ),
        )

    return restored


def _drill_completed(event: _BusEvent) -> tuple[Notification, ...]:
    succeeded = event.text("outcome") == "SUCCEEDED"
    return (
        event.notification(
            _RECOVERY,
            _RESOLVE,
            _INFO if succeeded else _WARNING,
            f"drill {event.id} {'succeeded' if succeeded else 'failed'}",
            failed=not succeeded,
            impact="none" if succeeded else "clients are not affected; a real restore would probably fail, too",
            action="" if succeeded else "the alarm recovery-drill-failed stays until a drill succeeds",
            figures=_recovery_figures(event),
            opened_as=_INFO,
        ),
    )


def _restore_completed(event: _BusEvent) -> tuple[Notification, ...]:
    if event.text("outcome") == "SUCCEEDED":
        return (
            event.notification(
                _RECOVERY,
                _RESOLVE,
                _WARNING,
                f"restore {event.id} succeeded",
                impact="clients use the restored tables",
                figures=_recovery_figures(event),
                opened_as=_WARNING,
            ),
        )
    return (
        event.notification(
            _RECOVERY,
            _UPDATE,
            _ERROR,
            f"restore {event.id} failed",
            id="failed",
            impact="the tables in use may still be damaged or blocked",
            action="an operator must act: docs/runbooks/restore.md",
            figures=_recovery_figures(event),
        ),
    )


def _refused_recovery(kind: str) -> Callable[[_BusEvent], tuple[Notification, ...]]:
    def refused(event: _BusEvent) -> tuple[Notification, ...]:
        return (
            event.notification(
                _RECOVERY, _RESOLVE, _INFO, f"{kind} {event.id} refused", impact="none: nothing was created"
            ),
        )

    return refused


def _frozen(word: str, impact: str) -> Callable[[_BusEvent], tuple[Notification, ...]]:
    def changed(event: _BusEvent) -> tuple[Notification, ...]:
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


def _test(event: _BusEvent) -> tuple[Notification, ...]:
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


_DRILL, _RESTORE = ("drill", _INFO), ("restore", _WARNING)
TRANSLATIONS: Mapping[str, Callable[[_BusEvent], tuple[Notification, ...]]] = {
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
    "DrillStarted": _recovery_started(*_DRILL),
    "DrillTablesRestored": _recovery_restored(*_DRILL),
    "DrillCompleted": _drill_completed,
    "DrillRefused": _refused_recovery("drill"),
    "RestoreStarted": _recovery_started(*_RESTORE),
    "RestoreTablesRestored": _recovery_restored(*_RESTORE),
    "RestoreCompleted": _restore_completed,
    "RestoreRefused": _refused_recovery("restore"),
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
    return translate(_BusEvent(detail, environment, read_time(str(detail["at"])), objectives))


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


def _recovery_figures(event: _BusEvent) -> tuple[Figure, ...]:
    thresholds = {
        "recovery_seconds": ("Recovery time", event.objectives.recovery_seconds),
        "data_loss_seconds": ("Data loss", event.objectives.data_loss_seconds),
    }
    return tuple(
        Figure(name, f"{float(event.detail[key]):.0f} s", f"{threshold:.0f} s")
        for key, (name, threshold) in thresholds.items()
        if isinstance(event.detail.get(key), int | float)
    )
