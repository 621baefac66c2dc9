"""An alarm of the service went to ALARM: roll the deployment back that is in flight or inside its rollback window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.rollbacks import start_rollback
from orchestrator.domain.records import Deployment, Signal, Trigger
from orchestrator.domain.signals import AlarmEvent, judge_alarm
from orchestrator.intake import intake

NEWEST = 25
"""How many deployments are looked through: refused ones may have come after the one that shifted traffic."""


def take_alarm(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Judge the event, write the ruling down, and start the rollback where it says so.

    The ruling is kept after the start: if we die between, the second delivery starts the same rollback again,
    which is the same execution.
    """
    alarm, now = _decode(event), cloud.now()
    ruling = judge_alarm(alarm, _concerned(cloud), now)
    if ruling.roll_back:
        start_rollback(cloud, ruling.deployment, Trigger("alarm", f"{alarm.name}: {alarm.reason}", alarm.at, alarm.id))
    cloud.ledger.signal(
        Signal(
            id=alarm.id,
            at=alarm.at,
            source="alarm",
            name=alarm.name,
            acted=ruling.roll_back,
            why=ruling.why,
            deployment=ruling.deployment,
        )
    )
    if not ruling.roll_back:
        cloud.announce("RollbackSkipped", ruling.deployment, reason=ruling.why, alarm=alarm.name)
    return ruling.why


def _concerned(cloud: Cloud) -> Deployment | None:
    """The deployment in flight, or else the newest that shifted traffic, or else the newest."""
    claim = cloud.ledger.claim()
    if claim.held:
        return cloud.ledger.find(claim.deployment)
    newest = cloud.ledger.newest(NEWEST)
    return next((found for found in newest if found.first_shift_at), next(iter(newest), None))


def _decode(event: Mapping[str, Any]) -> AlarmEvent:
    detail = event["detail"]
    return AlarmEvent(
        id=event["id"],
        arn=event["resources"][0],
        name=detail["alarmName"],
        state=detail["state"]["value"],
        at=datetime.fromisoformat(detail["state"]["timestamp"]),
        reason=detail["state"].get("reason", ""),
    )


handler = intake(take_alarm)
