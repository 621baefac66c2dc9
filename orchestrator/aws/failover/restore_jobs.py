"""Restore a table from a recovery point of AWS Backup in this region.

A job with the same idempotency token is the same job, so a repeated request starts nothing more.
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-dynamodb.html
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused

_FAILED = frozenset({"FAILED", "ABORTED"})
_NOT_RESTORABLE = frozenset({"InvalidParameterValueException", "ResourceNotFoundException", "InvalidRequestException"})


def is_recovery_point(arn: str) -> bool:
    """Return whether an ARN is of a recovery point of AWS Backup, and not of a backup of DynamoDB."""
    return arn.split(":")[2] == "backup"


class RestoreJobs:
    """Restore jobs of AWS Backup.

    Args:
        client: botocore's client of AWS Backup.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def start(self, recovery_point: str, table: str, role: str, token: str) -> str:
        """Start the restore of a table; return the id of the job.

        Args:
            recovery_point: its ARN.
            table: name of the restored table.
            role: ARN of the role with which AWS Backup restores.
            token: the idempotency token.

        Raises:
            Refused: AWS Backup cannot restore the recovery point.
        """
        try:
            with translate_errors():
                response = self._client.start_restore_job(
                    RecoveryPointArn=recovery_point,
                    Metadata={"targetTableName": table, "encryptionType": "Default"},
                    IamRoleArn=role,
                    IdempotencyToken=token,
                    ResourceType="DynamoDB",
                )
        except ClientError as error:
            if error_code(error) not in _NOT_RESTORABLE:
                raise
            raise Refused("copy", recovery_point, f"AWS Backup cannot restore it: {error}") from error
        return str(response["RestoreJobId"])

    def failure(self, job: str) -> str:
        """Return why a job failed; empty if it has not."""
        described = self._describe(job)
        if described["Status"] not in _FAILED:
            return ""
        return str(described.get("StatusMessage") or described["Status"])

    def created(self, job: str) -> str:
        """Return the ARN of the table that a job created; empty while it is not known."""
        return str(self._describe(job).get("CreatedResourceArn", ""))

    def _describe(self, job: str) -> Any:
        with translate_errors():
            return self._client.describe_restore_job(RestoreJobId=job)
