"""``orchestrator freeze``, ``unfreeze``, ``cost``, ``check-quotas`` and ``remove-failed-stacks``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine()

Reason = Annotated[str, typer.Option(help="Reason; shown when a deployment is refused.")]


@app.command()
def freeze(reason: Reason, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Refuse new deployments, restores and failbacks."""
    from orchestrator.cli.actions import freeze
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        freeze.freeze(context, reason, operator_name(requested_by, context), json=json)


@app.command()
def unfreeze(reason: Reason, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Unfreeze an environment: allow deployments again."""
    from orchestrator.cli.actions import freeze
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        freeze.unfreeze(context, reason, operator_name(requested_by, context), json=json)


Assumed = Annotated[float | None, typer.Option(min=0, max=1e12, help="Default: [….usage] in environments.toml.")]


@app.command()
def cost(
    env: Env = "local",
    assembly: Annotated[
        Path | None,
        typer.Option(help="Cloud assembly to estimate; default: synthesise one."),
    ] = None,
    requests_per_month: Assumed = None,
    stored_gb: Assumed = None,
    deployments_per_month: Assumed = None,
    drills_per_month: Assumed = None,
    json: AsJson = False,
) -> None:
    """Estimate the cost of a month, a deployment, a drill."""
    from orchestrator.cli.actions import costs

    changes = {
        "requests_per_month": requests_per_month,
        "stored_gb": stored_gb,
        "deployments_per_month": deployments_per_month,
        "drills_per_month": drills_per_month,
    }
    with report_errors(json):
        costs.estimate_cost(env, assembly, changes, json=json)


@app.command("check-quotas")
def check_quotas(env: Env = "local", json: AsJson = False) -> None:
    """Check the account's Lambda quotas for the environment."""
    from orchestrator.cli.actions import quotas
    from orchestrator.cli.context import context_of

    with report_errors(json):
        quotas.check_quotas(context_of(env), json=json)


@app.command("remove-failed-stacks")
def remove_failed_stacks(
    env: Env = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it, only show them.")] = False,
    json: AsJson = False,
) -> None:
    """Remove stacks whose creation failed, to deploy again."""
    from orchestrator.cli.actions.stacks import remove_failed
    from orchestrator.cli.context import context_of

    with report_errors(json):
        remove_failed.remove_failed_stacks(context_of(env), yes=yes, json=json)
