"""Findings of compliance and upkeep as notifications: one message to their owner, and reminders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.findings.register import COMPLIANCE, EVENT
from orchestrator.domain.notifications.alarms import read_time
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.ERROR,
    "medium": Severity.WARNING,
    "low": Severity.INFO,
}
_MOST_IN_TEXT = 3


def _reported(detail: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    owner, number, findings = str(detail["owner"]), int(detail["number"]), detail["findings"]
    new, total = int(detail["new"]), int(detail["open"])
    words = f"{new} new of {total} open findings" if new else f"reminder of {total} open findings"
    shown = [f"{one['severity']} {one['source']} {one['id']}: {one['summary']}" for one in findings[:_MOST_IN_TEXT]]
    more = f"; and {total - len(shown)} more" if total > len(shown) else ""
    source = "compliance" if findings[0]["source"] == COMPLIANCE else "upkeep"
    return (
        Notification(
            key=f"findings:{owner}:{number}",
            id=Transition.TRIGGER.value,
            transition=Transition.TRIGGER,
            kind=EventKind.FINDING,
            severity=_SEVERITIES[str(detail["severity"])],
            # The owners of the costs have no notifications of their own.
            audience=Audience.SECURITY if owner == Audience.SECURITY else Audience.OPERATORS,
            environment=environment,
            title=f"{environment}: {words} wait for {owner}",
            at=read_time(str(detail["at"])),
            since=read_time(min(str(one["since"]) for one in findings)),
            reason="; ".join(shown) + more,
            impact="none yet: they are found before something fails",
            figures=(Figure("Open", str(total)), Figure("New", str(new))),
            action=f"first remedy: {findings[0]['remedy']}",
            command=f"orchestrator {source} --env {environment}",
        ),
    )


FINDING_TRANSLATIONS = {EVENT: _reported}
"""Detail-type to its notifications."""
