"""PlanFailover: write the failover's record, or continue one; open the incident; return what the failover does next."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.incident import report_region_lost
from orchestrator.application.failover.planning import open_failover
from orchestrator.application.failover.progress import with_approvals
from orchestrator.tasks.failover_runtime import FailoverTaskInput, FailoverTaskOutput, continue_with, failover_task


def plan_failover(task_input: FailoverTaskInput, cloud: Cloud) -> FailoverTaskOutput:
    """Plan the failover from the copies in this region.

    Raises:
        Refused: this region has no copy of a table, has no assignment, or issues tokens already. Nothing was changed.
    """
    requested_by, reason = task_input.state.get("requested_by", ""), task_input.state.get("reason", "")
    read = open_failover(cloud, task_input.failover, requested_by, reason)
    if read.failover.outcome is None:
        report_region_lost(read.failover, cloud)
    # One that is resumed may have been approved while no execution waited for it.
    return continue_with(with_approvals(read, cloud), cloud)


handler = failover_task(plan_failover)
