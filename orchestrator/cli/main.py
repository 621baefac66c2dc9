"""``orchestrator``: ship a release, undo it, answer one that waits, and read why."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import (
    config_commands,
    evidence_commands,
    guard_commands,
    key_commands,
    recovery_commands,
    rehearse_commands,
    release_commands,
)
from orchestrator.cli.answering import AsJson, Env, Watch, answering

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deploys the OAuth service, watches it, takes a bad release back, and says why. "
    "Exit codes: 0 done, 1 rolled back or failed, 2 refused (bad input), 3 the cloud could not be reached.",
)

Id = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="A deployment's id, as `history` lists it.")]
AnyId = Annotated[
    str, typer.Argument(metavar="ID", help="Of a deployment, a drill or a restore, as `history` lists it.")
]


@app.command()
def up(
    env: Env = "local",
    profile: Annotated[
        str | None, typer.Option(help="`instant`, unless `aws-timing` is given: as late and out of order as AWS.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes what is drawn at random repeatable.")] = None,
    restore_seconds: Annotated[
        float | None, typer.Option(help="How long the restore of a table takes; minutes to hours on AWS.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on in the background until `orchestrator down`.")
    ] = False,
    release: Annotated[
        Path | None,
        typer.Option(help="Lay a folder over `service/`: another release, such as `examples/releases/good/service`."),
    ] = None,
) -> None:
    """Start the local cloud and deploy the stacks to it; where it runs, deploy them again."""
    from orchestrator.cli import local

    with answering(False):
        local.up(env, profile, seed, restore_seconds, release, detach=detach)


@app.command()
def down(env: Env = "local") -> None:
    """Stop the local cloud of this folder."""
    from orchestrator.cli import local

    with answering(False):
        local.down(env)


@app.command()
def deploy(
    env: Env = "local",
    release: Annotated[
        str | None, typer.Option(help="The digest that $LATEST must have; otherwise whatever it has.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="A name that `strategies` lists.")] = None,
    steps: Annotated[str | None, typer.Option(help="Inline steps, percent:seconds, such as 10:60,50:120.")] = None,
    checklist: Annotated[list[str] | None, typer.Option(help="item=reference; once for each item.")] = None,
    checklist_file: Annotated[Path | None, typer.Option(help="What `orchestrator checklist` wrote.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks; otherwise your user name.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key is the same deployment.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Ship a release that was rolled back before.")] = False,
    changes_items: Annotated[
        bool, typer.Option("--changes-items", help="It changes what it stores: back up first.")
    ] = False,
    watch: Watch = False,
    json: AsJson = False,
) -> None:
    """Ship what `cdk deploy` put into $LATEST."""
    from orchestrator.cli import shipping
    from orchestrator.cli.context import context_of

    with answering(json):
        given = shipping.request_of(
            release=release,
            strategy=strategy,
            steps=steps,
            checklist=checklist or [],
            checklist_file=checklist_file,
            requested_by=requested_by or getpass.getuser(),
            force=force,
            changes_items=changes_items,
        )
        code = shipping.deploy(context_of(env), given, idempotency_key, watch=watch, json=json)
    raise typer.Exit(code)


@app.command()
def watch(deployment: Id, env: Env = "local", json: AsJson = False) -> None:
    """Follow a deployment until the end."""
    from orchestrator.cli import shipping
    from orchestrator.cli.context import context_of

    with answering(json):
        code = shipping.watch(context_of(env), deployment, json=json)
    raise typer.Exit(code)


@app.command()
def rollback(
    deployment: Annotated[str | None, typer.Argument(help="Otherwise the newest that shifted traffic.")] = None,
    env: Env = "local",
    reason: Annotated[str, typer.Option(help="Goes into the incident.")] = "asked for on the command line",
    watch: Watch = False,
    json: AsJson = False,
) -> None:
    """Put every function back on its stable version."""
    from orchestrator.cli import shipping
    from orchestrator.cli.context import context_of

    with answering(json):
        code = shipping.roll_back(context_of(env), deployment, reason, getpass.getuser(), watch=watch, json=json)
    raise typer.Exit(code)


def _ask(request: str, deployment: str, env: str, json: bool) -> None:
    from orchestrator.cli import shipping
    from orchestrator.cli.context import context_of

    with answering(json):
        shipping.ask(context_of(env), deployment, request, getpass.getuser(), json=json)


@app.command()
def promote(deployment: Id, env: Env = "local", json: AsJson = False) -> None:
    """Promote a deployment now, or answer one that waits so."""
    _ask("promote", deployment, env, json)


@app.command()
def resume(deployment: Id, env: Env = "local", json: AsJson = False) -> None:
    """Let a deployment that waits go on with its next step."""
    _ask("resume", deployment, env, json)


@app.command()
def abort(deployment: Id, env: Env = "local", json: AsJson = False) -> None:
    """Take a deployment back that is under way."""
    _ask("abort", deployment, env, json)


@app.command()
def erase(
    subject: Annotated[
        str,
        typer.Option(
            help="The person, as `sub` names them; `-` reads it from standard input, out of the shell's history."
        ),
    ],
    env: Env = "local",
    units_per_second: Annotated[
        float, typer.Option(min=1, help="How much of the tables' capacity to use, in units a second.")
    ] = 200,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; otherwise only count.")] = False,
    json: AsJson = False,
) -> None:
    """Delete what the service keeps of a person, and end their grants."""
    from orchestrator.cli import erasing
    from orchestrator.cli.context import context_of

    with answering(json):
        erasing.erase(context_of(env), subject, units_per_second, yes=yes, json=json)


@app.command()
def status(env: Env = "local", json: AsJson = False) -> None:
    """Say who holds the claim, where every alias is, what rings, and what $LATEST has."""
    from orchestrator.cli import reading
    from orchestrator.cli.context import context_of

    with answering(json):
        reading.status(context_of(env), json=json)


@app.command()
def history(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List deployments, and drills and restores."""
    from orchestrator.cli import reading
    from orchestrator.cli.context import context_of

    with answering(json):
        reading.history(context_of(env), limit, json=json)


