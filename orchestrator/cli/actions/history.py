"""The command `history`: deployments, drills and restores."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.context import Context
from orchestrator.cli.rendering.deployment_timeline import short_digest
from orchestrator.cli.rendering.local_times import local_minute, local_second
from orchestrator.cli.rendering.output import console, print_json, show_freeze, text_table
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.recovery.outcome import summary_of
from orchestrator.domain.recovery.record import Recovery


def list_history(context: Context, limit: int, *, json: bool) -> None:
    """List at most `limit` deployments, and as many drills and restores, newest first."""
    deployments, freeze = context.cloud.ledger.newest_records(limit), context.cloud.freezes.read_freeze()
    recoveries = context.cloud.drills.newest_records(limit)
    if json:
        print_json(
            {
                "freeze": freeze,
                "deployments": [_summary(deployment) for deployment in deployments],
                "recoveries": [summary_of(recovery) for recovery in recoveries],
            }
        )
        return
    screen = console()
    show_freeze(screen, freeze)
    if deployments:
        columns = ("when", "deployment", "outcome", "strategy", "release")
        rows = [_deployment_row(deployment) for deployment in deployments]
        screen.print(text_table(columns, rows, ("deployment", "outcome")))
    else:
        screen.print("no deployment yet")
    if recoveries:
        columns = ("when", "recovery", "outcome", "restored to", "reason")
        rows = [_recovery_row(recovery) for recovery in recoveries]
        screen.print(text_table(columns, rows, ("recovery", "outcome")))


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
