"""UpdateDns: point the API's domain at this region."""

from __future__ import annotations

from orchestrator.application.failover.announcing import update_dns
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.UPDATE_DNS, update_dns)
