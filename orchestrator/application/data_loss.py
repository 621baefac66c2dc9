"""Measure a restore's data loss by heartbeats: compare acknowledged rows with those of the restored table.

It is measured before any client writes to the restored table.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.domain.recovery.backup_times import content_time
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.heartbeats import SLOTS, DataLoss, data_loss_of, heartbeat_figures, judge_heartbeats
from orchestrator.domain.recovery.record import CheckResult, Recovery, TableRecovery
from orchestrator.domain.recovery.restore import with_decides
from orchestrator.domain.verdict import Outcome


class HeartbeatReader(Protocol):
    """Reads heartbeat rows and their acknowledgements."""

    def read_acknowledged(self, monitored_table: str, since: datetime) -> AbstractSet[int]:
        """Return the acknowledged seconds of a table, in epoch seconds."""

    def read_rows(self, table: str) -> AbstractSet[int]:
        """Return the seconds of the heartbeat rows that a table holds, in epoch seconds."""


def measure_data_loss(
    recovery: Recovery, table: TableRecovery, heartbeats: HeartbeatReader
) -> tuple[CheckResult, DataLoss]:
    """Compare the heartbeat rows of a restored table with those that were acknowledged in its source.

    A restored table must hold what was acknowledged before its own time: the recovery point, or the time of its
    backup. The content of an on-demand backup is only exact to a minute, so the rows of that minute do not count.

    Raises:
        Throttled, Unreachable: one of the tables could not be read.
    """
    time = content_time(table, recovery.point)
    acknowledged = heartbeats.read_acknowledged(table.source, time - table.uncertainty - timedelta(seconds=SLOTS))
    # A recovery to an earlier point than the latest possible one loses what lies between on purpose.
    moment = recovery.requested_at - (recovery.latest - recovery.point)
    loss = data_loss_of(acknowledged, heartbeats.read_rows(table.target), time, moment, table.uncertainty)
    measured = CheckResult(
        f"heartbeats.{table.role}", judge_heartbeats(table.role, loss, acknowledged), heartbeat_figures(loss)
    )
    if recovery.backup_kind is not BackupKind.PITR and measured.verdict.outcome is Outcome.INCONCLUSIVE:
        # Heartbeats are kept for two days, and a backup for longer.
        return replace(measured, decides=False), loss
    return with_decides(recovery.kind, measured), loss
