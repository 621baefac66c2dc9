"""AWS Backup in memory: recovery points of a vault, and jobs that restore them, as AWS documents them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from tests.fakes.clouds import ACCOUNT, REGION
from tests.fakes.errors import client_error
from tests.fakes.restorable_tables import FakeTable, RestorableTables, arn_of, restored_description

VAULT, COPY_VAULT = "ib-oauth-backups-test", "ib-oauth-backup-copies-test"
COPY_REGION = "us-east-2"
DRILL_VAULT = f"arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:ib-oauth-backups-of-drills-test"


class FakeBackup:
    """A client of AWS Backup.

    Args:
        tables: the tables.
        now: the clock.
        fill: is called with source, target and time of each table that a job creates.
    """

    def __init__(
        self, tables: RestorableTables, now: Callable[[], datetime], fill: Callable[[str, str, datetime], None]
    ) -> None:
        self._tables, self._now, self._fill = tables, now, fill
        self.points: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, str] = {}
        self.copy_jobs: dict[str, dict[str, Any]] = {}
        self.pending = timedelta(seconds=30)
        """How long a job is PENDING, before its table is there."""
        self.fails = ""
        """Why every job fails; empty if none does."""
        self.copy_fails = ""
        """Why every copy job fails; empty if none does."""
        self.rejects: dict[str, str] = {}
        """Operation to the code with which it is rejected."""

    def back_up(self, table: str, at: datetime, took: timedelta = timedelta(0)) -> str:
        """Have a recovery point of a table."""
        arn = f"arn:aws:backup:{REGION}:{ACCOUNT}:recovery-point:{len(self.points):08}"
        self.points[arn] = {
            "RecoveryPointArn": arn,
            "BackupVaultName": VAULT,
            "ResourceArn": arn_of(table),
            "Status": "COMPLETED",
            "CreationDate": at,
            "CompletionDate": at + took,
            "BackupSizeInBytes": 1_000,
            "description": deepcopy(self._tables.tables[table].description),
        }
        return arn

    def copy_away(self, arn: str, took: timedelta = timedelta(hours=2)) -> str:
        """Have a copy of a recovery point in the other region, which keeps the creation date of its source."""
        copy = arn.replace(f":{REGION}:", f":{COPY_REGION}:") + "-copy"
        made = {"BackupVaultName": COPY_VAULT, "RecoveryPointArn": copy}
        self.points[copy] = {**self.points[arn], **made, "CompletionDate": self.points[arn]["CreationDate"] + took}
        return copy

    def get_paginator(self, operation: str) -> Any:
        return _Pages(getattr(self, f"_{operation}"))

    def _list_recovery_points_by_backup_vault(self, *, BackupVaultName: str, ByResourceArn: str) -> Iterator[Any]:  # noqa: N803
        for point in self.points.values():
            if (point["BackupVaultName"], point["ResourceArn"]) == (BackupVaultName, ByResourceArn):
                yield {"RecoveryPoints": [{key: value for key, value in point.items() if key != "description"}]}

    def _list_restore_jobs(self, *, ByCreatedAfter: datetime) -> Iterator[Any]:  # noqa: N803
        for job_id in self.jobs:
            job = self.describe_restore_job(RestoreJobId=job_id)
            if job["CreationDate"] >= ByCreatedAfter:
                yield {"RestoreJobs": [job]}

    def start_restore_job(
        self,
        *,
        RecoveryPointArn: str,  # noqa: N803
        Metadata: dict[str, str],  # noqa: N803
        IamRoleArn: str,  # noqa: N803
        IdempotencyToken: str,  # noqa: N803
        ResourceType: str,  # noqa: N803
    ) -> dict[str, Any]:
        assert (ResourceType, IamRoleArn[:12]) == ("DynamoDB", "arn:aws:iam:")
        self._reject("start_restore_job")
        if IdempotencyToken not in self._tokens:
            job_id = self._tokens[IdempotencyToken] = f"job-{len(self.jobs)}"
            self.jobs[job_id] = {
                "RestoreJobId": job_id,
                "RecoveryPointArn": RecoveryPointArn,
                "CreationDate": self._now(),
                "Status": "PENDING",
                "target": Metadata["targetTableName"],
                "metadata": Metadata,
            }
        return {"RestoreJobId": self._tokens[IdempotencyToken]}

    def describe_restore_job(self, *, RestoreJobId: str) -> dict[str, Any]:  # noqa: N803
        job = self.jobs[RestoreJobId]
        if job["Status"] == "PENDING" and self._now() >= job["CreationDate"] + self.pending:
            self._begin(job)
        if job["Status"] == "RUNNING" and self._now() >= self._tables.tables[job["target"]].busy_until:
            job["Status"] = "COMPLETED"
        return {key: value for key, value in job.items() if key not in {"target", "metadata"}}

    def start_copy_job(
        self,
        *,
        RecoveryPointArn: str,  # noqa: N803
        SourceBackupVaultName: str,  # noqa: N803
        DestinationBackupVaultArn: str,  # noqa: N803
        IamRoleArn: str,  # noqa: N803
        IdempotencyToken: str,  # noqa: N803
        Lifecycle: dict[str, int],  # noqa: N803
    ) -> dict[str, Any]:
        assert (SourceBackupVaultName, IamRoleArn[:12]) == (COPY_VAULT, "arn:aws:iam:")
        self._reject("start_copy_job")
        token = f"copy {IdempotencyToken}"
        if token not in self._tokens:
            job_id = self._tokens[token] = f"copy-{len(self.copy_jobs)}"
            self.copy_jobs[job_id] = {
                "CopyJobId": job_id,
                "SourceRecoveryPointArn": RecoveryPointArn,
                "DestinationBackupVaultArn": DestinationBackupVaultArn,
                "CreationDate": self._now(),
                "State": "CREATED",
                "days": Lifecycle["DeleteAfterDays"],
            }
        return {"CopyJobId": self._tokens[token]}

    def describe_copy_job(self, *, CopyJobId: str) -> dict[str, Any]:  # noqa: N803
        job = self.copy_jobs[CopyJobId]
        if job["State"] == "CREATED" and self._now() >= job["CreationDate"] + self.pending:
            self._copy(job)
        return {"CopyJob": {key: value for key, value in job.items() if key != "days"}}

    def _copy(self, job: dict[str, Any]) -> None:
        if self.copy_fails:
            job |= {"State": "FAILED", "StatusMessage": self.copy_fails}
            return
        source = self.points[job["SourceRecoveryPointArn"]]
        arn = f"{source['RecoveryPointArn'].replace(COPY_REGION, REGION)}-{job['CopyJobId']}"
        vault = job["DestinationBackupVaultArn"].rpartition(":")[2]
        self.points[arn] = {**source, "RecoveryPointArn": arn, "BackupVaultName": vault}
        job |= {"State": "COMPLETED", "DestinationRecoveryPointArn": arn}

    def put_restore_validation_result(
        self,
        *,
        RestoreJobId: str,  # noqa: N803
        ValidationStatus: str,  # noqa: N803
        ValidationStatusMessage: str,  # noqa: N803
    ) -> dict[str, Any]:
        self._reject("put_restore_validation_result")
        result = {"ValidationStatus": ValidationStatus, "ValidationStatusMessage": ValidationStatusMessage}
        self.jobs[RestoreJobId] |= result
        return {}

    def _begin(self, job: dict[str, Any]) -> None:
        """Create the table of a job. DynamoDB reports its source, and no backup."""
        point, target = self.points[job["RecoveryPointArn"]], job["target"]
        if self.fails or target in self._tables.tables:
            job |= {"Status": "FAILED", "StatusMessage": self.fails or f"Table already exists: {target}"}
            return
        source = point["ResourceArn"].rpartition("/")[2]
        self._tables.restored.append((source, target, point["CreationDate"]))
        restoring = timedelta(seconds=1200)
        self._tables.tables[target] = FakeTable(
            {
                **restored_description(point["description"], ""),
                "TableName": target,
                "TableArn": arn_of(target),
                "CreationDateTime": self._now(),
                "TableSizeBytes": 0,
                "ItemCount": 0,
                "RestoreSummary": {"SourceTableArn": point["ResourceArn"], "RestoreDateTime": point["CreationDate"]},
            },
            busy_until=self._now() + restoring,
            status_until="CREATING",
        )
        self._fill(source, target, point["CreationDate"])
        job |= {"Status": "RUNNING", "CreatedResourceArn": arn_of(target)}

    def _reject(self, operation: str) -> None:
        if code := self.rejects.get(operation):
            raise client_error(code, f"{operation} is rejected")


class _Pages:
    def __init__(self, pages: Callable[..., Iterator[Any]]) -> None:
        self._pages = pages

    def paginate(self, **params: Any) -> Iterator[Any]:
        return self._pages(**params)
