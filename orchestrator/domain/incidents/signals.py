"""What opens and ends incidents: events of the bus and alarms, as signals.

| event                                            | subject          | cause                   | opened as          |
|--------------------------------------------------|------------------|-------------------------|--------------------|
| RollbackStarted                                  | ``rollback:ID``  | ``service``             | rollback           |
| RollbackCompleted, not healthy                   | ``rollback:ID``  | ``service``             | rollback-failed    |
| RollbackImpossible                               | ``rollback:ID``  | ``service``             | rollback-failed    |
| RollbackCompleted, healthy; `ENDS_OF_ROLLBACKS`  | ``rollback:ID``  | ``service``             | ends it            |
| DrillCompleted                                   | ``drill``        | ``recovery-drill``      | a drill that failed; one that succeeded ends it |
| RestoreCompleted                                 | ``restore``      | ``restore``             | the same of restores |
| service-degraded, automatic-rollback-unavailable, rollback-failed | the alarm | ``service``   | the alarm; its end ends it |
| an alarm of the security contacts                | the alarm        | its section             | the same           |

`regions.py` has the loss of a region.

A bad release therefore opens one incident, `service`, by its rollback and by the composite alarm, and it lasts until
both have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.incidents.incident import MAX_TITLE
from orchestrator.domain.incidents.policy import (
    DEFAULT_SEVERITIES,
    DRILL_FAILED,
    REGION_LOST,
    RESTORE_FAILED,
    ROLLBACK,
    ROLLBACK_FAILED,
)
from orchestrator.domain.notifications.alarms import ALARM, COMPOSITES, alarm_section, read_time
from orchestrator.domain.texts import MAX_REASON, alarm_reason, shortened

SERVICE, DRILL, RESTORE = "service", "recovery-drill", "restore"
"""Causes that have more than one kind of signal."""

ALARM_EVENT = "CloudWatch Alarm State Change"
SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class Signal:
    """The beginning or the end of something that an incident is about.

    Attributes:
        subject: what begins or ends: an alarm, a rollback, the drills.
        cause: the dedup key of the incident.
        opener: what opens it, in the table of severities; empty for an end.
        at: when it began or ended.
        title, reason: for people.
        removes_cause: it ends because its cause was removed, and what serves now was verified.
    """

    subject: str
    cause: str
    opener: str
    at: datetime
    title: str
    reason: str
    removes_cause: bool = False

    @property
    def begins(self) -> bool:
        """Whether it is a beginning."""
        return bool(self.opener)


def signal_of(event: Mapping[str, Any], environment: str) -> Signal | None:
    """Return the signal of an event of the bus or of an alarm; None if it is about no incident.

    Args:
        event: as EventBridge delivers it.
        environment: the environment's name.
    """
    if event["detail-type"] == ALARM_EVENT:
        return _alarm(event["detail"], environment)
    read = _EVENTS.get(event["detail-type"])
    return read(event["detail"]) if read else None


def _alarm(detail: Mapping[str, Any], environment: str) -> Signal | None:
    name, state = str(detail["alarmName"]), detail["state"]
    section = alarm_section(detail, name, environment)
    if section not in DEFAULT_SEVERITIES or section in _OF_EVENTS:
        return None
    begins, ended = state["value"] == ALARM, (detail.get("previousState") or {}).get("value") == ALARM
    if begins == ended:
        return None
    return Signal(
        subject=f"alarm:{name}",
        cause=SERVICE if section in _OF_THE_SERVICE else section,
        opener=section if begins else "",
        at=read_time(state["timestamp"]),
        title=f"{name} is in ALARM" if begins else f"{name} is {state['value']}",
        reason=shortened(alarm_reason(str(state.get("reason", ""))), MAX_REASON),
    )


_OF_THE_SERVICE = frozenset({*COMPOSITES, ROLLBACK_FAILED})
_OF_EVENTS = frozenset({ROLLBACK, DRILL_FAILED, RESTORE_FAILED, REGION_LOST})
"""Openers that are events of the orchestrator: their alarms would open the same incident a second time."""


def _rollback(detail: Mapping[str, Any], opener: str, title: str, reason: str) -> Signal:
    deployment = str(detail["deployment"])
    return Signal(
        subject=f"rollback:{deployment}",
        cause=SERVICE,
        opener=opener,
        at=read_time(str(detail["at"])),
        title=shortened(title.format(deployment), MAX_TITLE),
        reason=shortened(reason, MAX_REASON),
    )


def _rollback_completed(detail: Mapping[str, Any]) -> Signal:
    traffic_to, healthy = str(detail.get("traffic_to", "stable")).lower(), detail["healthy"]
    title = f"rollback of {{}} completed, {traffic_to} is {'' if healthy else 'not '}healthy"
    signal = _rollback(detail, "" if healthy else ROLLBACK_FAILED, title, str(detail.get("cause", "")))
    return replace(signal, removes_cause=bool(healthy))


def _end_of_rollback(detail: Mapping[str, Any]) -> Signal | None:
    # An alarm that is not to blame says nothing about a rollback.
    if "alarm" in detail:
        return None
    return _rollback(detail, "", "there is nothing left to roll back of {}", str(detail.get("reason") or ""))


def _recovery(detail: Mapping[str, Any], kind: str, cause: str, opener: str) -> Signal:
    outcome = str(detail["outcome"])
    return Signal(
        subject=kind,
        cause=cause,
        opener="" if outcome == SUCCEEDED else opener,
        at=read_time(str(detail["at"])),
        title=f"{kind} {detail['recovery']} {outcome.lower()}",
        reason=shortened(str(detail.get("reason") or ""), MAX_REASON),
    )


ENDS_OF_ROLLBACKS = ("RollbackSkipped", "DeploymentRefused", "DeploymentNothingToShip", "DeploymentSucceeded")
"""What a rollback may find: nothing to revert, so that it is not completed."""

_EVENTS: Mapping[str, Callable[[Mapping[str, Any]], Signal | None]] = {
    **dict.fromkeys(ENDS_OF_ROLLBACKS, _end_of_rollback),
    "RollbackStarted": lambda detail: _rollback(
        detail, ROLLBACK, "{} is rolled back", f"{detail['source']}: {detail['reason']}"
    ),
    "RollbackCompleted": _rollback_completed,
    "RollbackImpossible": lambda detail: _rollback(
        detail, ROLLBACK_FAILED, "rollback of {} is impossible", str(detail["reason"])
    ),
    "DrillCompleted": lambda detail: _recovery(detail, "drill", DRILL, DRILL_FAILED),
    "RestoreCompleted": lambda detail: _recovery(detail, "restore", RESTORE, RESTORE_FAILED),
}

EVENT_TYPES = tuple(sorted(_EVENTS))
"""The detail-types of the bus that are signals. The rule of the bus passes on these and no others."""
