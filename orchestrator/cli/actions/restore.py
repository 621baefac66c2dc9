"""The commands `restore` and `failback`: show the plan, confirm, start, follow, and update the settings file."""

from __future__ import annotations

import json as encoder
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from orchestrator import environments
from orchestrator.application.start_request import start_request
from orchestrator.cli.actions import drill
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.deployment.freeze import refuse_frozen
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.attachments import to_be_moved
from orchestrator.domain.recovery.backup_times import describe_times
from orchestrator.domain.recovery.plan import RecoveryPlan
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.request import new_recovery_key, recovery_id
from orchestrator.domain.recovery.restore import settings_after
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.environments import project
from orchestrator.environments.toml_editor import read_exactly, with_value, write_in_place

NEWEST = 50
"""How many restores --latest searches."""


def plan(context: Context, request: Mapping[str, object], *, json: bool) -> None:
    """Show the plan of a restore or failback. Changes nothing.

    Raises:
        Refused: it would be refused.
    """
    recovery_plan = drill.plan_recovery(context, request, "dr-planned", Kind.RESTORE)
    if json:
        print_json(recovery_plan)
    else:
        _show(context, recovery_plan, request)


def restore(
    context: Context,
    request: Mapping[str, object],
    key: str | None,
    confirm: Callable[[str], bool],
    *,
    watch: bool,
    json: bool,
) -> int:
    """Show the plan, ask for confirmation, start the restore and, with `watch`, follow it; return the exit code.

    Args:
        context: the environment.
        request: the input of the state machine.
        key: identifies the restore; a restore with the same key is not started twice.
        confirm: asks the operator; returns whether the operator agrees.
        watch: follow it until its end.
        json: print one JSON object.

    Raises:
        Refused: the input is invalid, the restore would be refused, or the operator did not agree; nothing was started.
        RefusedByPlan: the plan rejected it; nothing was changed.
        Unreachable: it was started, but its plan did not answer in time.
    """
    name = recovery_id(key or new_recovery_key(context.cloud.now(), secrets.token_bytes(8)))
    refuse_frozen(context.cloud.freezes.read_freeze(), override=bool(request.get("override_freeze")))
    recovery_plan = drill.plan_recovery(context, request, name, Kind.RESTORE)
    if not json:
        _show(context, recovery_plan, request)
    tables = "back to the original tables" if request.get("failback_of") else "to the restored tables"
    if not confirm(f"Switch the OAuth service of {context.name} {tables}?"):
        raise Refused("confirmation", "no", "nothing was started; agree, or give --yes")
    started = start_request(context.cloud.executions, context.state_machine_arn("restore"), name, request)
    if watch:
        drill.note_repeated(name, started=started)
        code = drill.follow_recovery(context, name, str(request["requested_by"]), json=json)
        if not json:
            show_settings(context, context.cloud.restores.read_record(name))
        return code
    return drill.report_answer(context, name, started=started, json=json)


def restore_in_use(context: Context, restore_id: str | None, *, latest: bool) -> str:
    """Return the id of the restore to fail back from: the one that is named, or the newest whose tables are in use.

    Raises:
        Refused: neither an id nor `latest` is given, or both, or no restore is in use.
    """
    if (restore_id is None) is not latest:
        raise Refused("restore", restore_id or "", "name a restore that `orchestrator history` lists, or give --latest")
    if restore_id is not None:
        return restore_id
    in_use = [
        recovery
        for recovery in context.cloud.restores.newest_records(NEWEST)
        if recovery.kind is Kind.RESTORE and recovery.in_use
    ]
    if not in_use:
        raise Refused("--latest", "none", f"no restore of the last {NEWEST} is in use; name one")
    return in_use[0].id


