"""AWS Backup: jobs that back up, copy and restore tables, and how they fail.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Operations.html
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from orchestrator.aws.backup.restore_jobs import RestoreJobs
from orchestrator.aws.backup.vault import VaultBackups
from orchestrator.aws.dynamodb.restores import TableRestores
from orchestrator.domain.recovery.backups.restore_jobs import Validation, described_by_job
from orchestrator.local.cloud import ACCOUNT
from tests.contract.dynamodb.test_point_in_time_recovery import put, refusal
from tests.contract.keys import customer_key, disable
from tests.contract.tables import active, content, described, fill, key, rewrite, scanned, table
from tests.contract.waiting import eventually

OTHER = "us-east-2"


def client(cloud, region: str, service: str = "backup") -> Any:
    session = boto3.Session("test", "test", region_name=region)
    return session.client(service, endpoint_url=cloud.endpoint_url, config=Config(retries={"max_attempts": 0}))


def role(cloud, service: str = "backup.amazonaws.com") -> str:
    """A role that a service may assume."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    created = cloud.client("iam").create_role(RoleName=cloud.name("role"), AssumeRolePolicyDocument=document)
    return str(created["Role"]["Arn"])


def vault(cloud, region: str = "", **settings: Any) -> str:
    name = cloud.name("vault")
    backup = client(cloud, region) if region else cloud.client("backup")
    backup.create_backup_vault(BackupVaultName=name, **settings)
    return name


def backed_up(cloud, name: str, stored_in: str, **settings: Any) -> dict[str, Any]:
    """Back up a table; return the job at its end."""
    backup = cloud.client("backup")
    job = backup.start_backup_job(
        BackupVaultName=stored_in, ResourceArn=described(cloud, name)["TableArn"], IamRoleArn=role(cloud), **settings
    )["BackupJobId"]
    return ended(lambda: backup.describe_backup_job(BackupJobId=job), "State")


def ended(describe, field: str) -> dict[str, Any]:
    eventually(lambda: describe()[field] in {"COMPLETED", "FAILED"})
    return describe()


def restored(cloud, point: str, target: str, region: str = "", **settings: Any) -> dict[str, Any]:
    """Restore a recovery point in its region; return the job at its end."""
    backup = client(cloud, region) if region else cloud.client("backup")
    request = {"RecoveryPointArn": point, "IamRoleArn": role(cloud), "Metadata": {"targetTableName": target}}
    job = backup.start_restore_job(**request | settings)["RestoreJobId"]
    return ended(lambda: backup.describe_restore_job(RestoreJobId=job), "Status")


def copied(cloud, by: Any, arn: str, source: str, destination: str, **settings: Any) -> str:
    """Have a client copy a recovery point from one vault to another, twice with one token; return the copy's ARN."""
    request = {"RecoveryPointArn": arn, "SourceBackupVaultName": source, "IamRoleArn": role(cloud)}
    request |= {"DestinationBackupVaultArn": destination, "IdempotencyToken": cloud.name("token")} | settings
    job = by.start_copy_job(**request)["CopyJobId"]
    assert by.start_copy_job(**request)["CopyJobId"] == job, "the same token starts no second job"
    done = ended(lambda: by.describe_copy_job(CopyJobId=job)["CopyJob"], "State")
    return str(done["DestinationRecoveryPointArn"])


def stored(cloud) -> tuple[str, str, str]:
    """A table, a vault, and a recovery point of the table in it."""
    name, stored_in = table(cloud, recovery=False), vault(cloud)
    put(cloud.client("dynamodb"), name, "a", "before")
    return name, stored_in, backed_up(cloud, name, stored_in)["RecoveryPointArn"]


def test_a_backup_job_takes_a_while_and_stores_what_the_table_held_when_it_began(cloud):
    name, stored_in = table(cloud, recovery=False), vault(cloud)
    put(cloud.client("dynamodb"), name, "a", "before")
    backup = cloud.client("backup")
    arn = described(cloud, name)["TableArn"]
    begun = backup.start_backup_job(BackupVaultName=stored_in, ResourceArn=arn, IamRoleArn=role(cloud))
    put(cloud.client("dynamodb"), name, "a", "after")
    assert begun["RecoveryPointArn"].split(":")[2:6:3] == ["backup", "recovery-point"]
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"] == []

    job = ended(lambda: backup.describe_backup_job(BackupJobId=begun["BackupJobId"]), "State")
    assert (job["State"], job["ResourceType"]) == ("COMPLETED", "DynamoDB")
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"]
    assert (point["ResourceArn"], point["Status"]) == (arn, "COMPLETED")
    assert job["CreationDate"] <= point["CompletionDate"]

    target = cloud.name("restored")
    job = restored(cloud, point["RecoveryPointArn"], target)
    assert job["Status"] == "COMPLETED"
    assert job["CreatedResourceArn"] == described(cloud, active(cloud, target))["TableArn"]
    assert job["RecoveryPointArn"] == point["RecoveryPointArn"]
    assert content(cloud, target) == [{**key("a"), "v": {"S": "before"}}]


