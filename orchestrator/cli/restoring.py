"""Restoring for real: show what would be done, ask, start it, follow it, and keep the settings file in agreement."""

from __future__ import annotations

import json as encoder
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import environments
from environments.editing import with_value
from environments.tables import EnvironmentRefused
from orchestrator.cli import drilling
from orchestrator.cli.context import Context
from orchestrator.cli.output import as_json, console, table_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import refuse_frozen
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery
from orchestrator.domain.recovery_plan import RecoveryPlan, new_recovery_key, recovery_id
from orchestrator.domain.restoration import settings_after


def plan(context: Context, given: Mapping[str, object], *, json: bool) -> None:
    """Show what a restore would do. Changes nothing.

    Raises:
        Refused: it would be refused.
    """
    drawn = drilling.planned(context, given, "dr-planned", Kind.RESTORE)
    if json:
        as_json(drawn)
    else:
        _show(context, drawn, given)


def restore(
    context: Context,
    given: Mapping[str, object],
    key: str | None,
    confirm: Callable[[str], bool],
    *,
    watch: bool,
    json: bool,
) -> int:
    """Show the plan, have it confirmed, start the restore and, when asked, follow it; returns the exit code.

    Args:
        context: the environment.
        given: the machine's input.
        key: the same key is the same restore.
        confirm: asks a person; returns whether they agree.
        watch: follow it until the end.
        json: print one JSON object.

    Raises:
        Refused: the input is wrong, it would be refused, or nobody agreed; nothing was started.
    """
    name = recovery_id(key or new_recovery_key(context.cloud.now(), secrets.token_bytes(8)))
    refuse_frozen(context.cloud.freezes.read(), override=bool(given.get("through_freeze")))
    drawn = drilling.planned(context, given, name, Kind.RESTORE)
    if not json:
        _show(context, drawn, given)
    these = "the tables again that it left" if given.get("back") else "these copies"
    if not confirm(f"Have the OAuth service of {context.name} use {these}?"):
        raise Refused("confirmation", "no", "nothing was started; agree, or give --yes")
    started = context.cloud.executions.start(context.machine("restore"), name, given)
    if watch:
        code = drilling.followed(context, name, json=json)
        if not json:
            tell_settings(context, context.cloud.restores.read(name))
        return code
    if json:
        as_json({"recovery": name, "started": started})
    else:
        told = "started" if started else "was started before:"
        console().print(f"{told} {name}; see `orchestrator explain {name} --env {context.name}`")
    return 0


def write_settings(context: Context, name: str, file: Path = environments.FILE) -> None:
    """Write into the settings file which tables a restore has the service use, and the lowest epoch of these.

    Raises:
        Refused: there is no such restore, it did not succeed, or the file cannot be changed by a program; it stays as it was.
    """
    recovery = context.cloud.restores.read(name)
    if recovery.kind is not Kind.RESTORE or recovery.ended_at is None or not recovery.in_use:
        raise Refused("restore", name, f"the service does not use its copies: {recovery.reason or 'it is under way'}")
    written = file.with_name(f"{file.name}.new")
    try:
        document = file.read_text(encoding="utf-8")
        for setting, value in settings_after(recovery).items():
            document = with_value(document, f"{context.name}.service.tables", setting, value)
        written.write_text(document, encoding="utf-8")
        environments.load(context.name, written)
        written.replace(file)
    except OSError as error:
        raise Refused("settings-file", str(file), f"it can be neither read nor written: {error.strerror}") from error
    except EnvironmentRefused as error:
        raise Refused(error.field, error.value, error.remedy) from error
    finally:
        written.unlink(missing_ok=True)
    console().print(f"{file.name} names the tables in use now; `cdk deploy` the stacks, so that they agree")


def tell_settings(context: Context, recovery: Recovery) -> None:
    """Say what the settings file has to say from now on, where the copies are in use."""
    if not recovery.in_use:
        return
    screen = console()
    what = "The tables of before are" if recovery.back else "The copies are"
    screen.print(f"{what} in use. Until environments.toml says so, no other deployment is let through:")
    screen.print(f"[{context.name}.service.tables]", markup=False)
    for setting, value in settings_after(recovery).items():
        screen.print(f"{setting} = {encoder.dumps(value)}", markup=False)
    screen.print(f"or: orchestrator restore --write-settings {recovery.id} --env {context.name}", markup=False)


def _show(context: Context, drawn: RecoveryPlan, given: Mapping[str, object]) -> None:
    screen = console()
    if given.get("back"):
        _show_way_back(drawn)
        return
    drilling.show_plan(drawn)
    lost = context.cloud.now() - drawn.point
    screen.print(f"What was written in the {lost.total_seconds():.0f} s since then is not in the copies.")
    screen.print(
        "The copies get their settings and are checked; then a deployment makes the service use them, all at once. From the moment "
        "that the tables it leaves are closed until that has happened, the service answers 503."
    )
    gone = [table.source for table in drawn.tables if table.gone]
    if gone:
        screen.print(f"Not there any more, and restored from what they left: {', '.join(gone)}.")


def _show_way_back(drawn: RecoveryPlan) -> None:
    screen = console()
    rows = [(table.source, table.target, table.items, table.size_bytes) for table in drawn.tables]
    columns = ("in use, to be left", "gone back to", "items, about", "bytes, about")
    screen.print(table_of(columns, rows, columns[:2]))
    drilling.show_cost(drawn)
    screen.print(
        "The tables in use are closed to writes: from then on the service answers 503 to whatever writes. What they hold is brought into the "
        "tables that are gone back to, all of it, and both sides are compared; then the aliases move, all at once. Nothing is lost that was "
        "written since the restore. Rows that only the tables hold that it left are removed from these: the evidence counts them, and they can "
        "be had again from point-in-time recovery."
    )
