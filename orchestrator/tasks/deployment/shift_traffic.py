"""ShiftTraffic: set the canary's weight of the current step on every function, and read it back.

It runs before every evaluation, not only before the first of a step. The weight is absolute, so a second run
confirms it.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.application.cloud import Cloud
from orchestrator.application.traffic_shifting import shift
from orchestrator.domain.deployment.record import DeploymentPhase, Shift, refuse_outdated_step
from orchestrator.tasks.runtime import TaskInput, TaskOutput, task


def shift_traffic(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Set the weights of the step that the last decision leads to.

    Raises:
        LockLost: another execution holds the lock; no alias was written after that.
        AliasConflict: a writer that does not hold the lock moved an alias, or this task belongs to an earlier step.
    """
    deployment, decision = cloud.ledger.read_record(task_input.deployment), task_input.decision
    refuse_outdated_step(deployment, decision.step)
    weight_percent = deployment.plan.steps[decision.step].weight_percent
    revisions = shift(deployment, weight_percent, task_input.fencing_token, cloud)
    first = deployment.shifted_at(decision.step) is None
    shifts = (*deployment.shifts, Shift(decision.step, weight_percent, cloud.now())) if first else deployment.shifts
    shifted = replace(deployment, phase=DeploymentPhase.SHIFTING, shifts=shifts, revisions=revisions)
    if shifted != deployment:
        cloud.ledger.save_record(shifted, task_input.fencing_token)
    if first:
        cloud.announce("TrafficShifted", deployment.id, step=decision.step, weight_percent=weight_percent)
    return task_input.repeat_decision()


handler = task(shift_traffic)
