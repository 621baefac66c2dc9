"""Copies of recovery points in another region: how exact they are, and the jobs that copy them to this region.

A restore job works in the region of its recovery point. So a drill has a copy copied to this region, into a vault of
drills, and restores that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.recovery.backup_times import ONE_TIME, Backup
from orchestrator.domain.recovery.record import TableRecovery

_DAY: Final = timedelta(days=1)


class CopyState(StrEnum):
    """The state of a copy job."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True)
class CopyJob:
    """A copy job.

    Attributes:
        copied_arn: the recovery point that it made; empty before it is complete.
        message: why it failed; empty otherwise.
    """

    id: str
    state: CopyState
    copied_arn: str = ""
    message: str = ""

    @property
    def in_progress(self) -> bool:
        """Whether it may still make its recovery point."""
        return self.state in {CopyState.CREATED, CopyState.RUNNING}


def copied_by(table: TableRecovery, job: CopyJob) -> str:
    """Return the recovery point that a job has made for a table; empty while it is in progress.

    Raises:
        RestoreFailed: the job has ended without a complete one.
    """
    if job.in_progress:
        return ""
    if job.state is not CopyState.COMPLETED or not job.copied_arn:
        reason = job.message or "AWS Backup gives no reason"
        raise RestoreFailed(f"copy job {job.id} of {table.backup_arn} is {job.state}: {reason}")
    return job.copied_arn


def days_to_keep(table: TableRecovery, now: datetime) -> int:
    """Return the retention of the recovery point that is made of a copy: AWS Backup deletes it after a day or two.

    A copy keeps the creation date of its source, from which its retention counts.
    """
    age = now - (table.backup_at or now)
    return max(ceil(age / _DAY), 0) + 1


def as_exact_as_originals(copies: Sequence[Backup], originals: Sequence[Backup]) -> tuple[Backup, ...]:
    """Return copies with the exactness of the recovery points that they are copies of.

    A copy has the creation date of its original, and was complete hours later. Where the original is gone, that time is
    the bound.
    """

    def exact(copy: Backup) -> Backup:
        found = [one.exact_to for one in originals if abs(one.at - copy.at) < ONE_TIME]
        return replace(copy, exact_to=min(found)) if found else copy

    return tuple(exact(copy) for copy in copies)
