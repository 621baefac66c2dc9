"""Restores of tables from copies: AWS Backup's jobs, the key of the tables, and the choice of copies."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.data_key import with_key_arn
from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.application.failover.planning import plan_tables
from orchestrator.application.failover.progress import StepDone, StepWaits, seconds_before_check
from orchestrator.application.failover.restoring import restore_tables
from orchestrator.aws.dynamodb.backups import backup_name_as_of
from orchestrator.domain.errors import Refused, RestoreFailed
from orchestrator.domain.failover.steps import Step
from orchestrator.domain.recovery.backups.restore_jobs import JobStatus, RestoreJob
from orchestrator.domain.recovery.unused_tables import recovery_of_table
from tests.fakes.errors import client_error
from tests.fakes.restorable_tables import arn_of
from tests.unit.application.failover.scenes import evaluable, opened
from tests.workflow.failovers import HOME
from tests.workflow.restores import STATE, TOKENS

KEY = "arn:aws:kms:us-west-1:1:key/data"


class Jobs:
    """AWS Backup: a job creates its table when it is started, and names it when it ends, after a description of each."""

    def __init__(self, world, failed="", creates="", **description):
        self.world, self.failed, self.creates, self.started, self.described = world, failed, creates, [], 0
        self.keys, self.description = [], description

    def start(self, point, table, _role, *, key):
        self.started.append((point, table))
        self.keys.append(key)
        if not self.failed:
            encryption = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}
            self.world.tables.add(table, **({"SSEDescription": encryption} if key else {}), **self.description)
        return f"job-{len(self.started)}"

    def describe(self, job):
        point, table = self.started[int(job.removeprefix("job-")) - 1]
        self.described += 1
        status = JobStatus.FAILED if self.failed else JobStatus.RUNNING if self.described <= 2 else JobStatus.COMPLETED
        arn = "" if status is not JobStatus.COMPLETED else arn_of(self.creates or table)
        return RestoreJob(job, point, status, arn, self.failed)

    def find(self, point, table_arn, since):
        return next((job for job in self._of(point, since) if job.created_arn == table_arn), None)

    def find_unnamed(self, point, since):
        return next((job for job in self._of(point, since) if job.in_progress and not job.created_arn), None)

    def _of(self, point, since):
        assert since <= self.world.failover.requested_at
        described = self.described
        jobs = [self.describe(f"job-{number}") for number in range(1, len(self.started) + 1)]
        self.described = described  # a list is no description of a job
        return [job for job in jobs if job.recovery_point_arn == point]


def of_aws_backup(world, **changes):
    read = opened(world)
    points = tuple(
        replace(table, backup_arn=f"arn:aws:backup:us-west-1:1:recovery-point:{table.role}")
        for table in read.failover.tables
    )
    vars(world.cloud)["restore_jobs"] = Jobs(world, **changes)
    world.cloud.settings["RESTORE_ROLE"] = "arn:role"
    chosen = replace(read.failover, tables=points, chosen_at=world.clock.now())
    return world.cloud.failovers.commit(world.cloud.failovers.read_failover("fo-1"), chosen)


def later(progress, world):
    """The step after it was repeated for as long as the jobs take."""
    for _ in range(5):
        world.clock.advance(10)
        progress = restore_tables(progress.read, world.cloud)
    return progress


def test_recovery_points_are_restored_by_one_job_each_whose_id_is_recorded(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    jobs = world.cloud.restore_jobs
    assert [table for _, table in jobs.started] == [table.target for table in world.failover.tables]
    assert [table.job for table in world.failover.tables] == ["job-1", "job-2"]
    assert isinstance(later(progress, world), StepDone)
    assert len(jobs.started) == 2


def test_a_job_whose_id_was_lost_is_found_by_what_it_restores(world):
    read = of_aws_backup(world)
    jobs = world.cloud.restore_jobs
    for table in read.failover.tables:  # the task died after each request, before its record
        jobs.start(table.backup_arn, table.target, "arn:role", key="")

    progress = restore_tables(read, world.cloud)

    assert [table.job for table in world.failover.tables] == ["job-1", "job-2"]
    assert isinstance(later(progress, world), StepDone)
    assert len(jobs.started) == 2


def test_a_table_for_which_there_is_no_job_is_left_as_it_is(world):
    read = of_aws_backup(world)
    for table in read.failover.tables:
        world.tables.add(table.target)
    with pytest.raises(Refused, match="this failover did not create it"):
        restore_tables(read, world.cloud)


def test_a_table_is_waited_for_while_its_job_is_in_progress(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    assert isinstance(progress, StepWaits)
    assert progress.reason.count("is being restored") == 2


def test_a_table_that_the_job_did_not_create_is_left_as_it_is(world):
    progress = restore_tables(of_aws_backup(world, creates="another"), world.cloud)
    with pytest.raises(Refused, match="this failover did not create it"):
        restore_tables(progress.read, world.cloud)


def test_a_restore_job_that_failed_stops_the_failover(world):
    with pytest.raises(RestoreFailed, match="no key"):
        restore_tables(of_aws_backup(world, failed="no key"), world.cloud)


def test_after_a_job_that_failed_the_next_execution_starts_another_one_with_another_token(world):
    read = of_aws_backup(world, failed="no key")
    jobs = world.cloud.restore_jobs
    with pytest.raises(RestoreFailed, match="no key"):
        restore_tables(read, world.cloud)
    assert [table.job for table in world.failover.tables] == ["", ""]
    jobs.failed = ""

    progress = restore_tables(world.cloud.failovers.read_failover("fo-1"), world.cloud)
    for _ in range(5):
        world.clock.advance(10)
        progress = restore_tables(progress.read, world.cloud)

    assert isinstance(progress, StepDone)
    tokens = [target for _, target in jobs.started]
    assert len(set(tokens)) == 4
    assert [table.target for table in world.failover.tables] == tokens[2:]
    recoveries = {recovery_of_table(target, "test") for target in tokens[2:]}
    assert [recovery.endswith("-attempt-2") for recovery in recoveries] == [True]


def with_key(world, state="Enabled"):
    def describe_key(KeyId):  # noqa: N803
        assert KeyId == KEY
        if not state:
            raise client_error("NotFoundException", "no")
        return {"KeyMetadata": {"KeyState": state}}

    world.cloud.settings["DATA_KEY"] = KEY
    world.clients["kms"] = SimpleNamespace(describe_key=describe_key)


def encryption_of(world):
    return [world.cloud.table_settings.read_settings(table.target).encryption for table in world.failover.tables]


def restored(world, progress):
    for _ in range(8):
        world.clock.advance(600)
        progress = restore_tables(progress.read, world.cloud)
    return progress


def test_tables_are_restored_under_the_key_of_this_region_from_either_kind_of_copy(world):
    with_key(world)
    assert isinstance(restored(world, restore_tables(opened(world), world.cloud)), StepDone)
    assert encryption_of(world) == [["KMS", KEY]] * 2


def test_restore_jobs_get_the_key_of_this_region(world):
    with_key(world)
    progress = restored(world, restore_tables(of_aws_backup(world), world.cloud))
    assert isinstance(progress, StepDone)
    assert world.cloud.restore_jobs.keys == [KEY, KEY]
    assert encryption_of(world) == [["KMS", KEY]] * 2


def test_a_table_that_comes_with_the_units_of_its_backup_is_on_demand_before_clients_use_it(world):
    """AWS Backup restores the provisioned units of the backup's hour, without scaling."""
    units = {"ReadCapacityUnits": 20, "WriteCapacityUnits": 20}
    billing = {"BillingModeSummary": {"BillingMode": "PROVISIONED"}, "ProvisionedThroughput": units}
    progress = restored(world, restore_tables(of_aws_backup(world, **billing), world.cloud))
    assert isinstance(progress, StepDone)
    targets = [table.target for table in progress.read.failover.tables]
    assert [world.cloud.table_settings.read_settings(target).billing["mode"] for target in targets] == [
        "PAY_PER_REQUEST",
        "PAY_PER_REQUEST",
    ]


