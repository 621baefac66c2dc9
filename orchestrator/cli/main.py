"""``orchestrator``: the command line. Deploy a release, roll it back, answer a paused deployment, show decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands import (
    checks,
    clients,
    compliance,
    config,
    console,
    evidence,
    failover,
    grants,
    guards,
    incident,
    keys,
    maintenance,
    notify,
    project,
    recovery,
    rehearse,
    release,
    reports,
    status_page,
    upkeep,
)
from orchestrator.cli.errors import AsJson, Env, JsonLines, RequestedBy, Watch, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.program import CommandLine
from orchestrator.cli.usage import refuse_options

app = CommandLine(
    program=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Progressive delivery and disaster recovery of the OAuth service. "
    "Exit codes: 0 succeeded, 1 rolled back or failed, 2 refused, nothing was changed, 3 AWS could not be reached or "
    "rejected a request, 4 the output could not be written (its reader closed the pipe), 130 interrupted.",
)

Id = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Id of a deployment; `history` lists them.")]
AnyId = Annotated[str, typer.Argument(metavar="ID", help="Id of a deployment, drill or restore.")]


@app.command()
def up(
    env: Env = "local",
    profile: Annotated[
        str | None, typer.Option(help="Event delays: `instant` or `aws-timing`; default instant.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the random number generators.")
    ] = None,
    restore_seconds: Annotated[
        float | None, typer.Option(min=0, max=86_400, help="Duration of a table restore, in seconds.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Run in the background until `orchestrator down`.")] = False,
    release: Annotated[
        Path | None,
        typer.Option(help="Folder whose files replace those of `service/`."),
    ] = None,
) -> None:
    """Start the local cloud and deploy the stacks to it."""
    with report_errors(False):
        require("local")
        from orchestrator.cli.actions import local

        local.up(env, profile, seed, restore_seconds, release, detach=detach)


@app.command()
def down(env: Env = "local") -> None:
    """Stop the local cloud of the project."""
    with report_errors(False):
        require("local")
        from orchestrator.cli.actions import local

        local.down(env)


@app.command()
def deploy(
    env: Env = "local",
    release: Annotated[str | None, typer.Option(help="Digest that $LATEST must have; default: any.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Named strategy; `strategies` lists them.")] = None,
    steps: Annotated[str | None, typer.Option(help="Steps as percent:seconds, such as 10:60,50:120.")] = None,
    checklist: Annotated[list[str] | None, typer.Option(help="Checklist item as item=reference; repeatable.")] = None,
    checklist_file: Annotated[Path | None, typer.Option(help="File written by `orchestrator checklist`.")] = None,
    requested_by: RequestedBy = None,
    idempotency_key: Annotated[str | None, typer.Option(help="Key that identifies the deployment.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Deploy a release that was rolled back before.")] = False,
    schema_change: Annotated[
        bool, typer.Option("--schema-change", help="Back up first: the release changes the item schema.")
    ] = False,
    outside_calendar: Annotated[
        str | None, typer.Option(metavar="REASON", help="Deploy although the calendar is closed.")
    ] = None,
    changelog: Annotated[
        str | None, typer.Option(metavar="TEXT|@FILE", help="What changes for clients, sent to them on success.")
    ] = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Deploy the release that is in $LATEST."""
    from orchestrator.cli.actions import deploy
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import credentials_of, operator_name

    with report_errors(json, lines=watch):
        request = deploy.build_request(
            release=release,
            strategy=strategy,
            steps=steps,
            checklist=checklist or [],
            checklist_file=checklist_file,
            requested_by=requested_by or "",
            force=force,
            schema_change=schema_change,
            outside_calendar=outside_calendar,
            changelog=changelog,
        )
        context = context_of(env)
        request |= {"requested_by": operator_name(requested_by, context), **credentials_of(context)}
        code = deploy.deploy(context, request, idempotency_key, watch=watch, json=json)
    raise typer.Exit(code)


@app.command()
def watch(
    deployment: AnyId,
    env: Env = "local",
    requested_by: RequestedBy = None,
    json: Annotated[bool, typer.Option("--json", help="Print each event as one JSON object a line.")] = False,
) -> None:
    """Follow a deployment, drill or restore until its end."""
    from orchestrator.cli.actions import deploy
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json, lines=True):
        context = context_of(env)
        code = deploy.watch(context, deployment, operator_name(requested_by, context), json=json)
    raise typer.Exit(code)


@app.command()
def rollback(
    deployment: Annotated[str | None, typer.Argument(help="Default: the newest that shifted traffic.")] = None,
    env: Env = "local",
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSIONS", help="Other targets, such as token=26,public=14."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Reason, recorded in the incident.")] = "requested on the command line",
    requested_by: RequestedBy = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Point every alias back at its stable version."""
    from orchestrator.cli.actions import deploy
    from orchestrator.cli.actions import repair as to_versions
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json, lines=watch):
        context = context_of(env)
        by = operator_name(requested_by, context)
        if to is None:
            code = deploy.roll_back(context, deployment, reason, by, watch=watch, json=json)
        else:
            to_versions.refuse_named_deployment(deployment)
            code = to_versions.roll_back_to(context, to, reason, by, watch=watch, json=json)
    raise typer.Exit(code)


@app.command()
def repair(
    command: typer.Context,
    env: Env = "local",
    adopt: Annotated[bool, typer.Option("--adopt", help="Keep the live versions, without weights.")] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Back to the state that the ledger recorded.")] = False,
    reason: Annotated[str, typer.Option(help="Reason, recorded in the incident.")] = "requested on the command line",
    requested_by: RequestedBy = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Plan or repair aliases that were changed by hand."""
    from orchestrator.cli.actions import repair as action
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json, lines=watch):
        if not adopt and not revert:
            refuse_options(command, "give it with --adopt or --revert", only=("--watch", "--reason"))
        context = context_of(env)
        by = operator_name(requested_by, context)
        code = action.repair(context, adopt=adopt, revert=revert, reason=reason, by=by, watch=watch, json=json)
    raise typer.Exit(code)


