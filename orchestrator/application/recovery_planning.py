"""Plan a recovery from the tables' state, for the task that starts it and the command that shows the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from orchestrator.application.cloud import Cloud, for_each
from orchestrator.aws.dynamodb.backups import OnDemandBackups
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.aws.ledger.standing_grants import StandingGrantIndex
from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.deployment.cutover import TableRef
from orchestrator.domain.deployment.release import FunctionVersion
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backup_times import Backup, backups_made_together, replay_begins, source_from
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.backups.selection import select_backups, source_of_backup
from orchestrator.domain.recovery.backups.settings_without_source import DefaultTableSettings, wanted_without_source
from orchestrator.domain.recovery.failback import FailbackTable, plan_failback, refuse_not_cut_over, refuse_not_in_use
from orchestrator.domain.recovery.lost_writes.replay import refuse_beyond_streams, refuse_without_streams
from orchestrator.domain.recovery.plan import RecoveryPlan, Source, plan_recovery, recovery_window
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Role, TableRecovery
from orchestrator.domain.recovery.request import RecoveryRequest, refuse_drill_options, refuse_restore_options
from orchestrator.domain.recovery.restore import (
    refuse_other_release,
    refuse_other_sources,
    table_variables_of,
    tables_by_role,
)
from orchestrator.domain.recovery.standing_grants.coverage import (
    LIFETIME,
    StandingGrants,
    choose_standing,
    draw_point,
    find_standing_of_backups,
)
from orchestrator.domain.recovery.table_settings import WantedSettings, as_in_source


def plan_table_recovery(
    restores: TableRestores,
    backups: OnDemandBackups,
    kind: Kind,
    recovery: str,
    tables: Mapping[Role, str],
    request: RecoveryRequest,
    policy: RecoveryPolicy,
    *,
    environment: str,
    prices: Prices,
    now: datetime,
    standing: StandingGrantIndex,
    last_cutover: Callable[[], datetime | None] = lambda: None,
    vault: Callable[[str], tuple[Backup, ...]] = lambda _table_arn: (),
    copies: Callable[[str], tuple[Backup, ...]] = lambda _table_arn: (),
) -> RecoveryPlan:
    """Read the tables' state and plan a recovery of them. It changes nothing.

    Args:
        restores: describes the tables.
        backups: DynamoDB's own backups.
        kind: of the recovery.
        recovery: its id.
        tables: the tables by role.
        request: the checked request.
        policy: the environment's.
        environment: its name.
        prices: of the region.
        now: the time.
        standing: the standing grants that are kept, one set of which a drill of a chosen point tries.
        last_cutover: returns when these tables replaced others; grants of before it were written to those.
        vault: lists the recovery points of AWS Backup by the table's ARN.
        copies: lists their copies in the other region, by the table's ARN.

    Raises:
        Refused: a table does not exist or cannot be restored, the time is outside the window, the backups are of
            different times, the cost exceeds the limit, no stream holds the writes to be replayed, or no standing
            grants cover the chosen point of a drill.
    """

    def source(role: Role, table: str) -> Source:
        if kind is Kind.RESTORE and not restores.exists(table):
            return source_from(role, table, backups.of_deleted_table(role, table), gone=True)
        return _existing_source(restores, backups, role, table)

    (refuse_restore_options if kind is Kind.DRILL else refuse_drill_options)(request)
    if request.backup_kind is not BackupKind.PITR:
        listed_by = {
            BackupKind.BACKUP: lambda one: backups.list_available(one.name),
            BackupKind.VAULT: lambda one: vault(one.arn),
            BackupKind.COPY: lambda one: copies(one.arn),
        }
        existing = for_each(tables.items(), lambda table: _existing_source(restores, backups, *table))
        since = now - timedelta(days=request.within_days) if request.within_days else None
        listed = for_each(existing, listed_by[request.backup_kind])
        sources = _selected_sources(existing, listed, request, recovery, since)
    elif request.backup:
        sources = _named_sources(restores, backups, tables, request.backup)
    else:
        sources = for_each(tables.items(), lambda table: source(*table))
    drills_point = kind is Kind.DRILL and request.chooses_point
    # What was written to other tables is in no copy of these.
    written_since = _written_since(sources, last_cutover()) if drills_point else now
    if drills_point and request.selection is Selection.RANDOM:
        request = replace(request, to=_drawn_point(standing, sources, policy, recovery, written_since, now))
    plan = plan_recovery(kind, recovery, sources, request, policy, environment=environment, prices=prices, now=now)
    if drills_point:
        plan = replace(
            plan, standing_grants=_standing_grants_of(standing, plan.point, written_since, policy.standing_grants, now)
        )
    elif kind is Kind.DRILL and request.backup_kind is not BackupKind.PITR:
        held = _standing_grants_of_backups(standing, sources, last_cutover(), now)
        plan = replace(plan, standing_grants=held.written_at if held else None)
    if request.replay:
        refuse_beyond_streams(plan.point, policy.objectives.recovery_time, now)
        # The writes to a deleted table since an older backup are lost in any case: nothing of ours can read its stream.
        replayed = [table.source for table in plan.tables if not table.gone]
        streams = dict(zip(replayed, for_each(replayed, restores.read_stream_start), strict=True))
        refuse_without_streams(streams, replay_begins(plan.tables, plan.point), by_time=not request.backup)
    return plan


def _existing_source(restores: TableRestores, backups: OnDemandBackups, role: Role, table: str) -> Source:
    """Describe a table that a drill or a restore reads.

    Raises:
        Refused: it does not exist, or is being deleted.
    """
    try:
        return restores.describe_source(role, table)
    except Refused:
        if restores.exists(table) or not backups.has_left_backup(table):
            raise
    remedy = "it was deleted, and a drill needs it; its system backup can be restored: `orchestrator restore --plan`"
    raise Refused(f"tables.{role}", table, remedy)


def last_cutover(cloud: Cloud) -> datetime | None:
    """Return when the tables in use replaced others; None if no restore did."""
    restore = cloud.restores.find_newest(lambda one: one.in_use)
    return None if restore is None else restore.ended_at or cloud.now()


def _written_since(sources: Sequence[Source], cut_over_at: datetime | None) -> datetime:
    """Return the time since which standing grants were written to these tables, whose window is all of their life."""
    earliest, _ = recovery_window(sources)
    return earliest if cut_over_at is None else max(earliest, cut_over_at)


def _drawn_point(
    standing: StandingGrantIndex,
    sources: Sequence[Source],
    policy: RecoveryPolicy,
    recovery: str,
    written_since: datetime,
    now: datetime,
) -> datetime:
    """Return the random recovery point of a drill, within the policy's window."""
    earliest, latest = recovery_window(sources)
    earliest = max(earliest, latest - policy.drill_point_window)
    kept = standing.list_sets(max(earliest - LIFETIME, written_since), latest)
    return draw_point(kept, earliest, latest, recovery, now, policy.standing_grants)


