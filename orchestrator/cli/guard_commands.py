"""``orchestrator freeze`` and ``thaw``: the switch that keeps deployments from beginning."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, answering

app = typer.Typer()

Reason = Annotated[str, typer.Option(help="Why; whoever meets it reads this.")]


@app.command()
def freeze(reason: Reason, env: Env = "local", json: AsJson = False) -> None:
    """Let no deployment begin in an environment. Rollbacks are never refused; one under way goes on."""
    from orchestrator.cli import freezing
    from orchestrator.cli.context import context_of

    with answering(json):
        freezing.freeze(context_of(env), reason, getpass.getuser(), json=json)


@app.command()
def thaw(reason: Reason, env: Env = "local", json: AsJson = False) -> None:
    """Let deployments begin again in an environment that was frozen."""
    from orchestrator.cli import freezing
    from orchestrator.cli.context import context_of

    with answering(json):
        freezing.thaw(context_of(env), reason, getpass.getuser(), json=json)
