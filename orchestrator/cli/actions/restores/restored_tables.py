"""The commands `restore list` and `restore discard`: restored tables that the service uses, or does not use any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from orchestrator import environments
from orchestrator.application.prices import load_prices
from orchestrator.application.restored_tables.discarding import Discarded, discard_tables, tables_to_discard
from orchestrator.application.restored_tables.listing import RECENT, list_restored_tables, tables_of_functions
from orchestrator.cli.context import Context
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.unused_tables import (
    RestoredTableStatus,
    TableFacts,
    TableUse,
    consequences_of_discard,
    monthly_usd,
)
from orchestrator.environments import project


def list_tables(context: Context, *, json: bool) -> None:
    """List the tables with the names of restored tables: their restore, use, age, size and price a month.

    A table that is not its restore's has no price, and is left out of the sums.
    """
    statuses = list_restored_tables(context.cloud, tables_in_use(context))
    prices = [None if status.foreign else _monthly_usd(context, status.facts) for status in statuses]
    priced = list(zip(statuses, prices, strict=True))
    if json:
        total = sum(usd for usd in prices if usd is not None)
        tables = [_object(context, status, usd) for status, usd in priced]
        print_json({"environment": context.name, "tables": tables, "usd_per_month": round(total, 4)})
        return
    if not statuses:
        console().print(f"{context.name} has no restored table")
        return
    now = context.cloud.now()
    rows = [
        (
            status.facts.name,
            status.recovery,
            f"{status.use}: {status.used_by}" if status.used_by else status.use,
            _age(now - status.facts.created_at),
            status.facts.items,
            status.facts.size_bytes,
            "-" if usd is None else f"{usd:.2f}",
        )
        for status, usd in priced
    ]
    columns = ("table", "restore", "use", "age", "items (approx.)", "bytes (approx.)", "USD/month")
    screen = console()
    screen.print(text_table(columns, rows, columns[:2]))
    for status in statuses:
        if status.foreign:
            screen.print(_left(status.facts.name, status.foreign), markup=False)
    for use, remedy in (
        (TableUse.UNUSED, f"`orchestrator restore discard ID --env {context.name}` deletes those of a restore"),
        (TableUse.NO_RECORD, "the ledger has no record of their restores: delete them by hand if they are yours"),
    ):
        found = [usd for status, usd in priced if status.use is use and usd is not None]
        if found:
            screen.print(f"{len(found)} are unused, for {sum(found):.2f} US dollars a month; {remedy}", markup=False)


def discard(context: Context, restore_id: str, by: str, confirm: Callable[[str], bool], *, json: bool) -> None:
    """Show the tables of a restore and what is lost with them, ask for confirmation, and delete them.

    Args:
        context: the environment.
        restore_id: the restore.
        by: who requests it.
        confirm: asks the operator; returns whether the operator agrees.
        json: print one JSON object.

    A table of the same name that is not proved to be the restore's is named and left.

    Raises:
        Refused: there is no such restore, its tables must not be deleted, or the operator did not agree; nothing was
            deleted.
        TableNotRemoved: a table is still there; repeat the command.
    """
    cloud = context.cloud
    recovery = cloud.restores.read_record(restore_id)
    found = tables_to_discard(cloud, recovery, lambda: tables_in_use(context))
    tables = found.own
    screen = console()
    screen.quiet = json
    for name, reason in found.foreign.items():
        screen.print(_left(name, reason), markup=False)
    if not tables:
        screen.print(f"{restore_id} has no table any more: nothing was deleted", markup=False)
    else:
        now = cloud.now()
        rows = [
            (one.name, _age(now - one.created_at), one.items, one.size_bytes, f"{_monthly_usd(context, one):.2f}")
            for one in tables
        ]
        columns = ("table", "age", "items (approx.)", "bytes (approx.)", "USD/month")
        screen.print(text_table(columns, rows, columns[:1]))
        for sentence in consequences_of_discard(recovery, cloud.restores.newest_records(RECENT)):
            screen.print(sentence, markup=False)
        count = f"{len(tables)} table{'' if len(tables) == 1 else 's'}"
        if not confirm(f"Delete {count} of {context.name}?"):
            raise Refused("confirmation", "no", "nothing was deleted; agree, or give --yes")
    done = discard_tables(cloud, recovery, lambda: tables_in_use(context)) if tables else Discarded((), found.foreign)
    for name in done.deleted:
        screen.print(f"deleted {name}", markup=False)
    for name in done.foreign:
        screen.print(f"left {name}, which is not ours", markup=False)
    if done.deleted:
        at, name = context.cloud.now(), f"discard {restore_id} by {by}"
        record_action(context, f"discard-{at.isoformat()}", name, f"deleted {', '.join(done.deleted)}", at=at)
    if json:
        left = [{"table": name, "reason": reason} for name, reason in done.foreign.items()]
        print_json({"restore": restore_id, "deleted": list(done.deleted), "left": left})


def tables_in_use(context: Context) -> Mapping[str, str]:
    """Return the tables that the settings of any environment name, or that functions of this one use, with their user.

    Raises:
        EnvironmentRefused: the settings of an environment are invalid, so its tables are unknown.
        Refused: a function of this environment does not exist.
    """
    settings = {
        table: f"{project.NAME} ({name})"
        for name in environments.names()
        for service in (environments.load(name).service,)
        for table in (service.state_table, service.tokens_table)
    }
    functions = {function: context.function_name(function) for function in context.environment.service.functions}
    return {**settings, **tables_of_functions(context.cloud, functions)}


def _monthly_usd(context: Context, facts: TableFacts) -> float:
    point_in_time = context.cloud.table_inventory.has_point_in_time_recovery(facts.name)
    return monthly_usd(facts, load_prices(context.environment.region), point_in_time=point_in_time)


def _left(name: str, reason: str) -> str:
    return f"{name} is not ours, and stays: {reason}; delete it by hand if it is yours"


def _object(context: Context, status: RestoredTableStatus, usd: float | None) -> Mapping[str, object]:
    facts = status.facts
    return {
        "table": facts.name,
        "restore": status.recovery,
        "use": status.use,
        "used_by": status.used_by,
        "not_ours": status.foreign,
        "created_at": facts.created_at,
        "age_seconds": round((context.cloud.now() - facts.created_at).total_seconds()),
        "unused_since": status.since if status.is_unused else None,
        "items": facts.items,
        "bytes": facts.size_bytes,
        "usd_per_month": None if usd is None else round(usd, 4),
    }


def _age(age: timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h"
