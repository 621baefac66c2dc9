"""``orchestrator drill``: prove that the tables can be restored."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from orchestrator.cli.answering import AsJson, Env, Watch, answering

app = typer.Typer()


@app.command()
def drill(
    env: Env = "local",
    to: Annotated[
        str | None, typer.Option(help="A time with its zone, such as 2026-11-23T03:00:00Z; otherwise the latest.")
    ] = None,
    sabotage: Annotated[
        str | None,
        typer.Option(help="What a saboteur breaks, to see that the drill finds it; where recovery.sabotage is true."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what it would do and cost, and change nothing.")] = False,
    key: Annotated[str | None, typer.Option(help="The same key is the same drill.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks; otherwise your user name.")] = None,
    watch: Watch = False,
    json: AsJson = False,
) -> None:
    """Restore the tables beside themselves, compare, measure, and remove the copies. Exit code 0: green, 1: red."""
    from orchestrator.cli import drilling
    from orchestrator.cli.context import context_of

    given: dict[str, object] = {"requested_by": requested_by or getpass.getuser()}
    given |= {"to": to} if to else {}
    given |= {"sabotage": sabotage} if sabotage else {}
    with answering(json):
        if plan:
            drilling.plan(context_of(env), given, json=json)
            return
        code = drilling.drill(context_of(env), given, key, watch=watch, json=json)
    raise typer.Exit(code)
