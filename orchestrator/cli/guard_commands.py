"""``orchestrator freeze``, ``thaw``, ``cost`` and ``quota``: what keeps an environment from surprises."""

from __future__ import annotations

import getpass
from pathlib import Path
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


Assumed = Annotated[float | None, typer.Option(min=0, help="Otherwise as [….usage] in environments.toml says.")]


@app.command()
def cost(
    env: Env = "local",
    assembly: Annotated[
        Path | None,
        typer.Option(help="A cloud assembly, such as a release's; otherwise the templates are synthesised."),
    ] = None,
    requests_per_month: Assumed = None,
    stored_gb: Assumed = None,
    deployments_per_month: Assumed = None,
    drills_per_month: Assumed = None,
    json: AsJson = False,
) -> None:
    """Estimate what a month of an environment, a deployment and a drill cost, with what that assumes. Needs no cloud."""
    from orchestrator.cli import costs

    changes = {
        "requests_per_month": requests_per_month,
        "stored_gb": stored_gb,
        "deployments_per_month": deployments_per_month,
        "drills_per_month": drills_per_month,
    }
    with answering(json):
        costs.cost(env, assembly, changes, json=json)


@app.command()
def quota(env: Env = "local", json: AsJson = False) -> None:
    """Count whether what an environment reserves fits into its account, before `cdk deploy` finds out half-way."""
    from orchestrator.cli import quotas
    from orchestrator.cli.context import context_of

    with answering(json):
        quotas.quota(context_of(env), json=json)