@app.command()
def explain(deployment: AnyId, env: Env = "local", json: AsJson = False) -> None:
    """Every decision of a deployment, or every finding of a drill, with the numbers it rests on."""
    from orchestrator.cli import reading
    from orchestrator.cli.context import context_of

    with answering(json):
        reading.explain(context_of(env), deployment, json=json)


@app.command()
def verify(env: Env = "local", json: AsJson = False) -> None:
    """Look now whether what clients get is healthy."""
    from orchestrator.cli import reading
    from orchestrator.cli.context import context_of

    with answering(json):
        code = reading.verify(context_of(env), json=json)
    raise typer.Exit(code)


@app.command()
def strategies(env: Env = "local", json: AsJson = False) -> None:
    """List the named strategies, with their steps, looks and state transitions."""
    from orchestrator.cli import reading

    with answering(json):
        reading.strategies(env, json=json)


app.add_typer(recovery_commands.app)
app.add_typer(guard_commands.app)
app.add_typer(release_commands.top)
app.add_typer(release_commands.app, name="release")
app.add_typer(key_commands.app, name="keys")
app.add_typer(config_commands.app, name="config")
app.add_typer(rehearse_commands.app, name="rehearse")
app.add_typer(evidence_commands.app, name="evidence")


def help_pages() -> str:
    """The whole command line's help as Markdown, for docs/cli.md."""
    from typer.main import get_command
    from typer.testing import CliRunner

    group = get_command(app)
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    pages = ["# Command line", "", "Generated: `python -m orchestrator.cli.main`. A test holds it.", ""]
    for words in _commands(group, ()):
        shown = runner.invoke(app, [*words, "--help"], prog_name="orchestrator").output
        text = "\n".join(one.rstrip() for one in shown.strip().splitlines())
        pages += [f"## {' '.join(('orchestrator', *words))}", "", "```text", text, "```", ""]
    return "\n".join(pages)


def _commands(group: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Name a command and all below it, each by its words."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*words, name))


if __name__ == "__main__":
    Path("docs/cli.md").write_text(help_pages(), encoding="utf-8")
