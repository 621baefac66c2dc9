"""``orchestrator failover``: the plan of a regional failover, and its rehearsal."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.program import CommandLine

app = CommandLine(no_args_is_help=True, help="Plan or rehearse a failover to another region.")

Region = Annotated[str | None, typer.Option(help="Target region; default: the region of the backup copies.")]


@app.command()
def plan(env: Env = "local", to: Region = None, json: AsJson = False) -> None:
    """Print the current failover plan; changes nothing."""
    from orchestrator.cli.actions import failover

    with report_errors(json):
        failover.plan(env, to, json=json)


@app.command()
def rehearse(env: Env = "local", to: Region = None, json: AsJson = False) -> None:
    """Run the failover plan on a separate local cloud."""
    from orchestrator.cli.actions import failover

    with report_errors(json):
        require("local")
        failover.rehearse(env, to, json=json)
