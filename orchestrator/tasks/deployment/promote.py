"""Promote: point every alias at the canary alone, without weights. The canary becomes the live version."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.traffic_shifting import promote as promote_aliases
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.record import DeploymentPhase, Shift
from orchestrator.domain.deployment.strategy import FULL_PERCENT
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, make_decision, task


def promote(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Move every function's alias to its canary version and read it back.

    Raises:
        LockLost: another execution holds the lock; no alias was written after that.
        AliasConflict: a writer that does not hold the lock moved an alias.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
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
    decision = make_decision(Action.WAIT_FOR_METRICS, reason, wait_seconds)
    return append_decision(task_input, cloud, promoted, decision)


handler = task(promote)
