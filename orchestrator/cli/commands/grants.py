"""``orchestrator grants``: what was issued to users."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine(no_args_is_help=True, help="Revoke what was issued to users.")


@app.callback()
def grants() -> None:
    """Revoke what was issued to users."""


@app.command("revoke-all")
def revoke_all(
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    env: Env = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Reject all that was issued so far; all users log in again."""
    from orchestrator.cli.actions.grants import revoke_all as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name
    from orchestrator.cli.rendering.output import console

    with report_errors(json):
        context = context_of(env)
        if not yes and not json:
            for sentence in action.consequences(context):
                console().print(sentence, markup=False)
            typer.confirm("Revoke all grants?", abort=True)
        by = operator_name(requested_by, context)
        action.revoke_all(context, reason, by, confirmed=yes or not json, json=json)
