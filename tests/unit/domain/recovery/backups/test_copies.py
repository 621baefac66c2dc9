"""Copies of recovery points: how exact they are, what their jobs have made, and how long that is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import RestoreFailed
from orchestrator.domain.recovery.backup_times import Backup
from orchestrator.domain.recovery.backups.copies import (
    CopyJob,
    CopyState,
    as_exact_as_originals,
    copied_by,
    days_to_keep,
)
from orchestrator.domain.recovery.record import Role, TableRecovery
from tests.samples import NOW

COPY = Backup("arn:copy", "copies", "arn:table", 1, NOW, exact_to=timedelta(hours=2))
ORIGINAL = Backup("arn:original", "vault", "arn:table", 1, NOW, exact_to=timedelta(minutes=1))
TABLE = TableRecovery(Role.STATE, "source", "target", backup_arn="arn:copy", backup_at=NOW)
JOB = CopyJob("job-1", CopyState.COMPLETED, "arn:copied")


def test_a_copy_is_as_exact_as_its_original():
    other = replace(ORIGINAL, at=NOW - timedelta(days=1), exact_to=timedelta(seconds=1))
    (found,) = as_exact_as_originals([COPY], [other, ORIGINAL])
    assert found == replace(COPY, exact_to=timedelta(minutes=1))


def test_a_copy_whose_original_is_gone_is_as_exact_as_its_own_times_bound_it():
    assert as_exact_as_originals([COPY], []) == (COPY,)
    assert as_exact_as_originals([COPY], [replace(ORIGINAL, at=NOW + timedelta(seconds=1))]) == (COPY,)


@pytest.mark.parametrize("state", sorted({CopyState.CREATED, CopyState.RUNNING}))
def test_a_job_in_progress_has_made_nothing_yet(state):
    assert copied_by(TABLE, replace(JOB, state=state, copied_arn="")) == ""


def test_a_complete_job_names_what_it_made():
    assert copied_by(TABLE, JOB) == "arn:copied"


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (replace(JOB, state=CopyState.FAILED, message="the key is disabled"), "FAILED: the key is disabled"),
        (replace(JOB, state=CopyState.PARTIAL), "PARTIAL: AWS Backup gives no reason"),
        (replace(JOB, copied_arn=""), "COMPLETED: AWS Backup gives no reason"),
    ],
)
def test_a_job_that_ended_without_a_complete_copy_is_refused_with_its_reason(job, reason):
    with pytest.raises(RestoreFailed) as caught:
        copied_by(TABLE, job)
    assert f"copy job job-1 of arn:copy is {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("age", "days"),
    [
        (timedelta(0), 1),
        (timedelta(seconds=1), 2),
        (timedelta(days=1), 2),
        (timedelta(days=364, hours=1), 366),
        (-timedelta(minutes=1), 1),  # the clock of AWS Backup is ahead
    ],
)
def test_what_is_made_of_a_copy_is_kept_for_a_day_or_two_from_now(age, days):
    assert days_to_keep(TABLE, NOW + age) == days
    assert timedelta(0) < NOW + timedelta(days=days) - (NOW + age) <= timedelta(days=2)


def test_a_table_without_the_time_of_its_backup_counts_from_now():
    assert days_to_keep(replace(TABLE, backup_at=None), NOW) == 1


def test_a_table_is_restored_from_what_was_made_of_its_copy():
    assert TABLE.restored_from == "arn:copy"
    assert replace(TABLE, copied_arn="arn:copied").restored_from == "arn:copied"
