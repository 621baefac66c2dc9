"""RestoreCopies: restore the tables from their copies, and apply the settings that a restore drops."""

from __future__ import annotations

from orchestrator.application.failover.restoring import restore_tables
from orchestrator.domain.failover.steps import Step
from orchestrator.tasks.failover_runtime import step_task

handler = step_task(Step.RESTORE, restore_tables)
