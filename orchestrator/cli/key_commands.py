"""``orchestrator keys``: which keys sign access tokens, and what becomes of them."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, answering

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="The keys that sign access tokens: list them, rotate them now, revoke one that leaked. Rotation needs nobody: a "
    "schedule looks every 15 minutes, publishes a new key when one has signed for key_rotation_days, and carries on.",
)


@app.callback()
def keys(context: typer.Context, env: Env = "local", json: AsJson = False) -> None:
    """List the signing keys: phase, age, and what comes next."""
    if context.invoked_subcommand is not None:
        return
    from orchestrator.cli import keys as shown
    from orchestrator.cli.context import context_of

    with answering(json):
        shown.listed(context_of(env), json=json)


@app.command()
def rotate(
    env: Env = "local",
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until the new key is the only one.")] = False,
    json: AsJson = False,
) -> None:
    """Publish a new key now; the schedule has it sign as soon as every client can know it."""
    from orchestrator.cli import keys as shown
    from orchestrator.cli.context import context_of

    with answering(json):
        shown.rotate(context_of(env), getpass.getuser(), watch=watch, json=json)


@app.command()
def revoke(
    kid: Annotated[str, typer.Argument(metavar="KID", help="A key's id, as `keys` lists it.")],
    env: Env = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Take a key that leaked out at once. Its tokens die; clients refresh. The key that signs goes once another is published."""
    from orchestrator.cli import keys as shown
    from orchestrator.cli.context import context_of

    with answering(json):
        context = context_of(env)
        consequences = shown.consequences(context, kid)
        if not yes and not json:
            for one in consequences:
                typer.echo(one)
            typer.confirm("Revoke it?", abort=True)
        shown.revoke(context, kid, getpass.getuser(), confirmed=yes or not json, json=json)
