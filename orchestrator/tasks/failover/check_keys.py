"""CheckKeys: check that the signing key of this region answers."""

from __future__ import annotations

from orchestrator.application.failover.switching import check_keys
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.CHECK_KEYS, check_keys)
