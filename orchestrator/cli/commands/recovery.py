"""``orchestrator drill`` tests a restore, ``restore`` switches to restored tables, ``failback`` switches back.

``restore`` is a command and a group, as ``keys`` is: ``restore list`` and ``restore discard`` are about restored tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, JsonLines, RequestedBy, Watch, report_errors
from orchestrator.cli.program import CommandLine
from orchestrator.cli.usage import refuse_options

if TYPE_CHECKING:
    from orchestrator.cli.context import Context

app = CommandLine()
restores = CommandLine(invoke_without_command=True, help="Restore to new tables and switch the service to them.")


@app.command()
def drill(
    command: typer.Context,
    env: Env = "local",
    from_: Annotated[
        str | None, typer.Option("--from", metavar="KIND", help="pitr (default), backup, vault or copy.")
    ] = None,
    select: Annotated[
        str | None, typer.Option(metavar="WHICH", help="Which to restore: latest (default), random or oldest.")
    ] = None,
    within_days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Select from the backups of so many days.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Recovery point, an ISO 8601 time; default: the latest.")] = None,
    inject_fault: Annotated[str | None, typer.Option(help="Fault to inject, which the drill must detect.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and its cost; change nothing.")] = False,
    key: Annotated[str | None, typer.Option(help="Key that identifies the drill.")] = None,
    requested_by: RequestedBy = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Restore to temporary tables, verify them, and clean up."""
    from orchestrator.cli.actions import drill
    from orchestrator.cli.context import context_of

    with report_errors(json, lines=watch):
        if plan:
            _refuse_with_plan(command)
        context = context_of(env)
        options: dict[str, str | int | None] = {
            "from": from_,
            "select": select,
            "within_days": within_days,
            "to": to,
            "fault": inject_fault,
        }
        request = _request(requested_by, context, **options)
        if plan:
            drill.plan(context, request, json=json)
            return
        code = drill.drill(context, request, key, watch=watch, json=json)
    raise typer.Exit(code)


@restores.callback()
def restore(
    command: typer.Context,
    env: Env = "local",
    to: Annotated[str | None, typer.Option(help="Recovery point, an ISO 8601 time; default: the latest.")] = None,
    backup: Annotated[str | None, typer.Option(help="Name of a backup, instead of a recovery point.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and its cost; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    override_freeze: Annotated[
        bool, typer.Option("--override-freeze", help="Start although the environment is frozen.")
    ] = False,
    skip_comparison: Annotated[
        bool, typer.Option("--skip-comparison", help="Do not compare restored and live tables.")
    ] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Replay what was written since the recovery point.")] = False,
    corrupted: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Kind not to replay: login, code, client, family; repeatable."),
    ] = None,
    write_settings: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Write the tables of this restore to environments.toml."),
    ] = None,
    settings_file: Annotated[
        Path | None, typer.Option(help="File for --write-settings; default: environments.toml.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Key that identifies the restore.")] = None,
    requested_by: RequestedBy = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Restore to new tables and switch the service to them."""
    if command.invoked_subcommand is not None:
        return
    from orchestrator.cli.actions import restore
    from orchestrator.cli.context import context_of

    with report_errors(json, lines=watch):
        if write_settings:
            named = ("--write-settings", "--settings-file", "--env", "--json")
            refuse_options(command, "omit it: --write-settings only writes the settings of a restore", but=named)
            restore.write_settings(context_of(env), write_settings, settings_file, json=json)
            return
        refuse_options(command, "give it with --write-settings, which writes the file", only=("--settings-file",))
        if plan:
            _refuse_with_plan(command)
        context = context_of(env)
        request = _request(
            requested_by,
            context,
            to=to,
            backup=backup,
            override_freeze=override_freeze,
            skip_comparison=skip_comparison,
            replay=replay,
            corrupted=corrupted,
        )
        code = _plan_or_restore(context, request, key, plan=plan, yes=yes, watch=watch, json=json)
    raise typer.Exit(code)


@restores.command("list")
def list_restored(env: Env = "local", json: AsJson = False) -> None:
    """List restored tables with use, age and cost."""
    from orchestrator.cli.actions.restores import restored_tables
    from orchestrator.cli.context import context_of

    with report_errors(json):
        restored_tables.list_tables(context_of(env), json=json)


@restores.command()
def discard(
    restore_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a restore; `restore list` lists them.")],
    env: Env = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Delete the unused tables of a restore."""
    from orchestrator.cli.actions.restores import restored_tables
    from orchestrator.cli.context import context_of
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_of(env)
        restored_tables.discard(
            context,
            restore_id,
            operator_name(requested_by, context),
            lambda question: yes or (not json and typer.confirm(question)),
            json=json,
        )


@app.command()
def failback(
    command: typer.Context,
    restore_id: Annotated[
        str | None, typer.Argument(metavar="RESTORE", help="Restore to fail back from; or --latest.")
    ] = None,
    env: Env = "local",
    latest: Annotated[bool, typer.Option("--latest", help="Fail back from the restore in use.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan and its cost; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    override_freeze: Annotated[
        bool, typer.Option("--override-freeze", help="Start although the environment is frozen.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="Key that identifies the failback.")] = None,
    requested_by: RequestedBy = None,
    watch: Watch = False,
    json: JsonLines = False,
) -> None:
    """Switch back to the original tables, keeping all writes."""
    from orchestrator.cli.actions import restore
    from orchestrator.cli.context import context_of

    with report_errors(json, lines=watch):
        if plan:
            _refuse_with_plan(command)
        context = context_of(env)
        source = restore.restore_in_use(context, restore_id, latest=latest)
        request = _request(requested_by, context, override_freeze=override_freeze, failback_of=source)
        code = _plan_or_restore(context, request, key, plan=plan, yes=yes, watch=watch, json=json)
    raise typer.Exit(code)


def _refuse_with_plan(command: typer.Context) -> None:
    """Refuse options that are about what is started. `--yes` may stay: a plan needs no confirmation."""
    refuse_options(command, "omit it: --plan starts nothing", only=("--watch", "--key"))


def _plan_or_restore(
    context: Context, request: dict[str, object], key: str | None, *, plan: bool, yes: bool, watch: bool, json: bool
) -> int:
    """Show the plan of a restore or a failback, or run it; returns the exit code."""
    from orchestrator.cli.actions import restore

    if plan:
        restore.plan(context, request, json=json)
        return 0
    return restore.restore(
        context, request, key, lambda question: yes or (not json and typer.confirm(question)), watch=watch, json=json
    )


def _request(requested_by: str | None, context: Context, **options: str | int | list[str] | None) -> dict[str, object]:
    """Return the input of the state machine: the requester and the options that are set."""
    from orchestrator.cli.operator import operator_name

    chosen = {name: value for name, value in options.items() if value}
    return {"requested_by": operator_name(requested_by, context), **chosen}
