"""The adapter of copy jobs of AWS Backup."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.backup.copy_jobs import CopyJobs
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.recovery.backups.copies import CopyJob, CopyState
from tests.fakes.backup import COPY_VAULT, DRILL_VAULT, FakeBackup
from tests.fakes.clock import SimulatedClock
from tests.fakes.restorable_tables import RestorableTables

TABLE, TARGET = "ib-oauth-state-test", "ib-oauth-drill-dr-1-state-test"
ROLE = "arn:aws:iam::123456789012:role/ib-oauth-backups-test"


class World:
    def __init__(self):
        self.clock = SimulatedClock()
        tables = RestorableTables(self.clock.now)
        tables.add(TABLE)
        self.client = FakeBackup(tables, self.clock.now, lambda *_: None)
        self.copy = self.client.copy_away(self.client.back_up(TABLE, self.clock.now()))
        self.jobs = CopyJobs(self.client, COPY_VAULT, DRILL_VAULT)

    def start(self):
        return self.jobs.start(self.copy, TARGET, ROLE, days=2)


@pytest.fixture
def world():
    return World()


def test_a_copy_is_copied_to_the_vault_of_drills_once(world):
    job = world.start()
    assert world.start() == job
    assert world.jobs.describe(job) == CopyJob(job, CopyState.CREATED)
    world.clock.advance(31)
    described = world.jobs.describe(job)
    assert described.state is CopyState.COMPLETED
    made = world.client.points[described.copied_arn]
    assert f":backup-vault:{made['BackupVaultName']}" in DRILL_VAULT
    assert world.client.copy_jobs[job]["days"] == 2


def test_a_job_that_failed_says_why(world):
    world.client.copy_fails = "the key is disabled"
    job = world.start()
    world.clock.advance(timedelta(minutes=1).total_seconds())
    assert world.jobs.describe(job) == CopyJob(job, CopyState.FAILED, message="the key is disabled")


def test_a_copy_that_aws_backup_cannot_copy_is_refused(world):
    world.client.rejects["start_copy_job"] = "InvalidRequestException"
    with pytest.raises(Refused) as caught:
        world.start()
    assert (caught.value.field, caught.value.value) == ("backup", world.copy)


@pytest.mark.parametrize(("code", "error"), [("ThrottlingException", Throttled), ("SomethingNew", ClientError)])
def test_other_errors_are_raised_as_they_are(world, code, error):
    world.client.rejects["start_copy_job"] = code
    with pytest.raises(error):
        world.start()