def test_a_table_that_another_key_encrypts_stops_the_failover_with_the_command_that_changes_it(world):
    progress = restore_tables(of_aws_backup(world), world.cloud)
    with_key(world)
    with pytest.raises(Refused, match=rf"encryption: 'AWS_OWNED'.*KMSMasterKeyId={KEY}`, then resume"):
        restored(world, progress)


@pytest.mark.parametrize(("state", "words"), [("Disabled", "is Disabled"), ("", "is not there")])
def test_a_key_that_cannot_be_used_is_found_before_and_stops_the_restore_before_it_begins(world, state, words):
    with_key(world, state)
    home = evaluable(world)
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert f"the key of the tables in us-west-1 {words}" in evaluated[Step.RESTORE].reason
    with pytest.raises(Refused, match=words):
        restore_tables(opened(world), world.cloud)
    assert world.tables.restored == []


def back_up_at_home(world):
    """Back up the home region's tables once more; their copies are in the standby region."""
    for table in (STATE, TOKENS):
        copied = world.tables.add(f"{table}-copy")
        world.tables.back_up(f"{table}-copy", backup_name_as_of(world.clock.now()))
        del world.tables.tables[copied.description["TableName"]]


def test_copies_that_arrived_while_it_waited_for_approvals_are_restored_and_both_choices_are_recorded(world):
    approved = opened(world)
    world.clock.advance(3 * 3600)
    back_up_at_home(world)
    newest = world.clock.now()
    world.clock.advance(60)

    begun = restore_tables(approved, world.cloud).read.failover

    assert {table.as_of for table in begun.tables} == {newest}
    assert begun.copied_at == newest, "the announced loss counts from what is restored"
    assert begun.approved_tables == approved.failover.tables
    assert [table.target for table in begun.tables] == [table.target for table in approved.failover.tables]
    assert begun.chosen_at == world.clock.now()
    restored = {
        world.tables.tables[table.target].description["RestoreSummary"]["SourceBackupArn"] for table in begun.tables
    }
    assert restored == {table.backup_arn for table in begun.tables}


