"""Promote: point every alias at the canary alone, without weights. The canary becomes the live version.

A cutover enters it once before, as PreparePromotion: a cold start takes more than a second, and clients are refused from the
closing of the tables until the aliases have moved.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.application.traffic_shifting import promote as promote_aliases
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, Shift
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.domain.errors import ClosingEnded
from orchestrator.domain.recovery.lost_writes.closing import may_promote
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task

PREPARATION = "PreparePromotion"
"""The state in which the function only loads what the promotion will need."""


def promote(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Move every function's alias to its canary version and read it back.

    Raises:
        LockLost: another execution holds the lock; no alias was written after that.
        AliasConflict: a writer that does not hold the lock moved an alias.
        ClosingEnded: the tables that a failback leaves may take writes again; no alias was written.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    if task_input.state_name == PREPARATION:
        return _prepare(deployment, task_input, cloud)
    failback = deployment.cutover is not None and deployment.cutover.failback
    if failback:
        deployment = _begin_failback(deployment, task_input, cloud)
    revisions = promote_aliases(deployment, task_input.fencing_token, cloud)
    step = len(deployment.plan.steps)
    earlier = tuple(shift for shift in deployment.shifts if shift.step < step)
    promoted = replace(
        deployment,
        phase=DeploymentPhase.PROMOTED,
        shifts=(*earlier, Shift(step, FULL_PERCENT, cloud.now())),
        revisions=revisions,
    )
    cloud.announce("DeploymentPromoted", deployment.id)
    wait_seconds = max(1, round(deployment.plan.limits.after_bake.total_seconds()))
    reason = f"promoted: {task_input.decision.reason}"
    decision = make_decision(Action.BLOCK if failback else Action.WAIT_FOR_METRICS, reason, wait_seconds)
    return append_decision(task_input, cloud, promoted, decision)


def _prepare(deployment: Deployment, task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Make every client of AWS that the promotion uses, with its connections, and change nothing."""
    cloud.ledger.fence(task_input.fencing_token)()
    for_each(deployment.functions, lambda function: cloud.aliases.read_alias(function.function_name))
    cloud.clients("events")
    return task_input.repeat_decision()


def _begin_failback(deployment: Deployment, task_input: TaskInput, cloud: Cloud) -> Deployment:
    """Record that clients may use the original tables from now on: a rollback replays what they write there."""
    cutover = deployment.cutover
    assert cutover is not None, "it is a failback"
    if not may_promote(cutover.opens_at, cloud.now()):
        raise ClosingEnded("the service may take writes again that were not replayed")
    begun = replace(deployment, cutover=replace(cutover, replayed_at=cutover.replayed_at or cloud.now()))
    cloud.ledger.save_record(begun, task_input.fencing_token)
    return begun


handler = task(promote)
