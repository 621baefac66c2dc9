"""Once a minute: roll back what a dead execution left behind, even if its event was lost.

Alarms of the service that stay in ALARM are evaluated again, until they are OK or the rollback window ends.
For a restore that died after its cutover, late writes are replayed. Live tables that are blocked are unblocked while no
execution holds the environment lock. Provisioned concurrency is reconciled, too, and the live state is compared with the ledger.
Incidents are paged, escalated and announced (ADR 58). Maintenance windows begin and end, and are announced (ADR 61). Owners of findings
are notified and reminded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.cutover import unblock_live_tables
from orchestrator.application.incidents.incident_log import attend_incidents
from orchestrator.application.live_state import report_live_state
from orchestrator.application.maintenance.windows import attend_maintenance
from orchestrator.application.notifications.findings import attend_findings
from orchestrator.application.recovery_reporting import emit_drill_age
from orchestrator.application.stale_executions import (
    close_abandoned_plans,
    close_abandoned_restores,
    repeat_failed_rollback,
    roll_back_stale_deployment,
)
from orchestrator.application.start_rollback import evaluate_lasting_alarms
from orchestrator.application.warmup import reconcile_provisioned
from orchestrator.domain.errors import Unreachable
from orchestrator.event_handlers.runtime import event_handler


def reconcile(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Roll back if the lock's execution is dead, close plans that died without it, and reconcile what is live.

    Raises:
        Unreachable: everything else was done, but pages or events of an incident, an announcement of maintenance, or a
            message about findings, were not sent.
    """
    # The rollback comes first, because clients wait for it: no reporting may prevent it.
    stale = roll_back_stale_deployment(cloud, replays=True)
    repeated = repeat_failed_rollback(cloud)
    alarms = evaluate_lasting_alarms(cloud)
    # Before the rest: a person has to be called, and what follows may fail.
    unattended = attend_incidents(cloud)
    unannounced = attend_maintenance(cloud)
    unreported = attend_findings(cloud)
    close_abandoned_plans(cloud)
    closed = close_abandoned_restores(cloud)
    unblocked = unblock_live_tables(cloud)
    not_provisioned = reconcile_provisioned(cloud)
    emit_drill_age(cloud)
    reports = (stale, repeated, alarms, closed, unblocked, not_provisioned, report_live_state(cloud))
    if unattended:
        # Last, so that it delays nothing else. The failed invocation is in the alarm event-handler-errors.
        raise Unreachable(f"incidents wait for their pages and events: {unattended}")
    if unannounced:
        raise Unreachable(f"maintenance waits for its announcements: {unannounced}")
    if unreported:
        raise Unreachable(f"findings wait for their messages: {unreported}")
    return "; ".join(filter(None, reports))


handler = event_handler(reconcile)
