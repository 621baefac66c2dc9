"""``orchestrator drill`` proves that the tables can be restored, ``orchestrator restore`` does it."""

from __future__ import annotations

import getpass
from pathlib import Path
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

    given = _given(requested_by, to=to, sabotage=sabotage)
    with answering(json):
        if plan:
            drilling.plan(context_of(env), given, json=json)
            return
        code = drilling.drill(context_of(env), given, key, watch=watch, json=json)
    raise typer.Exit(code)


@app.command()
def restore(
    env: Env = "local",
    to: Annotated[
        str | None, typer.Option(help="A time with its zone, such as 2026-11-23T03:00:00Z; otherwise the latest.")
    ] = None,
    backup: Annotated[
        str | None, typer.Option(help="The name of a backup that every table has, in place of a time.")
    ] = None,
    back: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Of a restore: use the tables again that it left, with what was written since."
        ),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what it would do and cost, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    through_freeze: Annotated[
        bool, typer.Option("--through-freeze", help="Begin although the environment is frozen.")
    ] = False,
    uncompared: Annotated[
        bool,
        typer.Option(
            "--uncompared", help="Do not compare what the copies hold with their source, which would have to be read."
        ),
    ] = False,
    write_settings: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Of a restore that has succeeded: have environments.toml name its tables."),
    ] = None,
    settings_file: Annotated[
        Path | None, typer.Option(help="What --write-settings changes; otherwise environments.toml.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The same key is the same restore.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks; otherwise your user name.")] = None,
    watch: Watch = False,
    json: AsJson = False,
) -> None:
    """Restore the tables beside themselves, and have the service use the copies. Shows its plan and asks first."""
    from orchestrator.cli import restoring
    from orchestrator.cli.context import context_of

    given = _given(requested_by, to=to, backup=backup, through_freeze=through_freeze, uncompared=uncompared, back=back)
    with answering(json):
        context = context_of(env)
        if write_settings:
            restoring.write_settings(context, write_settings, *([settings_file] if settings_file else []))
            return
        if plan:
            restoring.plan(context, given, json=json)
            return
        code = restoring.restore(
            context, given, key, lambda question: yes or (not json and typer.confirm(question)), watch=watch, json=json
        )
    raise typer.Exit(code)


def _given(requested_by: str | None, **asked: str | bool | None) -> dict[str, object]:
    """What a machine is given: who asks, and what was asked for of all that may be."""
    said = {name: value for name, value in asked.items() if value}
    return {"requested_by": requested_by or getpass.getuser(), **said}
