"""A deployment or a rollback failed, timed out or was stopped: roll back what it left half-done.

A time-out or a stop runs no Catch, and neither does a failure in the states that a Catch leads to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.stale_executions import close_unlocked, roll_back_stale_deployment
from orchestrator.event_handlers.runtime import event_handler


def receive_execution_status(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Roll back if the ended execution still holds the lock; complete the record of one that never held it."""
    detail = event["detail"]
    if cloud.ledger.read_lock().execution == detail["executionArn"]:
        return roll_back_stale_deployment(cloud)
    closed = ""
    if detail["stateMachineArn"] == cloud.settings["DEPLOYMENT_MACHINE"]:
        closed = close_unlocked(cloud, detail["name"], detail["status"])
    return closed or f"{detail['name']} ended {detail['status']} and does not hold the lock"


handler = event_handler(receive_execution_status)