def _send_command(command: str, deployment: str, env: str, requested_by: str | None, json: bool) -> None:
    from orchestrator.cli.actions import deploy
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        deploy.send_command(context, deployment, command, operator_name(requested_by, context), json=json)


@app.command()
def promote(deployment: Id, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Promote the canary now, skipping the remaining steps."""
    _send_command("promote", deployment, env, requested_by, json)


@app.command()
def resume(deployment: Id, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Resume a paused deployment with its next step."""
    _send_command("resume", deployment, env, requested_by, json)


@app.command()
def approve(deployment: Id, env: Env = "local", json: AsJson = False) -> None:
    """Approve a deployment that waits for approval, as yourself."""
    from orchestrator.cli.actions import deploy
    from orchestrator.cli.context import context_of

    with report_errors(json):
        deploy.approve(context_of(env), deployment, json=json)


@app.command()
def abort(deployment: Id, env: Env = "local", requested_by: RequestedBy = None, json: AsJson = False) -> None:
    """Abort a deployment in progress and roll it back."""
    _send_command("abort", deployment, env, requested_by, json)


@app.command()
def erase(
    subject: Annotated[
        str,
        typer.Option(help="The user's `sub`; `-` reads it from standard input."),
    ],
    env: Env = "local",
    units_per_second: Annotated[
        float, typer.Option(min=1, max=40_000, help="Capacity to use, in units per second.")
    ] = 200,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, only count.")] = False,
    json: AsJson = False,
) -> None:
    """Erase a user's data and revoke their grants."""
    from orchestrator.cli.actions.grants import erase_user
    from orchestrator.cli.context import context_of

    with report_errors(json):
        erase_user.erase(context_of(env), subject, units_per_second, yes=yes, json=json)


@app.command()
def status(env: Env = "local", json: AsJson = False) -> None:
    """Show the lock, aliases, firing alarms and $LATEST."""
    from orchestrator.cli.actions.status import show_status
    from orchestrator.cli.context import context_of

    with report_errors(json):
        show_status(context_of(env), json=json)


@app.command()
def history(
    env: Env = "local",
    limit: Annotated[int, typer.Option(min=1, max=200, help="Number of entries, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List deployments, drills and restores."""
    from orchestrator.cli.actions.history import list_history
    from orchestrator.cli.context import context_of

    with report_errors(json):
        list_history(context_of(env), limit, json=json)


@app.command()
def explain(deployment: AnyId, env: Env = "local", json: AsJson = False) -> None:
    """Show the evidence behind every decision or check result."""
    from orchestrator.cli.actions import explain as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        action.explain(context_of(env).of_record(deployment), deployment, json=json)


@app.command()
def verify(
    env: Env = "local",
    flows: Annotated[int, typer.Option(min=0, max=50, help="Complete OAuth flows to run as the synthetic client.")] = 0,
    json: AsJson = False,
) -> None:
    """Verify now that the live versions are healthy."""
    from orchestrator.cli.actions import verify as action
    from orchestrator.cli.context import context_of

    with report_errors(json):
        code = action.verify(context_of(env), flows=flows, json=json)
    raise typer.Exit(code)


@app.command()
def strategies(env: Env = "local", json: AsJson = False) -> None:
    """List the named strategies and their steps."""
    from orchestrator.cli.actions.strategies import list_strategies

    with report_errors(json):
        list_strategies(env, json=json)


app.callback()(project.options)
app.add_typer(project.app)
app.add_typer(recovery.app)
app.add_typer(recovery.restores, name="restore")
app.add_typer(guards.app)
app.add_typer(reports.app)
app.add_typer(console.app)
app.add_typer(checks.app)
app.add_typer(compliance.app)
app.add_typer(upkeep.app)
app.add_typer(release.top)
app.add_typer(release.app, name="release")
app.add_typer(config.top)
app.add_typer(keys.app, name="keys")
app.add_typer(clients.app, name="clients")
app.add_typer(grants.app, name="grants")
app.add_typer(config.app, name="config")
app.add_typer(failover.app, name="failover")
app.add_typer(rehearse.app, name="rehearse")
app.add_typer(evidence.app, name="evidence")
app.add_typer(incident.app, name="incident")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(notify.app, name="notify")
app.add_typer(status_page.app, name="status-page")


def help_pages() -> str:
    """Return the help of every command as Markdown, for docs/reference/cli.md."""
    from typer.main import get_command
    from typer.testing import CliRunner

    group = get_command(app)
    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    pages = [
        "# Command line",
        "",
        "For operators: every command of `orchestrator` with its options.",
        "",
        "Generated by `python -m orchestrator.cli.main`. `tests/unit/cli/test_help.py` compares this page with the",
        "command line.",
        "",
    ]
    for words in _commands(group, ()):
        shown = runner.invoke(app, [*words, "--help"], prog_name="orchestrator").output
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        pages += [f"## {' '.join(('orchestrator', *words))}", "", "```text", text, "```", ""]
    return "\n".join(pages)


def _commands(group: object, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command, then those of its subcommands."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*words, name))


if __name__ == "__main__":
    Path("docs/reference/cli.md").write_text(help_pages(), encoding="utf-8")
