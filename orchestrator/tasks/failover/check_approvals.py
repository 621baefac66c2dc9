"""CheckApprovals: decide by the approvals that the ledger has, whatever ended the wait."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.domain.failover.decisions import pass_approvals
from orchestrator.tasks.failover_runtime import FailoverTaskInput, FailoverTaskOutput, continue_with, failover_task


def check_approvals(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
    """Pass the approvals, wait on, or cancel the failover.

    Raises:
        LockLost: another writer changed the failover.
    """
    read = cloud.failovers.read(task_input.failover)
    passed = pass_approvals(read.failover, cloud.failovers.read_approvals(task_input.failover), cloud.now())
    return continue_with(read if passed == read.failover else cloud.failovers.commit(read, passed), cloud)


handler = failover_task(check_approvals)
