"""Begin the way back, copy the tables to the home region, and list the rows that only its old tables have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.application.failover.back.facts import refuse_obstacles
from orchestrator.application.failover.back.regions import BothRegions
from orchestrator.application.failover.planning import failover_policy
from orchestrator.application.failover.progress import StepDone, StepWaits, seconds_before_check
from orchestrator.application.failover.restoring import restore_chosen, tag_tables
from orchestrator.aws.dynamodb.surplus import Surplus
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.failover.back.rows import OldRow, describe_rows, old_rows
from orchestrator.domain.failover.home_releases import PlannedRelease, Standing, release_name
from orchestrator.domain.failover.record import CopiedTable, Failover
from orchestrator.domain.failover.steps import Direction
from orchestrator.domain.recovery.backups.settings_without_source import DefaultTableSettings
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.recovery.request import target_name
from orchestrator.domain.recovery.table_settings import BOTH_IMAGES


def open_back(regions: BothRegions, failover_id: str, requested_by: str, reason: str) -> ReadFailover:
    """Write the record of the way back. Nothing else is changed.

    Raises:
        Refused: something is in the way.
    """
    standby = regions.standby
    facts, now, policy = refuse_obstacles(regions), standby.now(), failover_policy(standby)
    served = release_name(facts.standby_release)
    return regions.store.create(
        Failover(
            id=failover_id,
            environment=standby.environment,
            home=regions.standby_region,
            region=regions.home_region,
            requested_by=requested_by,
            reason=reason,
            requested_at=now,
            gate=policy.gate,
            lease=policy.lease,
            tables=tuple(
                CopiedTable(
                    role=role,
                    backup_arn="",
                    as_of=now,
                    target=target_name(Kind.RESTORE, f"back-{now:%Y%m%d%H%M}", role, standby.environment),
                    source=facts.tables[role],
                    replaces=facts.old_tables.get(role, ""),
                )
                for role in Role
            ),
            release=PlannedRelease(facts.home_release, Standing.SERVED, served, now),
            direction=Direction.BACK,
        )
    )


def prepare(read: ReadFailover, regions: BothRegions) -> StepDone:
    """Check both regions once more; approvers see the result.

    Raises:
        Refused: something is in the way.
    """
    facts = refuse_obstacles(regions, read.failover.id)
    release = release_name(facts.home_release)
    return StepDone(
        read, f"both regions answer, and {facts.home} has the release {release} that {facts.standby} serves"
    )


def copy_tables(read: ReadFailover, regions: BothRegions) -> StepDone | StepWaits:
    """Back the tables up in the standby region, and restore them in the home region with their settings.

    DynamoDB restores a backup in another region, too. A repetition finds the backups by their names.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_HowItWorks.html

    Raises:
        Refused: a table with a target's name is not this failover's, or a backup cannot be restored.
    """
    read = _with_backups(read, regions)
    for table in read.failover.tables:
        backups = regions.standby.backups.list_available(table.source)
        if table.backup_arn not in {backup.arn for backup in backups}:
            reason = f"the backup of {table.source} is being made"
            return StepWaits(read, reason, seconds_before_check(read, regions.standby.now()))
    settings = regions.standby.table_settings.read_settings(read.failover.tables[0].source)
    defaults = DefaultTableSettings(settings.time_to_live, settings.recovery, settings.deletion_protection, BOTH_IMAGES)
    progress = restore_chosen(read, regions.home, defaults)
    if isinstance(progress, StepDone):
        tag_tables(progress.read.failover, regions.home)
    return progress


def _with_backups(read: ReadFailover, regions: BothRegions) -> ReadFailover:
    standby = regions.standby
    for table in read.failover.tables:
        if table.backup_arn:
            continue
        name = f"{read.failover.id}-{table.role}"
        made = [backup for backup in standby.backups.list_available(table.source) if backup.name == name]
        as_of = standby.now()
        arn = made[0].arn if made else standby.point_in_time_recovery.create_backup(table.source, name)
        backed_up = replace(table, backup_arn=arn, as_of=made[0].at if made else as_of)
        tables = tuple(backed_up if one == table else one for one in read.failover.tables)
        read = regions.store.commit(read, replace(read.failover, tables=tables))
    return read


def list_rows(read: ReadFailover, regions: BothRegions) -> StepDone:
    """Count the rows that only the home region's old tables have. None is copied; `read_rows` names them."""
    found = [f"{table.role}: {describe_rows(rows)}" for table, rows in read_rows(read.failover, regions)]
    return StepDone(read, "; ".join(found))


def read_rows(failover: Failover, regions: BothRegions) -> Iterator[tuple[CopiedTable, list[OldRow]]]:
    """Yield each copied table with the rows that only the home region's old table has; none if there is no old table."""
    home = regions.home
    for table in failover.tables:
        rows: list[OldRow] = []
        if table.replaces and home.table_restores.exists(table.replaces):
            expires = home.table_reader.describe(table.replaces).ttl_attribute
            at = home.now().timestamp()
            for items in Surplus(table.replaces, home.wires, table.target, home.wires, sleep=home.sleep).pages():
                rows += old_rows(items, expires, at)
        yield table, rows
