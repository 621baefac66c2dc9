"""CloudWatch alarms as notifications: from an alarm's ALARM to its next other state is one dedup key.

A ``CloudWatch Alarm State Change`` event has the new state and the previous one, each with the time at which it began
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html). So the event that ends
an ALARM names the same beginning as the one that began it, whichever arrives first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.domain.names import short_name
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Figure,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.texts import alarm_reason, two_digits
from orchestrator.domain.untrusted_json import decode_untrusted

ALARM = "ALARM"
RUNBOOK = "docs/runbooks/alarms.md"

_SEV1, _SEV2, _SEV3 = Severity.CRITICAL, Severity.ERROR, Severity.WARNING
SEVERITIES: Mapping[str, Severity] = {
    "server-errors": _SEV2, "latency": _SEV2, "errors": _SEV2, "refused-grants": _SEV2, "api-server-errors": _SEV2,
    "rollback-failed": _SEV1, "deployment-failed": _SEV2, "event-handler-errors": _SEV2, "dead-letters": _SEV2,
    "reconciler-not-running": _SEV2, "live-state": _SEV2, "recovery-drill-failed": _SEV3, "rto-exceeded": _SEV3,
    "rpo-exceeded": _SEV3, "recovery-drill-overdue": _SEV3, "restored-tables-unused": _SEV3, "service-degraded": _SEV2,
    "automatic-rollback-unavailable": _SEV1, "api-throttle-near-limit": _SEV3, "throttles": _SEV2,
    "upstream-errors": _SEV2, "concurrency-near-limit": _SEV3, "duration-near-timeout": _SEV3, "table-throttled": _SEV3,
    "table-errors": _SEV3, "log-volume": _SEV3, "backup-failed": _SEV3, "backup-overdue": _SEV3,
    "backup-copy-failed": _SEV3, "notification-delivery-failed": _SEV3, "latency-anomaly": _SEV3, "access-denied": _SEV3,
    "access-denied-spike": _SEV2, "unauthorized-kms-sign": _SEV1, "unauthorized-session-decrypt": _SEV1,
    "kms-key-changed": _SEV2, "alias-changed-manually": _SEV2, "table-changed-manually": _SEV2,
    "iam-policy-changed": _SEV2, "root-account-used": _SEV1, "console-login-without-mfa": _SEV2,
    "cloudtrail-changed": _SEV2, "waf-blocked-requests": _SEV3,
    "issuing-lease": _SEV2, "failover-plan": _SEV3, "failover-stopped": _SEV1, "evidence-copies": _SEV3,
}  # fmt: skip
"""Section of the alarm runbook to the severity that it has there."""

UNKNOWN_SEVERITY = Severity.ERROR
"""Of an alarm whose event names no section that is known: too urgent is better than unread."""

ONE_PAGE = frozenset({"server-errors", "latency", "errors", "refused-grants", "api-server-errors"})
"""Sections of the service's own alarms. The composite alarm `service-degraded` is the page for all of them, so each
of them is a WARNING: a chat shows its numbers, and a pager is called once."""

COMPOSITES = ("service-degraded", "automatic-rollback-unavailable")
"""The events of composite alarms have no description, so these are known by their names."""

SECURITY = frozenset(
    {"access-denied", "access-denied-spike", "unauthorized-kms-sign", "unauthorized-session-decrypt", "kms-key-changed",
     "alias-changed-manually", "table-changed-manually", "iam-policy-changed", "root-account-used",
     "console-login-without-mfa", "cloudtrail-changed", "waf-blocked-requests"}
)  # fmt: skip
"""Sections of the alarms whose topic is that of the security contacts."""

IMPACTS: Mapping[Severity, str] = {
    Severity.CRITICAL: "clients fail and automatic rollback may not work, or keys, sessions or the account may be "
    "compromised",
    Severity.ERROR: "clients fail or wait, or the next fault would reach them",
    Severity.WARNING: "clients are not affected",
}
"""The definitions of SEV1, SEV2 and SEV3 in the runbook."""

MOST = 1e15
"""The largest number that a message shows."""

_SECTION = re.compile(rf"Runbook: {re.escape(RUNBOOK)}#([a-z0-9-]+)$")


def alarm_notifications(event: Mapping[str, Any], environment: str) -> tuple[Notification, ...]:
    """Return the notification of an alarm's state change; none if the alarm neither began nor ended an ALARM.

    Args:
        event: the ``CloudWatch Alarm State Change`` event.
        environment: the environment's name.
    """
    detail = event["detail"]
    state, previous = detail["state"], detail.get("previousState") or {}
    begins, ends = state["value"] == ALARM, previous.get("value") == ALARM
    if begins == ends:
        return ()
    name = str(detail["alarmName"])
    section = alarm_section(detail, name, environment)
    severity = SEVERITIES.get(section, UNKNOWN_SEVERITY)
    impact = IMPACTS[severity]
    if section in ONE_PAGE:
        severity, impact = Severity.WARNING, f"{impact}; service-degraded is the page"
    since = read_time(state["timestamp"] if begins else previous["timestamp"])
    return (
        Notification(
            key=f"alarm:{name}:{since.isoformat()}",
            id="trigger" if begins else "resolve",
            transition=Transition.TRIGGER if begins else Transition.RESOLVE,
            kind=EventKind.ALARM,
            severity=severity,
            audience=Audience.SECURITY if section in SECURITY else Audience.OPERATORS,
            environment=environment,
            title=f"{environment}: {name} {'is in ALARM' if begins else 'is ' + str(state['value'])}",
            at=read_time(state["timestamp"]),
            since=since,
            reason=alarm_reason(str(state.get("reason", ""))),
            impact=impact if begins else "over",
            action=_action(section) if begins else "",
            command=f"{RUNBOOK}#{section}" if section else f"orchestrator status --env {environment}",
            figures=_figures(str(state.get("reasonData", ""))),
            opened_as=None if begins else severity,
            alarm=section,
        ),
    )


def read_time(text: str) -> datetime:
    """Return a time of an event, in UTC. CloudWatch writes ``2026-11-23T03:00:00.000+0000``."""
    return datetime.fromisoformat(text).astimezone(UTC)


def alarm_section(detail: Mapping[str, Any], name: str, environment: str) -> str:
    """Return the section of the alarm runbook of an alarm's event; empty if it names none that is known.

    Args:
        detail: of the event.
        name: the alarm's name.
        environment: the environment's name.
    """
    description = (detail.get("configuration") or {}).get("description") or ""
    found = _SECTION.search(str(description))
    if found:
        return found[1]
    short = short_name(name, environment)
    return short if short in COMPOSITES else ""


def alarm_severity(name: str, description: str, environment: str) -> Severity:
    """Return the severity that an alarm has in the runbook.

    Args:
        name: the alarm's name.
        description: the alarm's description; a composite alarm is known by its name.
        environment: the environment's name.
    """
    section = alarm_section({"configuration": {"description": description}}, name, environment)
    return SEVERITIES.get(section, UNKNOWN_SEVERITY)


def _action(section: str) -> str:
    if section in ONE_PAGE:
        return "if a deployment is in flight or in its rollback window, it is evaluated and, if to blame, rolled back"
    return "an operator has to follow the runbook"


def _figures(reason_data: str) -> tuple[Figure, ...]:
    """Return the newest value next to its threshold, if the alarm reports both as numbers."""
    try:
        data = decode_untrusted(reason_data)
    except ValueError:
        return ()
    if not isinstance(data, Mapping):
        return ()
    threshold, values = _number(data.get("threshold")), data.get("recentDatapoints")
    numbers = [number for number in map(_number, values) if number is not None] if isinstance(values, list) else []
    if threshold is None or not numbers:
        return ()
    return (Figure(str(data.get("statistic") or "Value"), two_digits(numbers[-1]), two_digits(threshold)),)


def _number(value: object) -> float | None:
    """Return a number that a message can show; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
        return None
    return value
