"""Copy what was written since the backup, close the standby region's tables, copy the rest, compare, and reopen."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from orchestrator.application.cloud import for_each
from orchestrator.application.failover.back.facts import held_lock, live_tables, refuse_obstacles
from orchestrator.application.failover.back.regions import BothRegions
from orchestrator.application.failover.progress import StepDone, StepWaits
from orchestrator.application.failover.takeover import fence_home
from orchestrator.aws.dynamodb.surplus import Surplus
from orchestrator.aws.dynamodb.table_reader import Hashing
from orchestrator.aws.dynamodb.table_sync import TableSync
from orchestrator.aws.ledger.failovers import ReadFailover
from orchestrator.domain.deployment.cutover import WRITE_ACTIONS, TableRef
from orchestrator.domain.deployment.table_sync import (
    Suspects,
    SyncCounts,
    SyncProgress,
    SyncSegment,
    first_progress,
    look_again,
    next_progress,
)
from orchestrator.domain.errors import Refused, RestoreFailed
from orchestrator.domain.failover.back.passes import is_caught_up
from orchestrator.domain.failover.back.readiness import BEFORE_FENCE
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.read_pace import failback_share_percent
from orchestrator.domain.recovery.record import Role

_LOCK_WAIT_SECONDS = 15


def sync_tables(read: ReadFailover, regions: BothRegions) -> StepDone:
    """Copy what was written since the backup while clients write on, in passes, until a pass finds little.

    The revocation log is copied, too: a later restore in the home region revokes by it.

    Raises:
        Throttled, Unreachable: a table could not be read or written; what was copied stays.
    """
    syncs, passes = _syncs(read.failover, regions, regions.read_share_percent), 0
    while True:
        done, _ = _run_segments(_first(read.failover, regions), syncs)
        changed = sum(counts.written + counts.removed for _, counts, _ in done)
        logged, passes = _copy_log(regions), passes + 1
        if is_caught_up(passes, changed + logged):
            return StepDone(read, f"pass {passes} found {changed} rows that differed, and {logged} revocations")


def fence_standby(read: ReadFailover, regions: BothRegions) -> StepDone:
    """Check both regions, then take the assignment, so that the standby region gets no further lease.

    Raises:
        Refused: something is in the way, or another failover took the assignment.
        LockLost: another writer changed the assignment or the failover.
    """
    assignment = regions.store.read_assignment().assignment
    if assignment is None or assignment.failover != read.failover.id:
        refuse_obstacles(regions, read.failover.id, BEFORE_FENCE)
    return fence_home(read, regions.home)


def close_standby(read: ReadFailover, regions: BothRegions) -> StepDone | StepWaits:
    """Deny writes in the standby region's tables, copy the rest, and compare both regions' tables completely.

    The revocations that only the log has are applied: a request may have met the closed table after it wrote the log.

    Raises:
        Refused: the standby region's live versions use other tables by now.
        PolicyNotEffective: a table still accepts writes somewhere.
        TablesOutOfSync: the tables differ after several rounds.
        LockLost: another writer changed the failover; it may have been cancelled.
    """
    standby, failover = regions.standby, read.failover
    if lock := held_lock(standby):
        return StepWaits(read, lock, _LOCK_WAIT_SECONDS)
    used = live_tables(standby)
    copied = {table.role: table.source for table in failover.tables}
    if used != copied:
        remedy = f"cancel this one, and start again: `orchestrator failover cancel {failover.id}`"
        raise Refused("tables", f"{regions.standby_region} uses {', '.join(sorted(used.values()))} by now", remedy)
    if failover.close_requested_at is None:
        read = regions.store.commit(read, replace(failover, close_requested_at=standby.now()))
    tables = _sources(failover, regions)
    for table in tables:
        standby.table_access.block(table, lambda: regions.store.check_unchanged(read), WRITE_ACTIONS)
    standby.table_access.verify(blocked=tables, unblocked=(), hold=regions.block_hold)
    progress = _in_sync(read.failover, regions)
    _copy_log(regions)
    revoked, epoch = _finish_tokens(read.failover, regions)
    read = ReadFailover(replace(read.failover, token_epoch=epoch), read.version)
    return StepDone(read, f"{progress.description}; {revoked} revocations from the log; the token epoch stays {epoch}")


def refuse_reopened(failover: Failover, regions: BothRegions) -> None:
    """Refuse to take over after the standby region's tables were opened by another writer: they may have new rows.

    Raises:
        Refused: a table accepts writes.
    """
    for table in _sources(failover, regions):
        if not regions.standby.table_access.is_blocked(table):
            remedy = f"its new rows would be lost: `orchestrator failover cancel {failover.id}`, and start again"
            raise Refused(f"tables.{table.name}", "it accepts writes again", remedy)


def reopen_standby(read: ReadFailover, regions: BothRegions) -> ReadFailover:
    """Let the standby region's tables accept writes after a cancellation. It may be repeated.

    Raises:
        PolicyNotEffective: a table still denies writes somewhere.
        ResourcePolicyConflict: another client changed a table's policy meanwhile.
    """
    standby, tables = regions.standby, _sources(read.failover, regions)
    for table in tables:
        standby.table_access.unblock(table, lambda: None, requested=True)
    standby.table_access.verify(blocked=(), unblocked=tables, hold=regions.block_hold)
    return regions.store.commit(read, replace(read.failover, reopened_at=standby.now()))


def _sources(failover: Failover, regions: BothRegions) -> list[TableRef]:
    found = [
        (table.source, regions.standby.table_restores.describe_source(table.role, table.source).arn)
        for table in failover.tables
    ]
    return [TableRef(name, arn) for name, arn in found]


def _first(failover: Failover, regions: BothRegions) -> SyncProgress:
    items = {table.role.value: regions.standby.table_reader.describe(table.source).items for table in failover.tables}
    return first_progress(items, regions.standby.now())


def _in_sync(failover: Failover, regions: BothRegions) -> SyncProgress:
    """Copy and compare until both sides hold the same items."""
    syncs = _syncs(failover, regions, failback_share_percent(regions.read_share_percent))
    progress = _first(failover, regions)
    while not progress.in_sync:
        if progress.left:
            progress = next_progress(progress, *_run_segments(progress, syncs))
        else:
            # Nothing writes: what differs is copied in another round.
            looks = {role: syncs[role].look_again(found) for role, found in progress.suspects.items()}
            progress = look_again(progress, looks, regions.standby.now())
    return progress


def _run_segments(
    progress: SyncProgress, syncs: Mapping[str, TableSync]
) -> tuple[list[tuple[SyncSegment, SyncCounts, Suspects]], list[SyncSegment]]:
    """Work on all segments in parallel; return each with its changes and what differs, and those that have not ended."""

    def run(segment: SyncSegment) -> tuple[SyncSegment, SyncCounts, Suspects, SyncSegment | None]:
        return segment, *syncs[segment.role].run_segment(segment, progress.as_of, lambda: False)

    runs = for_each(progress.left, run)
    return [(segment, counts, suspects) for segment, counts, suspects, _ in runs], [one for *_, one in runs if one]


def _syncs(failover: Failover, regions: BothRegions, share_percent: float) -> dict[str, TableSync]:
    standby, key = regions.standby, secrets.token_bytes(32)
    syncs: dict[str, TableSync] = {}
    for table in failover.tables:
        described = standby.table_reader.describe(table.source)
        syncs[table.role] = TableSync(
            table.source,
            table.target,
            Hashing(key, described.names, described.ttl_attribute),
            standby.wires,
            standby.read_pace(described.read_units, share_percent),
            target_wires=regions.home.wires,
            sleep=standby.sleep,
        )
    return syncs


def _copy_log(regions: BothRegions) -> int:
    log = regions.standby.settings["REVOCATIONS_TABLE"]
    pace = regions.standby.read_pace(regions.standby.table_reader.describe(log).read_units, regions.read_share_percent)
    return Surplus(log, regions.standby.wires, log, regions.home.wires, pace, sleep=regions.standby.sleep).copy()


def _finish_tokens(failover: Failover, regions: BothRegions) -> tuple[int, int]:
    """Apply the revocation log to the copied tokens; return how many were revoked by it, and their epoch.

    Raises:
        RestoreFailed: the copied table has no epoch, which it must have since the failover.
    """
    (table,) = (table.target for table in failover.tables if table.role is Role.TOKENS)
    tokens = regions.home.restored_tokens(table, table, regions.home.settings["REVOCATIONS_TABLE"])
    revoked, epoch = tokens.revoke_logged()[0], tokens.read_epoch()
    if not epoch:
        raise RestoreFailed(f"{table} has no revocation epoch, which every failover raises")
    return revoked, epoch
