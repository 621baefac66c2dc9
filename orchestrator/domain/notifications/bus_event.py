"""An event of the orchestrator, from which notifications are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Notification,
    Severity,
    Transition,
)


@dataclass(frozen=True)
class Objectives:
    """The thresholds of a recovery's figures, in seconds."""

    recovery_seconds: float
    data_loss_seconds: float


@dataclass(frozen=True)
class BusEvent:
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


Translation = Callable[[BusEvent], tuple[Notification, ...]]
"""Makes the notifications of an event."""
