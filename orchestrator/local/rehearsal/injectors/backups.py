"""An attacker with admin in the account deletes every backup that can be deleted, and ends point-in-time recovery."""

from __future__ import annotations

import json
from contextlib import suppress

from botocore.exceptions import ClientError

from orchestrator.domain.names import resource_name
from orchestrator.domain.recovery.record import Role
from orchestrator.domain.rehearsal.catalogue import RECOVERY_COMMAND
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.injectors.tables import live_table
from orchestrator.local.rehearsal.stage import Stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

_JOB_SECONDS = 60.0
_VAULT = resource_name("backups", ENVIRONMENT)
_OFF = {"PointInTimeRecoveryEnabled": False}


def back_up(stage: Stage) -> None:
    """Take a backup of each table, and one in a locked vault, as the schedules do."""
    dynamodb, backup = (stage.here.cloud.clients(service) for service in ("dynamodb", "backup"))
    for role in Role:
        dynamodb.create_backup(TableName=live_table(stage, role), BackupName="nightly")
    with suppress(backup.exceptions.AlreadyExistsException):
        backup.create_backup_vault(BackupVaultName=_VAULT)
    backup.put_backup_vault_lock_configuration(BackupVaultName=_VAULT, MinRetentionDays=1)
    table = dynamodb.describe_table(TableName=live_table(stage, Role.TOKENS))["Table"]["TableArn"]
    job = backup.start_backup_job(BackupVaultName=_VAULT, ResourceArn=table, IamRoleArn=_role(stage))["BackupJobId"]

    def complete() -> bool | None:
        state = backup.describe_backup_job(BackupJobId=job)["State"]
        if state in {"FAILED", "ABORTED"}:
            raise RehearsalFailed(f"the backup job of {table} is {state}")
        return True if state == "COMPLETED" else None

    stage.wait_until(complete, _JOB_SECONDS, f"the backup job of {table}")


def empty(stage: Stage) -> None:
    """Delete every backup of the account that can be deleted, and turn point-in-time recovery of the tables off."""
    dynamodb, backup = (stage.here.cloud.clients(service) for service in ("dynamodb", "backup"))
    for page in dynamodb.get_paginator("list_backups").paginate(BackupType="USER"):
        for one in page["BackupSummaries"]:
            dynamodb.delete_backup(BackupArn=one["BackupArn"])
    for point in _points(stage):
        with suppress(ClientError):
            backup.delete_recovery_point(BackupVaultName=_VAULT, RecoveryPointArn=point)
    for role in Role:
        dynamodb.update_continuous_backups(TableName=live_table(stage, role), PointInTimeRecoverySpecification=_OFF)


def restore_protection(stage: Stage) -> None:
    """Find what is missing, and turn point-in-time recovery on again."""
    found = stage.type("orchestrator doctor --env ENV", expected=None).output
    if not any(line.startswith("FAIL") and "point-in-time" in line for line in found.splitlines()):
        raise RehearsalFailed(f"`orchestrator doctor` does not name the missing recovery: {found}")
    for role in Role:
        stage.type(RECOVERY_COMMAND.replace("TABLE", live_table(stage, role)))


def verify(stage: Stage) -> str:
    """Verify by a drill that the tables can be restored again."""
    left = _points(stage)
    if not left:
        raise RehearsalFailed("the locked vault is empty")
    stage.type("orchestrator drill --watch --env ENV")
    return f"the locked vault kept its {len(left)} recovery point(s), and a drill restored both tables again"


def _points(stage: Stage) -> list[str]:
    pages = stage.here.cloud.clients("backup").list_recovery_points_by_backup_vault(BackupVaultName=_VAULT)
    return [str(point["RecoveryPointArn"]) for point in pages["RecoveryPoints"]]


def _role(stage: Stage) -> str:
    iam, name = stage.here.cloud.clients("iam"), resource_name("backups", ENVIRONMENT)
    trust = {"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]}, allow_nan=False)
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])
