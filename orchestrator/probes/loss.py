"""What a restore lost, by the receipts of what was acknowledged: looked at before anybody writes to the copy."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from orchestrator.domain.receipts import SLOTS, Loss, figures, loss, verdict
from orchestrator.domain.recovery import Finding, Recovery, TableRecovery
from orchestrator.domain.restoration import weighed


class KeepsReceipts(Protocol):
    """Receipts, and the rows that they are of."""

    def acknowledged(self, guarded: str, since: datetime) -> AbstractSet[int]:
        """The seconds of which there is a receipt for a table."""

    def rows(self, guarded: str) -> AbstractSet[int]:
        """The seconds of the rows that a table has."""


def look(recovery: Recovery, table: TableRecovery, receipts: KeepsReceipts) -> tuple[Finding, Loss]:
    """Compare the rows of a copy with those that were acknowledged in its source.

    A backup is of a minute and not of a second: what its rows say is told, and nothing rests on it.

    Raises:
        Throttled, Unreachable: one of the tables could not be read.
    """
    acknowledged = receipts.acknowledged(table.source, recovery.point - timedelta(seconds=SLOTS))
    # Who recovers to an earlier time than they could loses by intent what lies between.
    moment = recovery.requested_at - (recovery.latest - recovery.point)
    found = loss(acknowledged, receipts.rows(table.target), recovery.point, moment)
    finding = Finding(f"receipts.{table.role}", verdict(table.role, found, acknowledged), figures(found))
    judged = weighed(recovery.kind, finding)
    return (replace(judged, decides=False) if table.backup_arn else judged), found