def write_settings(context: Context, name: str, file: Path | None = None, *, json: bool = False) -> None:
    """Write the restored tables in use, and their lowest revocation epoch, into a settings file, or the project's.

    Raises:
        Refused: there is no such restore, its tables are not in use, or the file cannot be edited; the file is
            unchanged.
    """
    recovery = context.cloud.restores.read_record(name)
    if recovery.kind is not Kind.RESTORE or recovery.ended_at is None or not recovery.in_use:
        raise Refused("restore", name, f"the service does not use its tables: {recovery.reason or 'it is in progress'}")
    file = file or environments.settings_file()
    settings = settings_after(recovery)
    try:
        document = read_exactly(file)
        for setting, value in settings.items():
            document = with_value(document, f"{context.name}.service.tables", setting, value)
        _refuse_invalid(context.name, document)
        write_in_place(file, document)
    except OSError as error:
        raise Refused("--settings-file", str(file), f"it cannot be read or written: {error.strerror}") from error
    except EnvironmentRefused as error:
        raise Refused(error.field, error.value, error.remedy) from error
    if json:
        print_json({"file": str(file), "settings": settings})
        return
    deploy = "orchestrator up" if context.environment.local else "npx cdk deploy"
    console().print(f"{file.name} now names the tables in use; run `{deploy}` so that the stacks agree")


def _refuse_invalid(name: str, document: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / project.NAME
        file.write_bytes(document.encode())
        environments.load(name, file)


def show_settings(context: Context, recovery: Recovery) -> None:
    """Print the settings that the settings file must contain, if the tables of the restore are in use."""
    if not recovery.in_use:
        return
    screen = console()
    tables = "The original tables are" if recovery.failback_of else "The restored tables are"
    screen.print(f"{tables} in use. Update environments.toml now; until then every deployment is refused:")
    screen.print(f"[{context.name}.service.tables]", markup=False)
    for setting, value in settings_after(recovery).items():
        screen.print(f"{setting} = {encoder.dumps(value, allow_nan=False)}", markup=False)
    screen.print(f"or: orchestrator restore --write-settings {recovery.id} --env {context.name}", markup=False)
    for sentence in to_be_moved(recovery.check_results):
        screen.print(sentence, markup=False)


def _show(context: Context, recovery_plan: RecoveryPlan, request: Mapping[str, object]) -> None:
    screen = console()
    if request.get("failback_of"):
        _show_failback(recovery_plan)
        return
    drill.show_plan(recovery_plan)
    screen.print(_data_loss(request, (context.cloud.now() - recovery_plan.point).total_seconds()))
    screen.print(
        "The restored tables are verified; then a deployment switches the service to them at once. From the block "
        "of the original tables until the switch is complete, the service returns 503."
    )
    _show_backups(screen, recovery_plan)


def _data_loss(request: Mapping[str, object], seconds: float) -> str:
    """Return what is lost of the writes since the recovery point."""
    if not request.get("replay"):
        return (
            f"Data loss: the writes of the {seconds:.0f} s since the recovery point, and those until the original "
            "tables are blocked, are not in the restored tables."
        )
    corrupted = request.get("corrupted")
    but = f", except those of the kinds {', '.join(map(str, corrupted))}" if isinstance(corrupted, list) else ""
    return (
        f"The writes of the {seconds:.0f} s since the recovery point, and those until the original tables are "
        f"blocked, are replayed onto the restored tables{but}."
    )


def _show_backups(screen: Console, recovery_plan: RecoveryPlan) -> None:
    """Show which tables are restored from which backups, and how far the times of all tables are apart."""
    tables = recovery_plan.tables
    deleted = [table.source for table in tables if table.gone]
    if deleted:
        screen.print(f"Deleted tables, restored from their backups: {', '.join(deleted)}.")
    drill.show_backups(recovery_plan)
    continuous = not all(table.backup_at for table in tables)
    if continuous and describe_times(tables, recovery_plan.point) and recovery_plan.point == recovery_plan.latest:
        screen.print(
            "The tables that exist do not reach the time of the deletion yet: point-in-time recovery is usually "
            "5 minutes behind. A restore that starts later loses less."
        )


def _show_failback(recovery_plan: RecoveryPlan) -> None:
    screen = console()
    rows = [(table.source, table.target, table.items, table.size_bytes) for table in recovery_plan.tables]
    columns = ("in use", "failback to", "items (approx.)", "bytes (approx.)")
    screen.print(text_table(columns, rows, columns[:2]))
    drill.show_cost(recovery_plan)
    screen.print(
        "Writes to the tables in use are blocked; from then on the service returns 503 for requests that write. The "
        "original tables are synchronized with the tables in use and compared with them; then all aliases are "
        "shifted at once. All writes since the restore are kept. Items that exist only in the original tables are "
        "deleted; the evidence counts them, and point-in-time recovery can restore them."
    )
