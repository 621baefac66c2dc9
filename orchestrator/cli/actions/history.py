"""The command `history`: deployments, drills, restores and failovers, also those that another region recorded."""

from __future__ import annotations

from typing import Any

from orchestrator.application.failover.copied_ledgers import newest_recorded
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import short_digest
from orchestrator.cli.rendering.local_times import local_minute, local_second
from orchestrator.cli.rendering.output import console, print_json, show_freeze
from orchestrator.cli.rendering.recorded import recorded_json, recorded_table
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.outcome import summary_of
from orchestrator.domain.recovery.record import Recovery


def list_history(context: Context, limit: int, *, json: bool) -> None:
    """List at most `limit` deployments, and as many drills and restores, and failovers, newest first."""
    cloud = context.cloud
    deployments = newest_recorded(
        cloud, lambda one: one.ledger.newest_records(limit), lambda deployment: deployment.requested_at, limit
    )
    recoveries = newest_recorded(
        cloud, lambda one: one.drills.newest_records(limit), lambda recovery: recovery.requested_at, limit
    )
    failovers = newest_recorded(
        cloud, lambda one: one.failovers.newest(limit), lambda failover: failover.requested_at, limit
    )
    freeze = cloud.freezes.read_freeze()
    if json:
        print_json(
            {
                "freeze": freeze,
                "deployments": [recorded_json(one, _summary(one.record)) for one in deployments],
                "recoveries": [recorded_json(one, summary_of(one.record)) for one in recoveries],
                "failovers": [recorded_json(one, _failover_summary(one.record)) for one in failovers],
            }
        )
        return
    screen = console()
    show_freeze(screen, freeze)
    if deployments:
        columns = ("when", "deployment", "outcome", "strategy", "release")
        screen.print(recorded_table(columns, deployments, _deployment_row, ("deployment", "outcome")))
    else:
        screen.print("no deployment yet")
    if recoveries:
        columns = ("when", "recovery", "outcome", "restored to", "reason")
        screen.print(recorded_table(columns, recoveries, _recovery_row, ("recovery", "outcome")))
    if failovers:
        columns = ("when", "failover", "outcome", "to", "reason")
        screen.print(recorded_table(columns, failovers, _failover_row, ("failover", "outcome")))


def _deployment_row(deployment: Deployment) -> tuple[str, ...]:
    return (
        local_minute(deployment.requested_at),
        deployment.id,
        deployment.outcome or deployment.phase,
        deployment.plan.strategy,
        short_digest(deployment.release.digest),
    )


def _recovery_row(recovery: Recovery) -> tuple[str, ...]:
    return (
        local_minute(recovery.requested_at),
        recovery.id,
        recovery.outcome or "in progress",
        local_second(recovery.point),
        recovery.reason,
    )


def _summary(deployment: Deployment) -> dict[str, Any]:
    return {
        "deployment": deployment.id,
        "requested_at": deployment.requested_at,
        "requested_by": deployment.requested_by,
        "strategy": deployment.plan.strategy,
        "release": deployment.release.digest,
        "phase": deployment.phase,
        "outcome": deployment.outcome,
        "reason": deployment.reason,
        "ended_at": deployment.ended_at,
    }


def _failover_row(failover: Failover) -> tuple[str, ...]:
    return (
        local_minute(failover.requested_at),
        failover.id,
        failover.outcome or "in progress",
        failover.region,
        failover.reason,
    )


def _failover_summary(failover: Failover) -> dict[str, Any]:
    return {
        "failover": failover.id,
        "requested_at": failover.requested_at,
        "requested_by": failover.requested_by,
        "from": failover.home,
        "to": failover.region,
        "outcome": failover.outcome,
        "reason": failover.reason,
        "ended_at": failover.ended_at,
    }
