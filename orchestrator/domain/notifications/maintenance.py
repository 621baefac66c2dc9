"""The events of maintenance as notifications: one to the operators and one to the clients.

| event                                     | transition of ``maintenance:ID``, and of ``maintenance-clients:ID``    |
|-------------------------------------------|------------------------------------------------------------------------|
| MaintenanceAnnounced, MaintenanceStarted  | TRIGGER if it is the first announcement of the window, otherwise UPDATE |
| MaintenanceEnded, MaintenanceCancelled    | RESOLVE                                                                |

All are INFO, so that no pager is called. A cancellation of a window that clients were never informed of is for operators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.notifications.alarms import read_time
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Notification,
    Severity,
    Transition,
)

Translate = Callable[[Mapping[str, Any], str], tuple[Notification, ...]]
_STARTED = "MaintenanceStarted"
_CANCELLED = "MaintenanceCancelled"
_WORDS = {
    "MaintenanceAnnounced": "is planned",
    _STARTED: "has begun",
    "MaintenanceEnded": "has ended",
    _CANCELLED: "is cancelled",
}
_CLOSES = frozenset({"MaintenanceEnded", _CANCELLED})


def _notifications(detail: Mapping[str, Any], environment: str, event: str) -> tuple[Notification, ...]:
    first, closes = bool(detail["first"]), event in _CLOSES
    starts, ends = read_time(str(detail["starts_at"])), read_time(str(detail["ends_at"]))
    period = f"{starts:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC"
    transition = Transition.RESOLVE if closes else Transition.TRIGGER if first else Transition.UPDATE
    title, maintenance = str(detail["title"]), str(detail["maintenance"])
    components = ", ".join(map(str, detail["components"]))
    by = f"{detail['by']}: {detail['reason']}" if detail["reason"] else str(detail["by"])
    to_operators = Notification(
        key=f"maintenance:{maintenance}",
        id=str(detail["announcement"]),
        transition=transition,
        kind=EventKind.MAINTENANCE,
        severity=Severity.INFO,
        audience=Audience.OPERATORS,
        environment=environment,
        title=f"{environment}: maintenance {_WORDS[event]}, {period}: {title}",
        at=read_time(str(detail["at"])),
        since=None if first else starts,
        reason=by,
        impact=f"components: {components}",
        action="" if closes else _effects(detail),
        command=f"orchestrator maintenance show {maintenance} --env {environment}",
        # A later announcement says all that an earlier one did, so the end waits for none that may never have been sent.
        opened_as=Severity.INFO if closes and not first else None,
        subject=maintenance,
    )
    if event == _CANCELLED and first:
        return (to_operators,)
    to_clients = replace(
        to_operators,
        key=f"maintenance-clients:{maintenance}",
        audience=Audience.CLIENTS,
        title=f"OAuth service: maintenance {_WORDS[event]}: {title}",
        reason="",
        impact=period if closes else f"{period}, {components}: {detail['text']}",
        action="",
        command="",
    )
    return (to_operators, to_clients)


def _effects(detail: Mapping[str, Any]) -> str:
    allowed = ", ".join(map(str, detail["allowed_deployments"]))
    silenced = ", ".join(map(str, detail["silenced_alarms"]))
    words = f"deployments are refused while it is under way{f', except {allowed}' if allowed else ''}"
    return f"{words}; pages of {silenced} are silenced" if silenced else words


def _translation(event: str) -> Translate:
    return lambda detail, environment: _notifications(detail, environment, event)


MAINTENANCE_TRANSLATIONS: Mapping[str, Translate] = {event: _translation(event) for event in _WORDS}
"""Detail-type to its notifications."""
