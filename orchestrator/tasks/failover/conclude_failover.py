"""ConcludeFailover: record why a failover stopped, and notify the operators. A failover that stopped can be resumed."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.announcing import report_end
from orchestrator.domain.deployment.outcome import cause_of
from orchestrator.domain.failover.decisions import FailoverAction, FailoverDecision
from orchestrator.tasks.failover_runtime import (
    FailoverTaskInput,
    FailoverTaskOutput,
    continue_with,
    failover_task,
    with_failure,
)


def conclude_failover(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
    """Record the error that led here, if one did.

    Raises:
        LockLost: another writer changed the failover.
    """
    problem = cause_of(task_input.error) if task_input.error else ""
    read = cloud.failovers.find_failover(task_input.failover)
    if read is None:
        # Its plan was refused: nothing was written.
        return FailoverTaskOutput(task_input.failover, FailoverDecision(FailoverAction.STOPPED, problem))
    if problem and not read.failover.outcome:
        problem = f"{read.failover.next_step}: {problem}"
        read = with_failure(read, problem, cloud)
    report_end(read.failover, problem, cloud)
    if problem and not read.failover.outcome:
        return FailoverTaskOutput(task_input.failover, FailoverDecision(FailoverAction.STOPPED, problem))
    return continue_with(read, cloud)


handler = failover_task(conclude_failover)
