"""Following a deployment, and the rollback that may take over from it, until the end."""

from __future__ import annotations

import time
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.cli.context import Context
from orchestrator.cli.observed import observe
from orchestrator.cli.output import line, step_line, steps_table
from orchestrator.cli.story import Line, outcome_of, story_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Deployment

POLL_SECONDS = 0.5
APPEARS_SECONDS = 60.0
"""How long a started deployment may take until its plan is in the ledger."""


class RefusedByPlan(Exception):
    """The deployment was refused before anything was touched; its text is Plan's own."""


def follow(context: Context, deployment_id: str, screen: Console) -> Deployment:
    """Show what happens as it happens; returns the deployment at its end.

    Raises:
        RefusedByPlan: there is nothing to follow.
    """
    deployment, told = _appears(context, deployment_id), 0
    with Live(console=screen, refresh_per_second=4, transient=True) as live:
        while True:
            lines = story_of(deployment, context.cloud.ledger.decisions(deployment_id))
            for one in lines[told:]:
                screen.print(line(_with_numbers(context, deployment, one)))
            told = len(lines)
            if deployment.ended_at:
                break
            if screen.is_terminal and deployment.shifts:
                live.update(steps_table(observe(context.cloud, deployment, context.cloud.now())))
            elif screen.is_terminal:
                live.update(Text(f"{deployment.phase.lower()} …", style="dim"))
            time.sleep(POLL_SECONDS)
            deployment = context.cloud.ledger.read(deployment_id)
    if deployment.shifts:
        screen.print(steps_table(observe(context.cloud, deployment, context.cloud.now())))
    tone = "green" if deployment.rollback is None else "red"
    screen.print(Text(outcome_of(deployment), style=f"bold {tone}"))
    return deployment


def _with_numbers(context: Context, deployment: Deployment, told: Line) -> Line:
    """Add to a look what was asked and observed up to it."""
    if told.what != "verify":
        return told
    before = [shift for shift in deployment.shifts if shift.at <= told.at]
    if not before:
        return told
    seen = observe(context.cloud, deployment, told.at)[len(before) - 1]
    return Line(told.at, told.what, f"{told.text} [{step_line(seen)}]", told.tone)


def _appears(context: Context, deployment_id: str) -> Deployment:
    ledger, deadline = context.cloud.ledger, context.cloud.now() + timedelta(seconds=APPEARS_SECONDS)
    while context.cloud.now() < deadline:
        found = ledger.find(deployment_id)
        if found:
            return found
        refusal = ledger.refusal(deployment_id)
        if refusal:
            raise RefusedByPlan(refusal.why)
        time.sleep(POLL_SECONDS)
    raise Refused(
        "deployment", deployment_id, "nothing of it reached the ledger; look at its execution in Step Functions"
    )
