"""Copy jobs of AWS Backup, which bring a recovery point from another region to this one.

Facts that this relies on:

- StartCopyJob works in the region of the source. A repeated request with the same idempotency token starts no second
  job.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartCopyJob.html
- A copy can be copied. It keeps the creation date and the tags of its source. Its retention counts from that date, and
  the request can set another one.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
- DescribeCopyJob names the recovery point that a complete job has made.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeCopyJob.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.backup.restore_jobs import REJECTED
from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.backups.copies import CopyJob, CopyState


class CopyJobs:
    """Copy jobs from a vault of another region to one of this region.

    Args:
        client: botocore's client of AWS Backup in the region of the copies.
        source: name of the vault of the copies.
        destination: ARN of the vault that they are copied to.
    """

    def __init__(self, client: Any, source: str, destination: str) -> None:
        self._client, self._source, self._destination = client, source, destination

    def start(self, copy_arn: str, token: str, role: str, *, days: int) -> str:
        """Start the copying of a recovery point, and return the job's id.

        Args:
            copy_arn: what to copy.
            token: idempotency token.
            role: ARN of the role with which AWS Backup copies.
            days: retention of the result, from the creation date of the source.

        Raises:
            Refused: AWS Backup cannot copy it.
        """
        try:
            with translate_errors():
                job = self._client.start_copy_job(
                    RecoveryPointArn=copy_arn,
                    SourceBackupVaultName=self._source,
                    DestinationBackupVaultArn=self._destination,
                    IamRoleArn=role,
                    IdempotencyToken=token,
                    Lifecycle={"DeleteAfterDays": days},
                )
        except ClientError as error:
            if error_code(error) not in REJECTED:
                raise
            raise Refused("backup", copy_arn, f"AWS Backup cannot copy it: {error}") from error
        return str(job["CopyJobId"])

    def describe(self, job_id: str) -> CopyJob:
        """Describe a job."""
        with translate_errors():
            return _job(self._client.describe_copy_job(CopyJobId=job_id)["CopyJob"])


def _job(described: Mapping[str, Any]) -> CopyJob:
    return CopyJob(
        id=described["CopyJobId"],
        state=CopyState(described["State"]),
        copied_arn=described.get("DestinationRecoveryPointArn", ""),
        message=described.get("StatusMessage", ""),
    )
