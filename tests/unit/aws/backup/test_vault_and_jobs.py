"""The adapters of AWS Backup: recovery points of a vault, and restore jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.backup.restore_jobs import RestoreJobs
from orchestrator.aws.backup.vault import VaultBackups
from orchestrator.domain.errors import Refused, Throttled
from orchestrator.domain.recovery.backup_times import UNCERTAINTY
from orchestrator.domain.recovery.backups.restore_jobs import JobStatus, Validation
from tests.fakes.backup import VAULT, FakeBackup
from tests.fakes.clock import SimulatedClock
from tests.fakes.restorable_tables import RestorableTables, arn_of

TABLE, TARGET, ROLE = "ib-oauth-state-test", "ib-oauth-drill-dr-1-state-test", "arn:aws:iam::123456789012:role/restores"


class World:
    def __init__(self):
        self.clock = SimulatedClock()
        self.tables = RestorableTables(self.clock.now)
        self.tables.add(TABLE)
        self.client = FakeBackup(self.tables, self.clock.now, lambda *_: None)
        self.vault, self.jobs = VaultBackups(self.client, VAULT), RestoreJobs(self.client)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(("took", "exact_to"), [(0, UNCERTAINTY), (3600, timedelta(hours=1))])
def test_a_recovery_point_has_its_time_and_is_as_exact_as_its_job_was_short(world, took, exact_to):
    zone = datetime.now().astimezone().tzinfo
    at = world.clock.now().astimezone(zone)
    arn = world.client.back_up(TABLE, at, timedelta(seconds=took))
    (found,) = world.vault.list_available(arn_of(TABLE))
    assert (found.arn, found.table_arn, found.at, found.at.tzinfo) == (arn, arn_of(TABLE), at, UTC)
    assert found.uncertainty == exact_to


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "EXPIRED", "PARTIAL", "STOPPED"])
def test_what_cannot_be_restored_is_not_listed(world, status):
    world.client.points[world.client.back_up(TABLE, world.clock.now())]["Status"] = status
    assert world.vault.list_available(arn_of(TABLE)) == ()
    assert world.vault.list_available(arn_of("other")) == ()


@pytest.mark.parametrize(
    ("key", "expected"),
    [("", {"encryptionType": "Default"}), ("arn:key", {"encryptionType": "KMS", "kmsMasterKeyArn": "arn:key"})],
)
def test_a_restore_names_its_table_and_the_key_of_the_source(world, key, expected):
    point = world.client.back_up(TABLE, world.clock.now())
    job = world.jobs.start(point, TARGET, ROLE, key=key)
    assert world.client.jobs[job]["metadata"] == {"targetTableName": TARGET, **expected}
    assert world.jobs.start(point, TARGET, ROLE, key=key) == job


def test_a_job_names_the_table_that_it_creates_and_is_found_by_it(world):
    point = world.client.back_up(TABLE, world.clock.now())
    begun = world.clock.now()
    job = world.jobs.start(point, TARGET, ROLE)
    assert world.jobs.describe(job).status is JobStatus.PENDING
    assert world.jobs.find(point, arn_of(TARGET), begun) is None
    assert world.jobs.find_unnamed(point, begun) == world.jobs.describe(job)
    assert world.jobs.find_unnamed("another point", begun) is None
    world.clock.advance(60)
    assert world.jobs.find(point, arn_of(TARGET), begun) == world.jobs.describe(job)
    assert world.jobs.find(point, arn_of("other"), begun) is None
    assert world.jobs.find_unnamed(point, begun) is None, "it names its table"
    assert world.jobs.find(point, arn_of(TARGET), world.clock.now()) is None
    assert world.jobs.describe(job).created_arn == arn_of(TARGET)


@pytest.mark.parametrize(
    "code",
    [
        *("AccessDeniedException", "InvalidParameterValueException", "InvalidRequestException"),
        *("MissingParameterValueException", "ResourceNotFoundException"),
    ],
)
def test_a_rejected_restore_is_refused_and_a_rejected_report_is_returned(world, code):
    point = world.client.back_up(TABLE, world.clock.now())
    job = world.jobs.start(point, TARGET, ROLE)
    world.client.rejects = {"start_restore_job": code, "put_restore_validation_result": code}
    with pytest.raises(Refused, match="AWS Backup cannot restore it"):
        world.jobs.start(point, "other", ROLE)
    assert code in world.jobs.report(job, Validation.FAILED, "an item is missing")


def test_a_job_that_failed_says_why(world):
    world.client.fails = "the key is disabled"
    job = world.jobs.start(world.client.back_up(TABLE, world.clock.now()), TARGET, ROLE)
    world.clock.advance(60)
    found = world.jobs.describe(job)
    assert (found.status, found.message, found.created_arn) == (JobStatus.FAILED, "the key is disabled", "")


def test_a_report_is_kept_with_the_job(world):
    job = world.jobs.start(world.client.back_up(TABLE, world.clock.now()), TARGET, ROLE)
    assert world.jobs.report(job, Validation.SUCCESSFUL, "all checks passed") == ""
    assert world.client.jobs[job]["ValidationStatus"] == "SUCCESSFUL"


@pytest.mark.parametrize(("code", "error"), [("ThrottlingException", Throttled), ("SomethingNew", ClientError)])
def test_any_other_error_is_raised(world, code, error):
    point = world.client.back_up(TABLE, world.clock.now())
    job = world.jobs.start(point, TARGET, ROLE)
    world.client.rejects = {"start_restore_job": code, "put_restore_validation_result": code}
    with pytest.raises(error):
        world.jobs.start(point, "other", ROLE)
    with pytest.raises(error):
        world.jobs.report(job, Validation.FAILED, "")
