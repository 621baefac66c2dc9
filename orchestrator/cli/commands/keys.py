"""``orchestrator keys``: the keys that sign access tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, JsonLines, RequestedBy, report_errors
from orchestrator.cli.program import CommandLine

app = CommandLine(
    invoke_without_command=True,
    help="List, rotate and revoke signing keys.",
)


@app.callback()
def keys(context: typer.Context, env: Env = "local", json: AsJson = False) -> None:
    """List the signing keys: phase, age and next step."""
    if context.invoked_subcommand is not None:
        return
    from orchestrator.cli.actions import keys as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.list_keys(context_of(env), json=json)


@app.command()
def rotate(
    env: Env = "local",
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until the new key is the only one.")] = False,
    requested_by: RequestedBy = None,
    json: JsonLines = False,
) -> None:
    """Publish a new key; it signs once clients have cached it."""
    from orchestrator.cli.actions import keys as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json, lines=watch):
        context = context_of(env)
        action.rotate(context, operator_name(requested_by, context), watch=watch, json=json)


# The id of a key may begin with a dash (it is a base64url digest), and is no option then.
@app.command(context_settings={"ignore_unknown_options": True})
def revoke(
    kid: Annotated[str, typer.Argument(metavar="KID", help="Id of a key; `keys` lists them.")],
    env: Env = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Revoke a leaked key at once; its tokens become invalid."""
    from orchestrator.cli.actions import keys as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name
    from orchestrator.cli.rendering.output import console

    with report_errors(json):
        context = context_of(env)
        consequences = action.consequences(context, kid)
        if not yes and not json:
            for consequence in consequences:
                console().print(consequence)
            typer.confirm("Revoke the key?", abort=True)
        action.revoke(context, kid, operator_name(requested_by, context), confirmed=yes or not json, json=json)
