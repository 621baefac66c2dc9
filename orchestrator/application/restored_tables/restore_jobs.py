"""Restores by AWS Backup: start them, describe the tables that they create, and report what a drill found."""

from __future__ import annotations

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.recovery.backups.kinds import BY_RESTORE_JOB
from orchestrator.domain.recovery.backups.restore_jobs import (
    described_by_job,
    refuse_failed_job,
    validation_of,
)
from orchestrator.domain.recovery.record import Recovery, TableRecovery
from orchestrator.domain.recovery.restored_table import CLOCK_TOLERANCE, RestoredTable


def start_restore_job(cloud: Cloud, table: TableRecovery) -> str:
    """Start the restore of a table's recovery point, once, and return the job's id.

    Raises:
        Refused: AWS Backup cannot restore it.
    """
    return cloud.restore_jobs.start(
        table.restored_from, table.target, cloud.settings["RESTORE_ROLE"], key=table.encryption_key
    )


def job_in_progress(cloud: Cloud, table: TableRecovery) -> bool:
    """Return whether the job that restores a table is in progress, and so may still create it.

    Raises:
        RestoreFailed: the job has failed.
    """
    if not table.restore_job:
        return False
    job = cloud.restore_jobs.describe(table.restore_job)
    refuse_failed_job(table.target, job)
    return job.in_progress


def may_appear(cloud: Cloud, table: TableRecovery) -> bool:
    """Return whether a job may still create a table that is not there."""
    return bool(table.restore_job) and cloud.restore_jobs.describe(table.restore_job).in_progress


def describe_restored(cloud: Cloud, recovery: Recovery, table: TableRecovery) -> RestoredTable | None:
    """Describe a restored table, with what its restore job reports; None if it does not exist.

    The job is found without its id, too: the id is lost if an execution ends between the request and its record.
    """
    restored = cloud.table_restores.describe_restore(table.target)
    if restored is None or recovery.backup_kind not in BY_RESTORE_JOB:
        return restored
    if table.restore_job:
        return described_by_job(restored, cloud.restore_jobs.describe(table.restore_job))
    since = recovery.requested_at - CLOCK_TOLERANCE
    return described_by_job(restored, cloud.restore_jobs.find(table.restored_from, restored.arn, since))


def report_validation(cloud: Cloud, recovery: Recovery) -> None:
    """Report an ended drill to the jobs that restored its tables. It is idempotent.

    A rejection is logged and ignored: the evidence is complete without it.

    Raises:
        Throttled, Unreachable: it was not reported.
    """
    validation, message = validation_of(recovery)
    for table in recovery.tables:
        if table.restore_job and (rejected := cloud.restore_jobs.report(table.restore_job, validation, message)):
            logger.warning("validation was rejected", extra={"recovery": recovery.id, "error": rejected})