def test_copies_are_chosen_once(world):
    progress = restore_tables(opened(world), world.cloud)
    chosen = progress.read.failover
    back_up_at_home(world)
    for _ in range(6):
        world.clock.advance(600)
        progress = restore_tables(progress.read, world.cloud)
    assert isinstance(progress, StepDone)
    assert progress.read.failover.tables == chosen.tables


@pytest.mark.parametrize("kept", ["older", "none"])
def test_a_copy_older_than_the_approved_one_is_never_restored_silently(world, kept):
    first = opened(world).failover.tables
    back_up_at_home(world)
    newer = plan_tables(world.cloud, HOME, "us-west-1", world.clock.now())
    read = world.cloud.failovers.commit(
        world.cloud.failovers.read_failover("fo-1"), replace(world.failover, tables=newer)
    )
    expired = {table.backup_arn for table in (newer if kept == "older" else (*newer, *first))}
    world.tables.backups = {arn: one for arn, one in world.tables.backups.items() if arn not in expired}

    with pytest.raises(Refused, match=r"older than the approved|none in us-west-1"):
        restore_tables(read, world.cloud)

    assert world.tables.restored == []
    assert world.failover.tables == newer
    assert world.failover.chosen_at is None


def test_what_an_earlier_version_began_to_restore_is_not_chosen_again(world):
    read = opened(world)
    for table in read.failover.tables:
        world.cloud.table_restores.start_restore("", table.target, table.as_of, table.backup_arn)
    back_up_at_home(world)
    progress = restore_tables(read, world.cloud)
    assert progress.read.failover.tables == read.failover.tables
    assert len(world.tables.restored) == len(read.failover.tables)


@pytest.mark.parametrize(("seconds", "wait"), [(0, 2), (100, 10), (3600, 60)])
def test_a_long_step_is_checked_less_often(world, seconds, wait):
    read = opened(world, began=world.clock.now())
    assert seconds_before_check(read, world.clock.now() + timedelta(seconds=seconds)) == wait


def test_a_key_that_the_settings_name_by_its_alias_is_known_by_its_arn(world):
    settings = world.cloud.settings
    assert with_key_arn(world.cloud) is world.cloud, "the environment has no key"
    settings["DATA_KEY"] = "alias/ib-oauth-data-test"
    world.clients["kms"] = SimpleNamespace(describe_key=lambda **_: {"KeyMetadata": {"Arn": KEY}})
    assert with_key_arn(world.cloud).settings["DATA_KEY"] == KEY

    def absent(**_):
        raise client_error("NotFoundException", "no")

    world.clients["kms"] = SimpleNamespace(describe_key=absent)
    assert with_key_arn(world.cloud).settings["DATA_KEY"] == "alias/ib-oauth-data-test"