def _standing_grants_of(
    standing: StandingGrantIndex, point: datetime, written_since: datetime, schedule: str | None, now: datetime
) -> datetime:
    """Return when the standing grants were written that a drill of a recovery point tries."""
    kept = standing.list_sets(max(point - LIFETIME, written_since), point)
    later = standing.list_sets(max(point + timedelta(seconds=1), written_since), now, limit=1)
    return choose_standing(kept, later[0].written_at if later else None, point, now, schedule).written_at


def _standing_grants_of_backups(
    standing: StandingGrantIndex, sources: Sequence[Source], cut_over_at: datetime | None, now: datetime
) -> StandingGrants | None:
    """Return the standing grants that a drill of backups tries; None if none are in all of them."""
    times = [(one.latest, one.uncertainty) for one in sources if one.latest is not None]
    begin, end = min(at - uncertain for at, uncertain in times), max(at + uncertain for at, uncertain in times)
    since = begin - LIFETIME if cut_over_at is None else max(begin - LIFETIME, cut_over_at)
    return find_standing_of_backups(standing.list_sets(since, begin), begin, end, now)


def _named_sources(
    restores: TableRestores, backups: OnDemandBackups, tables: Mapping[Role, str], name: str
) -> list[Source]:
    """Return the sources of a restore from the backups with a name."""
    listed = dict(zip(tables, for_each(tables.values(), backups.list_available), strict=True))
    chosen = backups_made_together(name, tables, listed)
    return for_each(
        tables.items(),
        lambda table: source_from(*table, chosen[table[0]], gone=not restores.exists(table[1])),
    )


def list_recovery_points(cloud: Cloud, table_arn: str) -> tuple[Backup, ...]:
    """Return the recovery points of AWS Backup that can be restored into a table."""
    return cloud.vault_backups.list_available(table_arn)


def _selected_sources(
    existing: Sequence[Source],
    backups: Sequence[Sequence[Backup]],
    request: RecoveryRequest,
    recovery: str,
    since: datetime | None,
) -> list[Source]:
    """Return the sources of a drill from the backups that it selects.

    Args:
        existing: its tables as they are: the restored tables are compared with them.
        backups: the backups of each of them.
        request: the checked request.
        recovery: id of the drill.
        since: backups of before it are not selected; None for no limit.
    """
    names = {source.role: source.name for source in existing}
    listed = {source.role: found for source, found in zip(existing, backups, strict=True)}
    chosen = select_backups(request.backup_kind, request.selection, names, listed, recovery, since)
    return [source_of_backup(source, chosen[source.role]) for source in existing]