def test_a_recovery_point_outlives_its_table(cloud):
    name, _, point = stored(cloud)
    cloud.client("dynamodb").delete_table(TableName=name)
    target = cloud.name("restored")
    assert restored(cloud, point, target)["Status"] == "COMPLETED"
    assert content(cloud, target) == [{**key("a"), "v": {"S": "before"}}]


def test_recovery_points_are_listed_by_resource_and_time_page_by_page(cloud):
    name, stored_in, _ = stored(cloud)
    backed_up(cloud, name, stored_in)
    backup = cloud.client("backup")
    arn = described(cloud, name)["TableArn"]

    def listed(**selected: Any) -> list[Any]:
        pages = backup.get_paginator("list_recovery_points_by_backup_vault")
        found = pages.paginate(BackupVaultName=stored_in, PaginationConfig={"PageSize": 1}, **selected)
        return [point["RecoveryPointArn"] for page in found for point in page["RecoveryPoints"]]

    assert len(listed(ByResourceArn=arn, ByResourceType="DynamoDB")) == 2
    assert listed(ByResourceArn=f"{arn}-other") == []
    assert listed(ByCreatedAfter=time.time() + 60) == []


def test_a_repeated_request_with_the_same_token_starts_no_second_restore(cloud):
    _, _, point = stored(cloud)
    backup, target = cloud.client("backup"), cloud.name("restored")
    request = {"RecoveryPointArn": point, "IamRoleArn": role(cloud), "Metadata": {"targetTableName": target}}
    first = backup.start_restore_job(**request, IdempotencyToken=target)["RestoreJobId"]
    assert backup.start_restore_job(**request, IdempotencyToken=target)["RestoreJobId"] == first
    assert ended(lambda: backup.describe_restore_job(RestoreJobId=first), "Status")["Status"] == "COMPLETED"
    jobs = backup.list_restore_jobs()["RestoreJobs"]
    assert [job["RestoreJobId"] for job in jobs if job["RecoveryPointArn"] == point] == [first]


def test_a_restore_over_a_table_that_exists_fails_and_leaves_it(cloud):
    name, _, point = stored(cloud)
    put(cloud.client("dynamodb"), name, "a", "now")
    job = restored(cloud, point, name)
    assert job["Status"] == "FAILED"
    assert name in job["StatusMessage"]
    assert content(cloud, name) == [{**key("a"), "v": {"S": "now"}}]


def test_a_role_that_aws_backup_cannot_assume_is_refused(cloud):
    name, stored_in, point = stored(cloud)
    backup, arn = cloud.client("backup"), described(cloud, name)["TableArn"]
    for unusable in (f"arn:aws:iam::{ACCOUNT}:role/{cloud.name('absent')}", role(cloud, "lambda.amazonaws.com")):
        params = {"BackupVaultName": stored_in, "ResourceArn": arn, "IamRoleArn": unusable}
        assert refusal(backup.start_backup_job, **params) == "InvalidParameterValueException"
        metadata = {"targetTableName": cloud.name("restored")}
        params = {"RecoveryPointArn": point, "IamRoleArn": unusable, "Metadata": metadata}
        assert refusal(backup.start_restore_job, **params) == "InvalidParameterValueException"


@pytest.mark.parametrize("metadata", [{}, {"targetTableName": "t", "encryptionType": "KMS"}])
def test_metadata_that_lacks_the_table_or_its_key_is_refused(cloud, metadata):
    _, _, point = stored(cloud)
    params = {"RecoveryPointArn": point, "IamRoleArn": role(cloud), "Metadata": metadata}
    assert refusal(cloud.client("backup").start_restore_job, **params) == "InvalidParameterValueException"


def test_an_expired_recovery_point_is_not_restored(cloud):
    name, stored_in = table(cloud, recovery=False), vault(cloud)
    job = backed_up(cloud, name, stored_in, Lifecycle={"DeleteAfterDays": 0})
    backup = cloud.client("backup")
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"]
    assert point["Status"] == "EXPIRED"
    metadata = {"targetTableName": cloud.name("restored")}
    params = {"RecoveryPointArn": job["RecoveryPointArn"], "IamRoleArn": role(cloud), "Metadata": metadata}
    assert refusal(backup.start_restore_job, **params) == "InvalidRequestException"


