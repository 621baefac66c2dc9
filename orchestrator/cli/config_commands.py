"""``orchestrator config``: what the environment is configured as, then and now."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, answering

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Configuration bundles: what an environment is beside the items of its tables. One is taken every day, before each "
    "deployment and by each drill. Exit codes of `diff`: 0 the same, 1 different.",
)

Bundle = Annotated[str, typer.Argument(metavar="[BUNDLE]", help="A bundle's id, as `config list` lists it.")]


@app.command()
def backup(env: Env = "local", json: AsJson = False) -> None:
    """Take a bundle of what is there now, and keep it."""
    from orchestrator.cli import configuration
    from orchestrator.cli.context import context_of

    with answering(json):
        configuration.backup(context_of(env), getpass.getuser(), json=json)


@app.command("list")
def listed(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the bundles that were taken."""
    from orchestrator.cli import configuration
    from orchestrator.cli.context import context_of

    with answering(json):
        configuration.listed(context_of(env), limit, json=json)


@app.command()
def show(
    bundle: Bundle = "newest",
    env: Env = "local",
    part: Annotated[str, typer.Option(help="Only parts of this kind, or of this kind and name: kind/name.")] = "",
    json: AsJson = False,
) -> None:
    """Show what is in a bundle."""
    from orchestrator.cli import configuration
    from orchestrator.cli.context import context_of

    with answering(json):
        configuration.show(context_of(env), bundle, part, json=json)


@app.command()
def diff(
    bundle: Bundle = "newest",
    env: Env = "local",
    against: Annotated[str | None, typer.Option(help="Another bundle's id.")] = None,
    live: Annotated[bool, typer.Option("--live", help="What is there now; so it is without --against, too.")] = False,
    json: AsJson = False,
) -> None:
    """Compare a bundle with what is there now, or with another bundle."""
    from orchestrator.cli import configuration
    from orchestrator.cli.context import context_of

    with answering(json):
        code = configuration.diff(context_of(env), bundle, against, live=live, json=json)
    raise typer.Exit(code)
