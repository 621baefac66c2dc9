"""The events of drills and restores as notifications."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.domain.notifications.bus_event import BusEvent, Translation
from orchestrator.domain.notifications.notification import (
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)

_TRIGGER, _UPDATE, _RESOLVE = Transition.TRIGGER, Transition.UPDATE, Transition.RESOLVE
_INFO, _WARNING, _ERROR, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
_RECOVERY = EventKind.RECOVERY


def _recovery_started(kind: str, severity: Severity) -> Translation:
    def started(event: BusEvent) -> tuple[Notification, ...]:
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


def _recovery_restored(kind: str, severity: Severity) -> Translation:
    def restored(event: BusEvent) -> tuple[Notification, ...]:
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


def _drill_completed(event: BusEvent) -> tuple[Notification, ...]:
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


def _restore_completed(event: BusEvent) -> tuple[Notification, ...]:
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


def _refused_recovery(kind: str) -> Translation:
    def refused(event: BusEvent) -> tuple[Notification, ...]:
        return (
            event.notification(
                _RECOVERY, _RESOLVE, _INFO, f"{kind} {event.id} refused", impact="none: nothing was created"
            ),
        )

    return refused


def _recovery_figures(event: BusEvent) -> tuple[Figure, ...]:
    thresholds = {
        "recovery_seconds": ("Recovery time", event.objectives.recovery_seconds),
        "data_loss_seconds": ("Data loss", event.objectives.data_loss_seconds),
    }
    return tuple(
        Figure(name, f"{float(event.detail[key]):.0f} s", f"{threshold:.0f} s")
        for key, (name, threshold) in thresholds.items()
        if isinstance(event.detail.get(key), int | float)
    )


_DRILL, _RESTORE = ("drill", _INFO), ("restore", _WARNING)
RECOVERY_TRANSLATIONS: Mapping[str, Translation] = {
    "DrillStarted": _recovery_started(*_DRILL),
    "DrillTablesRestored": _recovery_restored(*_DRILL),
    "DrillCompleted": _drill_completed,
    "DrillRefused": _refused_recovery("drill"),
    "RestoreStarted": _recovery_started(*_RESTORE),
    "RestoreTablesRestored": _recovery_restored(*_RESTORE),
    "RestoreCompleted": _restore_completed,
    "RestoreRefused": _refused_recovery("restore"),
}
"""Detail-type to its notifications."""
