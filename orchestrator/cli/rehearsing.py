"""Showing the plan for the loss of a region, and rehearsing it."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import environments
from orchestrator.aws.copies import Copies
from orchestrator.cli.context import clients_of, context_of
from orchestrator.cli.output import as_json, console
from orchestrator.domain.errors import Refused
from orchestrator.domain.region_loss import Facts, RegionLossPlan, plan
from orchestrator.local import region_loss as rehearsal


def region_loss(env: str, to: str | None, *, only_plan: bool, json: bool) -> None:
    """Show the plan, or rehearse it on a local cloud of its own.

    Raises:
        Refused: there is no such environment, it is none of the local cloud and more than the plan is wanted, or there is no plan.
        RehearsalFailed: a step did not come out as it must.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    environment = environments.load(env)
    other = to or environment.backups.copy_region or rehearsal.OTHER
    if only_plan:
        _show(_plan(environment, other), json=json)
        return
    if not environment.local:
        raise Refused("env", env, "rehearse it on the local cloud; --plan says what would be done here")
    if other == environment.region:
        raise Refused("--to", other, f"name a region other than {environment.region}")
    began, screen = time.monotonic(), console()

    def say(what: str) -> None:
        if not json:
            screen.print(f"{time.monotonic() - began:6.1f} s  {what}", markup=False, soft_wrap=True)

    def show(made: RegionLossPlan) -> None:
        if not json:
            _show(made, json=False)

    with tempfile.TemporaryDirectory(prefix="region-loss-") as folder:
        report = rehearsal.rehearse(Path(folder), other, show, say)
    if json:
        as_json(report)
        return
    screen.print(f"\n{report.plan.region} serves", style="bold green")
    screen.print(
        f"data loss {report.data_loss.total_seconds():.1f} s, recovery time {report.recovery_time.total_seconds():.1f} s: "
        "of a small table, with copies made a moment before. An account's copies are hours old and its restores take longer.",
        soft_wrap=True,
    )


def _plan(environment: environments.Environment, other: str) -> RegionLossPlan:
    """Plan from what the other region really has, as if the home region were lost now."""
    context = context_of(environment.name)
    return plan(
        Facts(
            environment=environment.name,
            home=environment.region,
            region=other,
            account=environment.account,
            copies_to=environment.backups.copy_region,
            domain=environment.api.domain.name if environment.api.domain else None,
            looked=(),
            copies=Copies(clients_of(context.environment, other), environment.name).all(),
            now=datetime.now(UTC),
            assumed=True,
        )
    )


def _show(made: RegionLossPlan, *, json: bool) -> None:
    if json:
        as_json(made)
        return
    screen = console()
    screen.print(f"\n{made.environment} goes on in {made.region} when {made.home} is lost", style="bold")
    screen.print(f"what was written since the oldest copy is lost: {made.data_loss.total_seconds():.0f} s")
    for number, step in enumerate(made.steps, 1):
        screen.print(f"\n{number}. {step.title}", style="bold", markup=False, soft_wrap=True)
        screen.print(f"   {step.why}", markup=False, soft_wrap=True)
        if step.needs:
            screen.print(f"   needs, from before: {', '.join(step.needs)}", style="yellow", markup=False)
        for command in step.commands:
            screen.print(f"   $ {command}", style="dim", markup=False, soft_wrap=True)
    screen.print("\nNo step brings back:", style="bold")
    for lost in made.lost:
        screen.print(f"- {lost}", markup=False, soft_wrap=True)
    screen.print("")
