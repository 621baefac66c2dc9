"""SeedGrants: obtain grants for the synthetic identity before a drill's recovery point, and wait for a point with them.

It runs before the plan, because the plan chooses the latest recovery point. The request is passed on unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from orchestrator.application import seeded_grants
from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.seeded_grants import live_client
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.policy import seconds_before_poll
from orchestrator.domain.recovery.record import RecoveryAction, RecoveryDecision, Role
from orchestrator.domain.recovery.seeded_grants import SeededGrants, recovery_point_pending
from orchestrator.probes.synthetic_client import FlowFailed
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_policy, recovery_task


@dataclass(frozen=True)
class SeedGrantsOutput(RecoveryTaskOutput):
    """The next state of the state machine, with the request for PlanRecovery."""

    request: Mapping[str, Any]


def seed_grants(task_input: RecoveryTaskInput, cloud: Cloud) -> SeedGrantsOutput:
    """Seed the grants once, then check whether all tables can be restored to a point that includes them.

    A drill of a chosen point tries standing grants, which PlanRecovery selects: grants of now are not in a copy of then.
    If the service issues no grants, the drill continues. Its checks report what could not be checked, and it fails.
    """
    request = task_input.state.get("request", task_input.state)
    if request.get("from", BackupKind.PITR) != BackupKind.PITR:
        return _output(
            task_input, request, RecoveryAction.PROCEED, "a backup exists before its drill: nothing is seeded"
        )
    if request.get("to") or request.get("select") not in {None, Selection.LATEST}:
        reason = "the request chooses the recovery point: standing grants of before it are tried"
        return _output(task_input, request, RecoveryAction.PROCEED, reason)
    policy = recovery_policy(cloud)
    grants = cloud.seeded_grants.find_grants(task_input.recovery)
    if grants is None and task_input.attempt == 0:
        try:
            grants = _seed(task_input.recovery, cloud)
        except FlowFailed as error:
            return _output(task_input, request, RecoveryAction.PROCEED, f"no seeded grants: the service {error}")
    if grants is None:
        reason = "no recovery point is waited for: there are no seeded grants"
        return _output(task_input, request, RecoveryAction.PROCEED, reason)
    tables = msgspec.json.decode(cloud.settings["SOURCE_TABLES"], type=dict[Role, str])
    sources = for_each(tables.items(), lambda table: cloud.table_restores.describe_source(*table))
    if pending := recovery_point_pending(grants, [source.latest for source in sources], cloud.now()):
        wait_seconds = seconds_before_poll(policy, task_input.attempt)
        return _output(task_input, request, RecoveryAction.WAIT, pending, wait_seconds)
    reason = "every table can be restored to a point that includes the seeded grants"
    return _output(task_input, request, RecoveryAction.PROCEED, reason)


def _seed(recovery: str, cloud: Cloud) -> SeededGrants:
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    client, identity = live_client(cloud, service)
    # A whole second after the last grant: recovery points are whole seconds, and an item's own time may be truncated.
    grants = seeded_grants.seed_grants(client, identity, lambda: cloud.now() + timedelta(seconds=1))
    cloud.seeded_grants.save_grants(recovery, grants, cloud.now())
    return grants


def _output(
    task_input: RecoveryTaskInput,
    request: Mapping[str, Any],
    action: RecoveryAction,
    reason: str,
    wait_seconds: int = 0,
) -> SeedGrantsOutput:
    attempt = task_input.attempt + 1 if action is RecoveryAction.WAIT else 0
    decision = RecoveryDecision(action, reason, wait_seconds, attempt)
    return SeedGrantsOutput(task_input.recovery, 0, decision, request)


handler = recovery_task(seed_grants)
