"""FenceHome: take the assignment, so that the home region gets no further lease."""

from __future__ import annotations

from orchestrator.application.failover.takeover import fence_home
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.FENCE, fence_home)
