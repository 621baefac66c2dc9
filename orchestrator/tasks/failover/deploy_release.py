"""DeployRelease: point the functions of this region at the restored tables."""

from __future__ import annotations

from orchestrator.application.failover.switching import deploy_release
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.DEPLOY_RELEASE, deploy_release)
