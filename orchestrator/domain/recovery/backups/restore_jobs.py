"""Restore jobs of AWS Backup: what they prove of a restored table, and the result that a drill reports to them.

What DynamoDB reports of a table that AWS Backup restored is not documented, except for its status. The job reports from
which recovery point it created which table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome
from orchestrator.domain.recovery.restored_table import RestoredTable

MAX_MESSAGE: Final = 1000
"""The longest message of a validation result that is sent, in characters."""


class JobStatus(StrEnum):
    """The status of a restore job."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"
    FAILED = "FAILED"


class Validation(StrEnum):
    """The result of a test of a restored table, as AWS Backup names it."""

    SUCCESSFUL = "SUCCESSFUL"
    FAILED = "FAILED"


@dataclass(frozen=True)
class RestoreJob:
    """A restore job.

    Attributes:
        created_arn: the table that it creates; empty while AWS Backup does not name one.
        message: why it failed; empty otherwise.
    """

    id: str
    recovery_point_arn: str
    status: JobStatus
    created_arn: str = ""
    message: str = ""

    @property
    def in_progress(self) -> bool:
        """Whether it may still create or fill its table."""
        return self.status in {JobStatus.PENDING, JobStatus.RUNNING}

    @property
    def has_failed(self) -> bool:
        """Whether it has ended without a complete table."""
        return not self.in_progress and self.status is not JobStatus.COMPLETED


def is_recovery_point(arn: str) -> bool:
    """Return whether an ARN is of a recovery point of AWS Backup, and not of a backup of DynamoDB."""
    return arn.split(":")[2] == "backup"


def refuse_failed_job(target: str, job: RestoreJob) -> None:
    """Stop when a job has ended without a complete table.

    Raises:
        RestoreFailed: it failed, or was aborted.
    """
    if job.has_failed:
        reason = job.message or "AWS Backup gives no reason"
        raise RestoreFailed(f"restore job {job.id} of {target} is {job.status}: {reason}")


def described_by_job(restored: RestoredTable, job: RestoreJob | None) -> RestoredTable:
    """Return a restored table with what its job reports, if the job created it."""
    if job is None or job.created_arn != restored.arn:
        return restored
    in_progress = job.in_progress or bool(restored.in_progress)
    return replace(restored, in_progress=in_progress, backup_arn=job.recovery_point_arn)


def validation_of(recovery: Recovery) -> tuple[Validation, str]:
    """Return what an ended drill reports to the jobs that restored its tables."""
    succeeded = recovery.outcome is RecoveryOutcome.SUCCEEDED
    message = f"{recovery.id}: {recovery.reason}"[:MAX_MESSAGE]
    return (Validation.SUCCESSFUL if succeeded else Validation.FAILED), message
