"""A deployment or a rollback failed, timed out or was stopped: what it left half-done is rolled back.

A timeout or a stop runs no Catch, and a failure inside `Catch`'s own states neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.aws.orphans import close_unclaimed, roll_back_orphan
from orchestrator.intake import intake


def take_execution_ended(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Roll back if the execution that ended still holds the claim; complete the record of one that never did."""
    detail = event["detail"]
    if cloud.ledger.claim().execution == detail["executionArn"]:
        return roll_back_orphan(cloud)
    closed = ""
    if detail["stateMachineArn"] == cloud.settings["DEPLOYMENT_MACHINE"]:
        closed = close_unclaimed(cloud, detail["name"], detail["status"])
    return closed or f"{detail['name']} ended {detail['status']} and does not hold the claim"


handler = intake(take_execution_ended)
