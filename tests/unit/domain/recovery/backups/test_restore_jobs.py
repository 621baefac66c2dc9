"""What a restore job proves of a restored table, and what a drill reports to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.recovery.backups.restore_jobs import (
    MAX_MESSAGE,
    JobStatus,
    RestoreJob,
    Validation,
    described_by_job,
    is_recovery_point,
    refuse_failed_job,
    validation_of,
)
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.restored_table import RestoredTable
from tests.samples import NOW, recovery

TABLE = RestoredTable("arn:table", active=True, in_progress=False, source_arn="arn:source", point=NOW, created_at=NOW)
JOB = RestoreJob("job-1", "arn:point", JobStatus.COMPLETED, "arn:table")
UNDER_WAY = {JobStatus.PENDING, JobStatus.RUNNING}


def test_a_recovery_point_is_known_by_its_service():
    assert is_recovery_point("arn:aws:backup:us-east-2:123456789012:recovery-point:1EB3B5E7")
    assert not is_recovery_point("arn:aws:dynamodb:us-east-2:123456789012:table/t/backup/0123")


@pytest.mark.parametrize("status", sorted(JobStatus))
def test_a_job_that_ended_without_a_complete_table_is_refused_with_its_reason(status):
    job = replace(JOB, status=status, message="the key is disabled")
    assert job.in_progress is (status in UNDER_WAY)
    if status in {*UNDER_WAY, JobStatus.COMPLETED}:
        refuse_failed_job("table", job)
    else:
        with pytest.raises(RestoreFailed, match=f"job-1 of table is {status}: the key is disabled"):
            refuse_failed_job("table", job)


def test_a_job_that_gives_no_reason_is_refused_all_the_same():
    with pytest.raises(RestoreFailed, match="gives no reason"):
        refuse_failed_job("table", replace(JOB, status=JobStatus.FAILED))


def test_a_table_that_a_job_created_was_restored_from_the_job_s_recovery_point():
    assert described_by_job(TABLE, JOB).backup_arn == "arn:point"
    # DynamoDB reports no restore at all.
    assert described_by_job(replace(TABLE, in_progress=None), JOB).in_progress is False


@pytest.mark.parametrize(
    ("status", "in_progress", "expected"),
    [
        (JobStatus.RUNNING, False, True),
        (JobStatus.COMPLETED, True, True),
        (JobStatus.COMPLETED, False, False),
    ],
)
def test_a_table_is_in_progress_while_its_job_or_its_restore_is(status, in_progress, expected):
    found = described_by_job(replace(TABLE, in_progress=in_progress), replace(JOB, status=status))
    assert found.in_progress is expected


@pytest.mark.parametrize("job", [None, replace(JOB, created_arn="arn:other"), replace(JOB, created_arn="")])
def test_a_table_that_no_job_created_is_described_as_it_is(job):
    assert described_by_job(TABLE, job) is TABLE


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (RecoveryOutcome.SUCCEEDED, Validation.SUCCESSFUL),
        (RecoveryOutcome.FAILED, Validation.FAILED),
        (RecoveryOutcome.REFUSED, Validation.FAILED),
        (None, Validation.FAILED),
    ],
)
def test_only_a_drill_that_succeeded_is_reported_as_successful(outcome, expected):
    validation, message = validation_of(replace(recovery(), outcome=outcome, reason="x" * 5000))
    assert validation is expected
    assert message.startswith(f"{recovery().id}: x")
    assert len(message) == MAX_MESSAGE