def test_a_locked_vault_keeps_its_recovery_points_and_takes_none_that_are_kept_for_less(cloud):
    name, stored_in, point = stored(cloud)
    backup = cloud.client("backup")
    backup.put_backup_vault_lock_configuration(BackupVaultName=stored_in, MinRetentionDays=7)
    assert refusal(backup.delete_recovery_point, BackupVaultName=stored_in, RecoveryPointArn=point)
    assert len(backup.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"]) == 1
    assert backed_up(cloud, name, stored_in, Lifecycle={"DeleteAfterDays": 3})["State"] == "FAILED"
    assert backed_up(cloud, name, stored_in, Lifecycle={"DeleteAfterDays": 7})["State"] == "COMPLETED"
    backup.delete_backup_vault_lock_configuration(BackupVaultName=stored_in)
    backup.delete_recovery_point(BackupVaultName=stored_in, RecoveryPointArn=point)
    params = {"BackupVaultName": stored_in, "RecoveryPointArn": point}
    assert refusal(backup.describe_recovery_point, **params) == "ResourceNotFoundException"


def test_a_restore_fails_while_the_key_of_its_vault_cannot_be_used(cloud):
    name, master = table(cloud, recovery=False), customer_key(cloud)
    point = backed_up(cloud, name, vault(cloud, EncryptionKeyArn=master))["RecoveryPointArn"]
    disable(cloud, master)
    job = restored(cloud, point, cloud.name("restored"))
    assert job["Status"] == "FAILED"
    assert "DisabledException" in job["StatusMessage"]


def test_a_recovery_point_is_copied_to_another_region_with_the_time_of_the_original(cloud):
    name, stored_in, point = stored(cloud)
    backup, there = cloud.client("backup"), client(cloud, OTHER)
    destination = vault(cloud, OTHER)
    arn = there.describe_backup_vault(BackupVaultName=destination)["BackupVaultArn"]
    job = backup.start_copy_job(
        RecoveryPointArn=point,
        SourceBackupVaultName=stored_in,
        DestinationBackupVaultArn=arn,
        IamRoleArn=role(cloud),
        IdempotencyToken=cloud.name("token"),
    )["CopyJobId"]
    copied = ended(lambda: backup.describe_copy_job(CopyJobId=job)["CopyJob"], "State")
    assert copied["State"] == "COMPLETED"

    (copy,) = there.list_recovery_points_by_backup_vault(BackupVaultName=destination)["RecoveryPoints"]
    assert copy["RecoveryPointArn"] == copied["DestinationRecoveryPointArn"]
    assert copy["RecoveryPointArn"].split(":")[3] == OTHER
    assert copy["ResourceArn"] == described(cloud, name)["TableArn"]
    original = backup.describe_recovery_point(BackupVaultName=stored_in, RecoveryPointArn=point)
    assert copy["CreationDate"] == original["CreationDate"]
    assert copy["SourceBackupVaultArn"] == original["BackupVaultArn"]

    target = cloud.name("restored")
    params = {"RecoveryPointArn": copy["RecoveryPointArn"], "Metadata": {"targetTableName": target}}
    restore = there.start_restore_job(**params, IamRoleArn=role(cloud))["RestoreJobId"]
    done = ended(lambda: there.describe_restore_job(RestoreJobId=restore), "Status")
    assert done["CreatedResourceArn"].split(":")[3] == OTHER
    assert refusal(cloud.client("dynamodb").describe_table, TableName=target) == "ResourceNotFoundException"


def test_a_copy_is_copied_back_and_its_retention_counts_from_the_time_of_the_original(cloud):
    """https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html"""
    _, stored_in, point = stored(cloud)
    backup, there = cloud.client("backup"), client(cloud, OTHER)
    away, back = vault(cloud, OTHER), vault(cloud)

    vaults = {one: by.describe_backup_vault(BackupVaultName=one) for by, one in ((there, away), (backup, back))}
    copy = copied(cloud, backup, point, stored_in, vaults[away]["BackupVaultArn"])
    returned = copied(cloud, there, copy, away, vaults[back]["BackupVaultArn"], Lifecycle={"DeleteAfterDays": 2})
    original = backup.describe_recovery_point(BackupVaultName=stored_in, RecoveryPointArn=point)
    found = backup.describe_recovery_point(BackupVaultName=back, RecoveryPointArn=returned)
    assert (found["CreationDate"], found["Status"]) == (original["CreationDate"], "COMPLETED")
    assert found["CalculatedLifecycle"]["DeleteAt"] == original["CreationDate"] + timedelta(days=2)
    target = cloud.name("restored")
    assert restored(cloud, returned, target)["Status"] == "COMPLETED"
    assert content(cloud, target) == [{**key("a"), "v": {"S": "before"}}]


def test_a_recovery_point_and_its_copies_hold_the_same_whatever_is_written_to_the_tables_restored_from_them(cloud):
    name, stored_in = table(cloud, recovery=False), vault(cloud)
    then = fill(cloud.client("dynamodb"), name)
    point = backed_up(cloud, name, stored_in)["RecoveryPointArn"]
    rewrite(cloud.client("dynamodb"), name)
    backup, there = cloud.client("backup"), client(cloud, OTHER)
    away, back = vault(cloud, OTHER), vault(cloud)
    destination = there.describe_backup_vault(BackupVaultName=away)["BackupVaultArn"]
    copy = copied(cloud, backup, point, stored_in, destination)
    home = backup.describe_backup_vault(BackupVaultName=back)["BackupVaultArn"]
    returned = copied(cloud, there, copy, away, home)
    places = ((point, cloud.region), (copy, OTHER), (returned, cloud.region))
    for backed_up_point, region in places * 2:
        target, dynamodb = cloud.name("restored"), client(cloud, region, "dynamodb")
        assert restored(cloud, backed_up_point, target, region)["Status"] == "COMPLETED"
        assert scanned(dynamodb, target) == then, (backed_up_point, region)
        rewrite(dynamodb, target)


def test_a_copy_to_a_vault_that_is_locked_for_longer_fails(cloud):
    _, stored_in, point = stored(cloud)
    there, destination = client(cloud, OTHER), vault(cloud, OTHER)
    there.put_backup_vault_lock_configuration(BackupVaultName=destination, MinRetentionDays=30)
    backup = cloud.client("backup")
    job = backup.start_copy_job(
        RecoveryPointArn=point,
        SourceBackupVaultName=stored_in,
        DestinationBackupVaultArn=there.describe_backup_vault(BackupVaultName=destination)["BackupVaultArn"],
        IamRoleArn=role(cloud),
        Lifecycle={"DeleteAfterDays": 7},
    )["CopyJobId"]
    copied = ended(lambda: backup.describe_copy_job(CopyJobId=job)["CopyJob"], "State")
    assert copied["State"] == "FAILED"
    assert "30 days" in copied["StatusMessage"]


def test_the_result_of_a_test_is_kept_with_the_restore_job(cloud):
    _, _, point = stored(cloud)
    backup = cloud.client("backup")
    job = restored(cloud, point, cloud.name("restored"))["RestoreJobId"]
    backup.put_restore_validation_result(
        RestoreJobId=job, ValidationStatus="FAILED", ValidationStatusMessage="an item is missing"
    )
    described_job = backup.describe_restore_job(RestoreJobId=job)
    assert described_job["ValidationStatus"] == "FAILED"
    assert described_job["ValidationStatusMessage"] == "an item is missing"
    params = {"RestoreJobId": "absent", "ValidationStatus": "SUCCESSFUL"}
    assert refusal(backup.put_restore_validation_result, **params) == "ResourceNotFoundException"
    params = {"RestoreJobId": job, "ValidationStatus": "FINE"}
    assert refusal(backup.put_restore_validation_result, **params) == "InvalidParameterValueException"


def test_our_adapters_restore_a_recovery_point_and_report_what_was_found(cloud):
    name, stored_in, point = stored(cloud)
    backup, target = cloud.client("backup"), cloud.name("restored")
    begun = datetime.now(UTC) - timedelta(minutes=1)
    (found,) = VaultBackups(backup, stored_in).list_available(described(cloud, name)["TableArn"])
    assert found.arn == point
    assert VaultBackups(backup, stored_in).list_available(described(cloud, name)["TableArn"] + "-other") == ()

    jobs, assumed = RestoreJobs(backup), role(cloud)
    job = jobs.start(point, target, assumed)
    assert jobs.start(point, target, assumed) == job
    eventually(lambda: not jobs.describe(job).in_progress)
    arn = described(cloud, active(cloud, target))["TableArn"]
    assert jobs.find(point, arn, begun) == jobs.describe(job)
    restored_table = TableRestores(cloud.client("dynamodb")).describe_restore(target)
    assert described_by_job(restored_table, jobs.describe(job)).backup_arn == point
    assert jobs.report(job, Validation.SUCCESSFUL, "all checks passed") == ""
    assert backup.describe_restore_job(RestoreJobId=job)["ValidationStatus"] == "SUCCESSFUL"
