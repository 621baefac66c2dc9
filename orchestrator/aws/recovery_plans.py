"""A recovery's plan, made of what the tables say: by the task that begins one, and by the command line that only shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from orchestrator.aws.backups import Backups
from orchestrator.aws.cloud import Cloud, for_each
from orchestrator.aws.restoring import Restoring
from orchestrator.domain.cut_over import Table
from orchestrator.domain.errors import Refused
from orchestrator.domain.failing_back import WayBack, draw_up_back, refuse_no_restore, refuse_not_in_use
from orchestrator.domain.prices import Prices
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Role, TableRecovery
from orchestrator.domain.recovery_plan import RecoveryPlan, RecoveryRequest, Source, draw_up, refuse_unlike_a_drill
from orchestrator.domain.recovery_policy import RecoveryPolicy
from orchestrator.domain.release import Latest
from orchestrator.domain.restoration import refuse_other_release, refuse_other_sources, tables_in, tables_of


def plan_of(
    restoring: Restoring,
    backups: Backups,
    kind: Kind,
    recovery: str,
    tables: Mapping[Role, str],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    environment: str,
    prices: Prices,
    now: datetime,
) -> RecoveryPlan:
    """Look at the tables and plan a recovery of them. Changes nothing.

    Raises:
        Refused: a table is not there or cannot be restored, the time is outside the window, or it costs too much.
    """

    def source(role: Role, table: str) -> Source:
        if request.backup:
            return replace(backups.named(role, table, request.backup), gone=not restoring.there(table))
        if kind is Kind.RESTORE and not restoring.there(table):
            return backups.left_by(role, table)
        return restoring.source(role, table)

    if kind is Kind.DRILL:
        refuse_unlike_a_drill(request)
    sources = for_each(tables.items(), lambda table: source(*table))
    return draw_up(kind, recovery, sources, request, policy, environment=environment, prices=prices, now=now)


def way_back_of(
    cloud: Cloud, request: RecoveryRequest, policy: RecoveryPolicy, *, prices: Prices, now: datetime
) -> RecoveryPlan:
    """Look at a restore, at what clients use and at the tables that it left, and plan to go back to these. Changes nothing.

    Raises:
        Refused: there is no such restore, its copies are not in use, or what it left is not there, is open, or could not be restored.
    """
    undone = cloud.restores.read(request.back)
    refuse_no_restore(undone)
    functions = sorted(undone.service.functions.items())
    used = for_each(functions, lambda one: tables_of(_served(cloud, one[1])))
    refuse_not_in_use(undone, {name: tables for (name, _), tables in zip(functions, used, strict=True)})
    ways = for_each(undone.tables, lambda table: _way_back(cloud, table))
    return draw_up_back(undone, ways, request, policy, prices=prices, now=now)


def tables_in_use(cloud: Cloud, functions: Mapping[str, str]) -> Mapping[Role, str]:
    """Return the tables that clients' versions use, by what they are.

    Args:
        cloud: the environment.
        functions: the names of the service's functions, by what they are.

    Raises:
        Refused: a function is not there, or none says which tables it uses.
    """
    found: dict[Role, str] = {}
    for _, function_name in sorted(functions.items()):
        found |= tables_in(_served(cloud, function_name))
        if found.keys() == set(Role):
            return found
    missing = ", ".join(sorted(set(Role) - found.keys()))
    raise Refused("service.functions", sorted(functions.values()), f"none is told which {missing} table it is to use")


def refuse_unused(cloud: Cloud, functions: Mapping[str, str], sources: Mapping[Role, str]) -> None:
    """Prove nothing of tables that clients do not use: after a cut-over, until the stack agrees with it.

    Raises:
        Refused: they use others than these.
    """
    for_each(sorted(functions.items()), lambda one: refuse_other_sources(one[0], _served(cloud, one[1]), sources))


def refuse_unshipped(cloud: Cloud, functions: Mapping[str, str], sources: Mapping[Role, str]) -> None:
    """Begin no restore that could not end: it changes tables and nothing else, so `$LATEST` must hold what clients get, and these use what it leaves.

    Args:
        cloud: the environment.
        functions: the names of the service's functions, by what they are.
        sources: the tables that it is to leave; none for one that goes back, which knows by itself.

    Raises:
        Refused: it is not so; a restore would find that out at its cut-over only, when the copies are there.
    """

    def look(function: tuple[str, str]) -> None:
        name, function_name = function
        live, latest = _served(cloud, function_name), cloud.versions.describe(function_name)
        refuse_other_sources(name, live, sources)
        refuse_other_release(name, live, latest)

    for_each(sorted(functions.items()), look)


def _served(cloud: Cloud, function_name: str) -> Latest:
    """The version that clients get; the one before, while traffic is shifted."""
    return cloud.versions.describe(function_name, cloud.aliases.read(function_name).routing.primary)


def _way_back(cloud: Cloud, table: TableRecovery) -> WayBack:
    in_use = cloud.restoring.source(table.role, table.target)
    if not cloud.restoring.there(table.source):
        return WayBack(in_use, None, closed=False)
    left = cloud.restoring.source(table.role, table.source)
    return WayBack(in_use, left, closed=cloud.doors.is_closed(Table(left.name, left.arn)))
