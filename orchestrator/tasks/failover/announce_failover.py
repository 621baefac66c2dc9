"""AnnounceFailover: notify operators and clients."""

from __future__ import annotations

from orchestrator.application.failover.announcing import announce_failover
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.ANNOUNCE, announce_failover)
