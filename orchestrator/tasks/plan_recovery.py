"""PlanRecovery: check everything up front, and keep the recovery in the ledger with its lease. Nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from orchestrator import prices
from orchestrator.aws.cloud import Cloud
from orchestrator.aws.recovery_plans import plan_of, refuse_unshipped, refuse_unused, way_back_of
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.plan import Service
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery, RecoveryAction, RecoveryDecision, Role
from orchestrator.domain.recovery_plan import RecoveryPlan, RecoveryRequest, read_recovery_request
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.tasks import Recovered, Recovering, recovery_task


def plan_recovery(given: Recovering, cloud: Cloud) -> Recovered:
    """Plan a recovery. A retry finds the plan that was kept, with its point and its lease.

    Raises:
        Refused: the input, a table, the cost or an unshipped release does not allow it; names field, value and remedy.
    """
    policy = RecoveryPolicy.parse(msgspec.json.decode(cloud.settings["RECOVERY"]))
    request = read_recovery_request(given.given, policy, cloud.environment)
    service = msgspec.json.decode(cloud.settings["SERVICE"], type=Service)
    if given.kind is Kind.RESTORE:
        refuse_frozen(cloud.freezes.read(), override=request.through_freeze)
        refuse_unshipped(cloud, service.functions, {} if request.back else _tables(cloud))
    else:
        refuse_unused(cloud, service.functions, _tables(cloud))
    now = cloud.now()
    plan = _plan(given, cloud, request, policy, now)
    kept = cloud.recoveries(given.kind).open(
        Recovery(
            id=given.recovery,
            kind=given.kind,
            environment=cloud.environment,
            requested_by=request.requested_by,
            requested_at=now,
            execution=given.execution,
            service=service,
            point=plan.point,
            latest=plan.latest,
            tables=plan.tables,
            objectives=policy.objectives,
            cost=plan.cost,
            lease_until=plan.lease_until,
            sabotage=request.sabotage,
            uncompared=request.uncompared,
            back=request.back,
        ).reached(given.state, cloud.now())
    )
    where = f"back from {kept.back}" if kept.back else f"to {kept.point.isoformat()}"
    reason = f"{len(kept.tables)} tables {where}, for about {kept.cost.usd:.2f} US dollars"
    return Recovered(kept.id, 0, RecoveryDecision(RecoveryAction.PROCEED, reason))


def _plan(
    given: Recovering, cloud: Cloud, request: RecoveryRequest, policy: RecoveryPolicy, now: datetime
) -> RecoveryPlan:
    known = prices.load(cloud.settings["AWS_REGION"])
    if request.back and given.kind is Kind.RESTORE:
        return way_back_of(cloud, request, policy, prices=known, now=now)
    return plan_of(
        cloud.restoring,
        cloud.backups,
        given.kind,
        given.recovery,
        _tables(cloud),
        request,
        policy,
        environment=cloud.environment,
        prices=known,
        now=now,
    )


def _tables(cloud: Cloud) -> Mapping[Role, str]:
    return msgspec.json.decode(cloud.settings["TABLES"], type=dict[Role, str])


handler = recovery_task(plan_recovery)
