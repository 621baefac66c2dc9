"""PlanRecovery: validate everything and create the recovery's record with its expiry. Nothing else is changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

import msgspec

from orchestrator.application import prices
from orchestrator.application.cloud import Cloud
from orchestrator.application.recovery_planning import (
    last_cutover,
    list_recovery_points,
    plan_table_failback,
    plan_table_recovery,
    refuse_tables_not_in_use,
    refuse_unfinishable_restore,
)
from orchestrator.application.restored_tables.copies import list_copies
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.deployment.plan import Service
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.objectives.scenarios import scenario_name
from orchestrator.domain.recovery.backup_times import judge_times
from orchestrator.domain.recovery.plan import RecoveryPlan
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery, RecoveryAction, RecoveryDecision, Role
from orchestrator.domain.recovery.request import RecoveryRequest, read_recovery_request
from orchestrator.tasks.runtime import RecoveryTaskInput, RecoveryTaskOutput, recovery_policy, recovery_task


def plan_recovery(task_input: RecoveryTaskInput, cloud: Cloud) -> RecoveryTaskOutput:
    """Plan a recovery. A retry finds the first attempt's plan, with its recovery point and its expiry.

    Raises:
        Refused: the request, a table, the cost or a release that is not deployed yet does not allow it. Names the
            field, its value and a remedy.
    """
    policy = recovery_policy(cloud)
    request = read_recovery_request(task_input.state, policy, cloud.environment)
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    if task_input.kind is Kind.RESTORE:
        refuse_frozen(cloud.freezes.read_freeze(), override=request.override_freeze)
        refuse_unfinishable_restore(cloud, service.functions, {} if request.failback_of else _tables(cloud))
    else:
        refuse_tables_not_in_use(cloud, service.functions, _tables(cloud))
    now = cloud.now()
    plan = _plan(task_input, cloud, request, policy, now)
    recovery = task_input.ledger(cloud).create_record(
        Recovery(
            id=task_input.recovery,
            kind=task_input.kind,
            environment=cloud.environment,
            requested_by=request.requested_by,
            requested_at=now,
            execution=task_input.execution,
            service=service,
            point=plan.point,
            latest=plan.latest,
            tables=plan.tables,
            objectives=policy.objectives_of(scenario_name(task_input.kind, request.backup_kind, request.failback_of)),
            cost=plan.cost,
            expires_at=plan.expires_at,
            fault=request.fault,
            skip_comparison=request.skip_comparison,
            failback_of=request.failback_of,
            backup_kind=request.backup_kind,
            selection=request.selection,
            standing_grants=plan.standing_grants,
            replays=request.replays,
        )
        .with_check_results(*judge_times(plan.tables, plan.point))
        .with_phase(task_input.state_name, cloud.now())
    )
    what = f"failback of {recovery.failback_of}" if recovery.failback_of else f"to {recovery.point.isoformat()}"
    reason = f"{len(recovery.tables)} tables, {what}, for about {recovery.cost.usd:.2f} US dollars"
    return RecoveryTaskOutput(recovery.id, 0, RecoveryDecision(RecoveryAction.PROCEED, reason))


def _plan(
    task_input: RecoveryTaskInput, cloud: Cloud, request: RecoveryRequest, policy: RecoveryPolicy, now: datetime
) -> RecoveryPlan:
    price_list = prices.load_prices(cloud.settings["AWS_REGION"])
    if request.failback_of and task_input.kind is Kind.RESTORE:
        return plan_table_failback(cloud, request, policy, prices=price_list, now=now)
    return plan_table_recovery(
        cloud.table_restores,
        cloud.backups,
        task_input.kind,
        task_input.recovery,
        _tables(cloud),
        request,
        policy,
        environment=cloud.environment,
        prices=price_list,
        now=now,
        standing=cloud.standing_grants,
        last_cutover=partial(last_cutover, cloud),
        vault=partial(list_recovery_points, cloud),
        copies=partial(list_copies, cloud),
    )


def _tables(cloud: Cloud) -> Mapping[Role, str]:
    return msgspec.json.decode(cloud.settings["SOURCE_TABLES"], type=dict[Role, str])


handler = recovery_task(plan_recovery)
