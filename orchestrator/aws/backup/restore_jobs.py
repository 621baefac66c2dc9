"""Restore jobs of AWS Backup: start one, follow it, and report what a drill found.

Facts that this relies on:

- StartRestoreJob creates the table that ``targetTableName`` of the metadata names. A repeated request with the same
  idempotency token starts no second job.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
- Without ``kmsMasterKeyArn`` the restored table is encrypted with a key of DynamoDB's own.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-dynamodb.html
- A job names its recovery point and, once there is one, the resource that it created.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRestoreJob.html
- PutRestoreValidationResult keeps the result of a test of one's own with the job.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutRestoreValidationResult.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.restore_jobs import JobStatus, RestoreJob, Validation

REJECTED = frozenset(
    {
        "AccessDeniedException",
        "InvalidParameterValueException",
        "InvalidRequestException",
        "MissingParameterValueException",
        "ResourceNotFoundException",
    }
)


class RestoreJobs:
    """Restore jobs of one region.

    Args:
        client: botocore's client of AWS Backup.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, recovery_point_arn: str, target: str, role: str, *, key: str = "") -> str:
        """Start the restore of a recovery point into a table, and return the job's id.

        The name of the target is the idempotency token: it contains the recovery's id.

        Args:
            recovery_point_arn: what to restore.
            target: name of the table that the job creates.
            role: ARN of the role with which AWS Backup restores.
            key: ARN of the key that encrypts the table; empty for DynamoDB's own.

        Raises:
            Refused: AWS Backup cannot restore it.
        """
        encryption = {"encryptionType": "KMS", "kmsMasterKeyArn": key} if key else {"encryptionType": "Default"}
        try:
            with translate_errors():
                job = self._client.start_restore_job(
                    RecoveryPointArn=recovery_point_arn,
                    Metadata={"targetTableName": target, **encryption},
                    IamRoleArn=role,
                    IdempotencyToken=target,
                    ResourceType="DynamoDB",
                )
        except ClientError as error:
            if error_code(error) not in REJECTED:
                raise
            raise Refused("backup", recovery_point_arn, f"AWS Backup cannot restore it: {error}") from error
        return str(job["RestoreJobId"])

    def describe(self, job_id: str) -> RestoreJob:
        """Describe a job."""
        with translate_errors():
            return _job(self._client.describe_restore_job(RestoreJobId=job_id))

    def find(self, recovery_point_arn: str, table_arn: str, since: datetime) -> RestoreJob | None:
        """Return the job that created a table from a recovery point; None if there is none.

        Args:
            recovery_point_arn: what it restored.
            table_arn: what it created.
            since: the earliest time of the job.
        """
        jobs = self._list_jobs(recovery_point_arn, since)
        return next((job for job in jobs if job.created_arn == table_arn), None)

    def find_unnamed(self, recovery_point_arn: str, since: datetime) -> RestoreJob | None:
        """Return a job in progress that restores a recovery point and does not name its table yet; None if there is none.

        It may create another table: only its end says which.

        Args:
            recovery_point_arn: what it restores.
            since: the earliest time of the job.
        """
        jobs = self._list_jobs(recovery_point_arn, since)
        return next((job for job in jobs if job.in_progress and not job.created_arn), None)

    def _list_jobs(self, recovery_point_arn: str, since: datetime) -> list[RestoreJob]:
        pages = self._client.get_paginator("list_restore_jobs").paginate(ByCreatedAfter=since)
        with translate_errors():
            jobs = [_job(job) for page in pages for job in page["RestoreJobs"]]
        return [job for job in jobs if job.recovery_point_arn == recovery_point_arn]

    def report(self, job_id: str, validation: Validation, message: str) -> str:
        """Report the result of a test of a restored table; return why AWS Backup rejects it, or nothing."""
        try:
            with translate_errors():
                self._client.put_restore_validation_result(
                    RestoreJobId=job_id, ValidationStatus=validation.value, ValidationStatusMessage=message
                )
        except ClientError as error:
            if error_code(error) not in REJECTED:
                raise
            return str(error)
        return ""


def _job(described: Mapping[str, Any]) -> RestoreJob:
    return RestoreJob(
        id=described["RestoreJobId"],
        recovery_point_arn=described.get("RecoveryPointArn", ""),
        status=JobStatus(described["Status"]),
        created_arn=described.get("CreatedResourceArn", ""),
        message=described.get("StatusMessage", ""),
    )
