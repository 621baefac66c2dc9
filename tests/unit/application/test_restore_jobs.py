"""A table that AWS Backup restored is described with its job, also if the job's id was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestrator.application.drill_cleanup import remove_drill_resources
from orchestrator.application.restored_tables.restore_jobs import describe_restored, job_in_progress, may_appear
from orchestrator.domain.recovery.backups.kinds import BackupKind
from orchestrator.domain.recovery.record import Role, TableRecovery
from orchestrator.domain.recovery.restored_table import Removal, foreign_reason
from tests.fakes.backup import VAULT, FakeBackup
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, Cloud
from tests.fakes.restorable_tables import RestorableTables, arn_of
from tests.samples import recovery

SOURCE, TARGET = "ib-oauth-state-test", "ib-oauth-drill-dr-1-state-test"


def restored(*, with_id):
    """A drill whose table a job restores, and its cloud; the record may have lost the job's id."""
    clock = SimulatedClock()
    tables = RestorableTables(clock.now)
    tables.add(SOURCE)
    backup = FakeBackup(tables, clock.now, lambda *_: None)
    cloud = Cloud({**SETTINGS, "BACKUP_VAULT": VAULT}, clients={"dynamodb": tables, "backup": backup}.__getitem__)
    point = backup.back_up(SOURCE, clock.now() - timedelta(hours=1))
    requested = clock.now()
    job = cloud.restore_jobs.start(point, TARGET, "arn:aws:iam::123456789012:role/restores")
    table = TableRecovery(Role.STATE, SOURCE, TARGET, source_arn=arn_of(SOURCE), backup_arn=point)
    table = replace(table, restore_job=job) if with_id else table
    drill = replace(recovery(), requested_at=requested, backup_kind=BackupKind.VAULT, tables=(table,))
    return clock, cloud, drill, table, backup


def test_a_table_of_a_lost_job_id_is_still_proved_to_be_the_drill_s():
    clock, cloud, drill, table, _ = restored(with_id=False)
    clock.advance(31)
    cloud.restore_jobs.describe("job-0")
    found = describe_restored(cloud, drill, table)
    assert found.in_progress
    assert foreign_reason(drill, table, found) == ""


def test_a_table_that_another_job_restored_is_not_the_drill_s():
    clock, cloud, drill, table, backup = restored(with_id=False)
    clock.advance(31)
    cloud.restore_jobs.describe("job-0")
    backup.jobs["job-0"]["RecoveryPointArn"] = "arn:another"
    assert "it was restored from" in foreign_reason(drill, table, describe_restored(cloud, drill, table))


def test_a_table_that_is_not_there_may_appear_while_its_job_is_in_progress():
    clock, cloud, drill, table, backup = restored(with_id=True)
    assert describe_restored(cloud, drill, table) is None
    assert may_appear(cloud, table)
    assert job_in_progress(cloud, table)
    backup.fails = "no"
    clock.advance(31)
    assert not may_appear(cloud, table)
    assert not may_appear(cloud, replace(table, restore_job=""))
    assert not job_in_progress(cloud, replace(table, restore_job=""))


def test_a_table_of_another_kind_of_backup_is_described_as_dynamodb_does():
    _, cloud, drill, table, _ = restored(with_id=True)
    drill = replace(drill, backup_kind=BackupKind.BACKUP)
    cloud.clients("dynamodb").add(TARGET)
    assert describe_restored(cloud, drill, table).backup_arn == ""


@pytest.mark.parametrize("with_id", [True, False])
def test_a_table_is_no_other_s_while_a_job_of_the_drill_does_not_name_its_table_yet(with_id):
    """DynamoDB reports nothing of AWS Backup's restore. A clean-up that took the table for another's would leave it."""
    _, cloud, drill, table, backup = restored(with_id=with_id)
    cloud.clients("dynamodb").add(TARGET)
    backup.pending, backup.jobs["job-0"]["Status"] = timedelta(hours=1), "PENDING"
    assert removal_of(cloud, drill, table) is Removal.UNDER_WAY
    backup.jobs["job-0"]["Status"] = "ABORTED"
    assert removal_of(cloud, drill, table) is Removal.FOREIGN
    cloud.clients("dynamodb").tables.clear()
    backup.jobs["job-0"]["Status"] = "PENDING"
    assert removal_of(cloud, drill, table) is Removal.UNDER_WAY


def removal_of(cloud, drill, table):
    vars(cloud)["isolated_functions"] = SimpleNamespace(find_function=lambda _name: None)
    return remove_drill_resources(cloud, drill)[table.target]
