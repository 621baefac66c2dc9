"""TakeOver: apply the records of clients, activate the assignment and give this region its lease, when no other is left."""

from __future__ import annotations

from orchestrator.application.failover.takeover import take_over
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.TAKE_OVER, take_over)
