"""WarmUp: give the canary versions their provisioned concurrency before the first client reaches them.

The wanted number is absolute, so every attempt may set it again.
"""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.warmup import functions_to_provision, provision_canary
from orchestrator.domain.capacity.provisioned_concurrency import judge_provisioning
from orchestrator.tasks.runtime import TaskInput, TaskOutput, append_decision, task


def warm_up(task_input: TaskInput, cloud: Cloud) -> TaskOutput:
    """Set the canary's provisioned concurrency, and decide by its status.

    Raises:
        LockLost: another execution holds the lock.
    """
    deployment = cloud.ledger.read_record(task_input.deployment)
    cloud.ledger.check_lock(task_input.fencing_token)
    wanted = {name: deployment.service.warm[name] for name in functions_to_provision(deployment)}
    decision = judge_provisioning(task_input.cursor.evaluation, wanted, provision_canary(deployment, cloud))
    return append_decision(task_input, cloud, deployment, decision)


handler = task(warm_up)
