"""VerifyStandby: run a complete flow of the synthetic client in this region."""

from __future__ import annotations

from orchestrator.application.failover.switching import verify_standby
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.VERIFY, verify_standby)
