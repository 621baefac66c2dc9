"""Once a minute: roll back what a dead execution left behind, even if its event was lost.

Alarms of the service that stay in ALARM are evaluated again, until they are OK or the rollback window ends. Incidents are
paged, escalated and announced (ADR 58). Maintenance windows begin and end, and are announced (ADR 61). Owners of findings
are notified and reminded. Live tables that are blocked are unblocked while no execution holds the environment lock.
Provisioned concurrency is reconciled, and the live state is compared with the ledger. At the end of the run, late writes
of a restore that died after its cutover are replayed. An error of one step keeps no other from running.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover.unblocking import unblock_live_tables
from orchestrator.application.incidents.incident_log import attend_incidents
from orchestrator.application.live_state import report_live_state
from orchestrator.application.maintenance.windows import attend_maintenance
from orchestrator.application.notifications.findings import attend_findings
from orchestrator.application.recovery_reporting import emit_drill_age
from orchestrator.application.stale_executions import (
    close_abandoned_plans,
    close_dead_restores,
    repeat_failed_rollback,
    roll_back_stale_deployment,
)
from orchestrator.application.start_rollback import evaluate_lasting_alarms
from orchestrator.application.warmup import reconcile_provisioned
from orchestrator.event_handlers.runtime import event_handler
from orchestrator.event_handlers.steps import Steps


def reconcile(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Roll back if the lock's execution is dead, close plans that died without it, and reconcile what is live.

    Raises:
        StepsFailed: everything else was done, but a step failed, or pages or events of an incident, an announcement of
            maintenance, or a message about findings, were not sent.
    """
    steps = Steps()

    def run(step: str, call: Callable[[Cloud], object], waiting: str = "") -> None:
        steps.run(step, lambda: call(cloud), waiting)

    # The rollback comes first, because clients wait for it.
    run("roll_back_stale_deployment", roll_back_stale_deployment)
    run("repeat_failed_rollback", repeat_failed_rollback)
    run("evaluate_lasting_alarms", evaluate_lasting_alarms)
    # Before the rest: a person has to be called, and what follows may take the time that is left.
    run("attend_incidents", attend_incidents, "incidents wait for their pages and events")
    run("attend_maintenance", attend_maintenance, "maintenance waits for its announcements")
    run("attend_findings", attend_findings, "findings wait for their messages")
    run("close_abandoned_plans", close_abandoned_plans)
    run("unblock_live_tables", unblock_live_tables)
    run("reconcile_provisioned", reconcile_provisioned)
    run("emit_drill_age", emit_drill_age)
    run("report_live_state", report_live_state)
    # Last: a replay reads and writes the service's tables, and may take the time that is left.
    run("close_dead_restores", close_dead_restores)
    # The error comes last, so that it delays nothing else.
    return steps.conclude()


handler = event_handler(reconcile)
