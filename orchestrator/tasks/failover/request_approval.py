"""RequestApproval: record the task token and notify the operators. An answer, or the deadline, ends the state."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.announcing import ask_for_approval
from orchestrator.tasks.failover_runtime import FailoverTaskInput, FailoverTaskOutput, failover_task


def request_approval(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
    """Ask for the approvals that are missing."""
    cloud.failovers.save_token(task_input.failover, task_input.token)
    ask_for_approval(cloud.failovers.read_failover(task_input.failover).failover, cloud)
    return task_input.repeat_decision()


handler = failover_task(request_approval)
