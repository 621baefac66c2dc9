"""The data loss of a restore: from the time of the restored content to the last write that its source acknowledged.

Clients use the original tables until the cutover closes them. What they wrote since the recovery point is lost, and a
restore takes minutes. So the loss ends when the original tables were closed, and not when the restore was requested. The
closing is an upper bound of the last acknowledged write: heartbeats and clients write every second, and a source that
took no writes for another reason before is not distinguished.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from orchestrator.domain.deployment.cutover import Cutover
from orchestrator.domain.deployment.late_writes import ReplayAction, newest_progress
from orchestrator.domain.recovery.backup_times import content_time
from orchestrator.domain.recovery.record import Measured, Recovery, TableRecovery

CLOSING = "from the recovery point to the closing of the original tables"
REPLAYED = "from the recovery point to the last write that was not replayed"
OF_DELETED = "the original tables were deleted, and their backups were made then"


def measured_restore(recovery: Recovery, cutover: Cutover, ended_at: datetime) -> Recovery:
    """Return a restore with its measured data loss: the largest of its tables.

    Args:
        recovery: the restore; its service uses the restored tables.
        cutover: of its deployment.
        ended_at: when that deployment ended.
    """
    closed_at = closing_time(cutover) or ended_at
    replay = newest_progress(recovery.replay, cutover.replay)
    if recovery.replays is not None and replay.passes and not replay.unknown and _streams_hold_all(recovery):
        lost = max(timedelta(0), replay.lost_at - recovery.point) if replay.lost_at else timedelta(0)
        return replace(recovery, measured=Measured(None, lost, REPLAYED))
    loss = max(_loss_of(table, recovery.point, closed_at) for table in recovery.tables)
    complete = all(_left_all_writes(table) for table in recovery.tables)
    return replace(recovery, measured=Measured(None, loss, OF_DELETED if complete else CLOSING))


def closing_time(cutover: Cutover) -> datetime | None:
    """Return when the original tables acknowledged their last write that is lost; None if that was not recorded.

    It is the request of their block. Hosts that applied it late accepted writes afterwards, which were replayed. If one
    could not be, the time is that at which every host denied.
    """
    replay = cutover.replay
    if replay is None or replay.unknown or replay.actions.get(ReplayAction.KEEP):
        return cutover.blocked_at
    return cutover.block_requested_at


def _loss_of(table: TableRecovery, point: datetime, closed_at: datetime) -> timedelta:
    if _left_all_writes(table):
        return timedelta(0)
    return max(timedelta(0), closed_at - content_time(table, point) + table.uncertainty)


def _streams_hold_all(recovery: Recovery) -> bool:
    """Whether every table is there, whose stream was read, or left all its writes."""
    return all(not table.gone or _left_all_writes(table) for table in recovery.tables)


def _left_all_writes(table: TableRecovery) -> bool:
    """Whether the table was deleted and is restored from the backup that DynamoDB made then, which is exact."""
    return table.gone and table.backup_at is not None and not table.uncertainty
