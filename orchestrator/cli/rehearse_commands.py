"""``orchestrator rehearse``: what is to be done on a bad day, done on a good one."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, answering

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Rehearsals of what is done on a bad day, on a local cloud that is started for them.",
)


@app.callback()
def rehearse() -> None:
    """Rehearsals of what is done on a bad day, on a local cloud that is started for them."""


@app.command("region-loss")
def region_loss(
    env: Env = "local",
    to: Annotated[
        str | None, typer.Option(help="The region that takes over; otherwise where backups are copied to.")
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only say what would be done if the region were lost now; in any environment."),
    ] = False,
    json: AsJson = False,
) -> None:
    """Lose the home region, and run the plan for the other one to its end: tables from copies, stacks, whole OAuth flows."""
    from orchestrator.cli import rehearsing

    with answering(json):
        rehearsing.region_loss(env, to, only_plan=plan, json=json)
