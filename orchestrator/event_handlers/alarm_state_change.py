"""An alarm of the service is in ALARM: evaluate whether the deployment in flight or in its rollback window is to blame.

If it is, it is rolled back. `orchestrator.domain.rollback.alarm_evaluation` says what is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.start_rollback import concerned_deployment, obey_alarm, record_alarm
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.rollback.decision import ALARM
from orchestrator.domain.rollback.triggers import AlarmEvent, decide_for_alarm
from orchestrator.event_handlers.runtime import event_handler


def receive_alarm(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Decide whether the event concerns a deployment, evaluate it if so, and record the decision.

    A second delivery has the same answer.
    """
    alarm = _decode(event)
    if recorded := cloud.ledger.find_event(alarm.id, alarm.at):
        return recorded.why
    lock = cloud.ledger.read_lock()
    concerned = concerned_deployment(cloud, lock)
    decision = decide_for_alarm(alarm, concerned, cloud.now(), lock)
    if decision.roll_back and concerned is not None:
        return obey_alarm(cloud, concerned, alarm, decision.why)
    record = EventRecord(
        id=alarm.id,
        at=alarm.at,
        source=ALARM,
        name=alarm.name,
        acted=False,
        why=decision.why,
        deployment=decision.deployment,
    )
    record_alarm(cloud, record)
    return decision.why


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


handler = event_handler(receive_alarm)
