"""CheckApprovals: decide by the approvals that the ledger has, whatever ended the wait."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.progress import with_approvals
from orchestrator.tasks.failover_runtime import FailoverTaskInput, FailoverTaskOutput, continue_with, failover_task


def check_approvals(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
    """Pass the approvals, wait on, or cancel the failover.

    Raises:
        LockLost: another writer changed the failover.
    """
    return continue_with(with_approvals(cloud.failovers.read_failover(task_input.failover), cloud), cloud)


handler = failover_task(check_approvals)