def plan_table_failback(
    cloud: Cloud, request: RecoveryRequest, policy: RecoveryPolicy, *, prices: Prices, now: datetime
) -> RecoveryPlan:
    """Read the state of a restore, of the tables in use and of its original tables, and plan the failback to these.

    It changes nothing.

    Raises:
        Refused: there is no such restore, its restored tables are not in use, or an original table does not exist,
            is unblocked, or could not be restored itself.
    """
    restore = cloud.restores.read_record(request.failback_of)
    refuse_not_cut_over(restore)
    functions = sorted(restore.service.functions.items())
    used = for_each(functions, lambda function: table_variables_of(_live_version(cloud, function[1])))
    refuse_not_in_use(restore, {name: tables for (name, _), tables in zip(functions, used, strict=True)})
    failback_tables = for_each(restore.tables, lambda table: _failback_table(cloud, table))
    return plan_failback(restore, failback_tables, request, policy, prices=prices, now=now)


def tables_in_use(cloud: Cloud, functions: Mapping[str, str]) -> Mapping[Role, str]:
    """Return the tables that the live versions use, by role.

    Args:
        cloud: the environment.
        functions: short name of each of the service's functions to its Lambda name.

    Raises:
        Refused: a function does not exist, or no function's settings name a table of some role.
    """
    tables: dict[Role, str] = {}
    for _, function_name in sorted(functions.items()):
        tables |= tables_by_role(_live_version(cloud, function_name))
        if tables.keys() == set(Role):
            return tables
    missing = ", ".join(sorted(set(Role) - tables.keys()))
    raise Refused("service.functions", sorted(functions.values()), f"no function's settings name its {missing} table")


def refuse_tables_not_in_use(cloud: Cloud, functions: Mapping[str, str], sources: Mapping[Role, str]) -> None:
    """Refuse a drill of tables that the live versions do not use, as after a cutover until the stack agrees with it.

    Args:
        cloud: the environment.
        functions: short name of each of the service's functions to its Lambda name.
        sources: the drill's tables.

    Raises:
        Refused: the live versions use other tables.
    """
    for_each(
        sorted(functions.items()),
        lambda function: refuse_other_sources(function[0], _live_version(cloud, function[1]), sources),
    )


def refuse_unfinishable_restore(cloud: Cloud, functions: Mapping[str, str], sources: Mapping[Role, str]) -> None:
    """Refuse a restore whose cutover would be refused, before it has restored any table.

    A cutover changes tables and nothing else. So `$LATEST` must be the live release, and the live versions must use
    the restore's original tables.

    Args:
        cloud: the environment.
        functions: short name of each of the service's functions to its Lambda name.
        sources: the restore's original tables; empty for a failback, which checks them itself.

    Raises:
        Refused: `$LATEST` is another release, or the live versions use other tables.
    """

    def refuse(function: tuple[str, str]) -> None:
        name, function_name = function
        live, latest = _live_version(cloud, function_name), cloud.versions.describe_version(function_name)
        refuse_other_sources(name, live, sources)
        refuse_other_release(name, live, latest)

    for_each(sorted(functions.items()), refuse)


def wanted_settings(table: TableRecovery, cloud: Cloud) -> WantedSettings:
    """Return the settings that a restored table must have: its source's.

    Without a source, they are what the stacks declare and what the restored backup states.
    """
    if not table.gone:
        return as_in_source(cloud.table_settings.read_settings(table.source))
    declared = msgspec.json.decode(cloud.settings["DEFAULT_TABLE_SETTINGS"], type=DefaultTableSettings)
    return wanted_without_source(
        table.role,
        cloud.table_settings.read_settings(table.target),
        declared,
        cloud.table_settings.read_backed_up(table.restored_from, table.target),
    )


def _live_version(cloud: Cloud, function_name: str) -> FunctionVersion:
    """Return the live version; the stable one while traffic is being shifted."""
    return cloud.versions.describe_version(function_name, cloud.aliases.read_alias(function_name).routing.primary)


def _failback_table(cloud: Cloud, table: TableRecovery) -> FailbackTable:
    in_use = cloud.table_restores.describe_source(table.role, table.target)
    if not cloud.table_restores.exists(table.source):
        return FailbackTable(in_use, None, blocked=False)
    original = cloud.table_restores.describe_source(table.role, table.source)
    return FailbackTable(in_use, original, blocked=cloud.table_access.is_blocked(TableRef(original.name, original.arn)))
