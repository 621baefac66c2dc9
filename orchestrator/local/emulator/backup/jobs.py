"""AWS Backup: backup, copy and restore jobs of DynamoDB tables, which take time and can fail.

AWS:

- StartBackupJob returns the id of a job, which is CREATED, then RUNNING and later COMPLETED or FAILED; a completed one
  has stored a recovery point. For a DynamoDB table with advanced features the response has the recovery point's ARN.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartBackupJob.html
- A locked vault fails a backup or copy job whose retention is shorter than its minimum.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html
- StartCopyJob copies a recovery point to a vault of another region. The copy names the vault that it came from. A
  repeated request with the same idempotency token starts no second job.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartCopyJob.html
- A copy can be copied. Each copy keeps the creation date of its source, from which its retention counts.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html
- StartRestoreJob creates the table that ``targetTableName`` of its metadata names. A repeated request with the same
  idempotency token starts no second job. A job that fails says why in its ``StatusMessage``.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
  https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-dynamodb.html
- PutRestoreValidationResult adds the result of a test to a restore job.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutRestoreValidationResult.html

Here a backup and a copy take a tenth of ``Options.restore_seconds``, and a role is checked for its trust only: which
rights AWS Backup uses of it is not reproduced.

Stock MiniStack stores no recovery point, and starts neither copy nor restore jobs.
"""

from __future__ import annotations

import importlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from orchestrator.local.emulator.backup.store import (
    RESOURCE_TYPE,
    STORE,
    BackupError,
    Json,
    Place,
    RecoveryPoint,
    back_up,
    here,
    key_refusal,
    lifecycle_refusal,
    new_point_arn,
    role_refusal,
    vault_of,
)
from orchestrator.local.emulator.dynamodb.restore_status import RUNNING_RESTORES, Restore
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.scheduler import Scheduler

JOB_SHARE_OF_RESTORE = 0.1
ENCRYPTION_TYPES = ("Default", "KMS")
VALIDATIONS = ("FAILED", "SUCCESSFUL", "TIMED_OUT", "VALIDATING")
_COMPLETED, _FAILED = "COMPLETED", "FAILED"


class Jobs:
    """Starts jobs and completes them later, in the account and region of their request."""

    def __init__(self, options: Options) -> None:
        self._seconds = options.restore_seconds * JOB_SHARE_OF_RESTORE
        self._scheduler = Scheduler("backup jobs")

    # --- backups and copies ------------------------------------------------------------------------------

    def start_backup(self, request: Json, *, created_by: Json | None = None, copies: Sequence[Json] = ()) -> Json:
        """StartBackupJob, also by a plan.

        Args:
            request: of the operation.
            created_by: the plan and the rule that start it; None for a request.
            copies: the copy actions of the rule.
        """
        vault_name, table_arn = _required(request, "BackupVaultName"), _required(request, "ResourceArn")
        role, vault = _role(request), vault_of(_required(request, "BackupVaultName"))
        days = (request.get("Lifecycle") or {}).get("DeleteAfterDays")
        arn = new_point_arn(here())
        point = back_up(table_arn, vault_name, role, arn, days, request.get("RecoveryPointTags") or {})
        job = _new_job("backup", "BackupJobId", State="CREATED", RecoveryPointArn=arn, ResourceArn=table_arn)
        job |= {"BackupVaultName": vault_name, "IamRoleArn": role, "ResourceType": RESOURCE_TYPE}
        job |= {"CreatedBy": created_by} if created_by else {}

        def complete() -> None:
            if refusal := lifecycle_refusal(vault, days) or key_refusal(vault):
                _end(job, "State", _FAILED, refusal)
                return
            STORE.region().points[arn] = replace(point, completed_at=time.time())
            _end(job, "State", _COMPLETED)
            for copy in copies:
                self.start_copy({"RecoveryPointArn": arn, "IamRoleArn": role, **copy}, created_by=created_by)

        self._run(job, "State", complete)
        return {key: job[key] for key in ("BackupJobId", "CreationDate", "RecoveryPointArn")}

    def start_copy(self, request: Json, *, created_by: Json | None = None) -> Json:
        """StartCopyJob, also by a copy action of a plan."""
        requested, token = STORE.region(), f"copy {request.get('IdempotencyToken')}"
        if token in requested.tokens:
            job = requested.jobs["copy"][requested.tokens[token]]
            return {key: job[key] for key in ("CopyJobId", "CreationDate")}
        source = STORE.point(_required(request, "RecoveryPointArn"))
        role, destination = _role(request), _required(request, "DestinationBackupVaultArn")
        *_, region, account, _, name = destination.split(":")
        place: Place = (account, region)
        vault = vault_of(name, place)
        days = (request.get("Lifecycle") or {}).get("DeleteAfterDays")
        job = _new_job("copy", "CopyJobId", State="CREATED", SourceRecoveryPointArn=source.arn)
        job |= {"CreatedBy": created_by} if created_by else {}
        if request.get("IdempotencyToken"):
            requested.tokens[token] = job["CopyJobId"]
        source_vault = importlib.import_module("ministack.services.backup")._vault_arn(source.vault)
        job |= {"IamRoleArn": role, "ResourceArn": source.table["TableArn"], "ResourceType": RESOURCE_TYPE}
        job |= {"SourceBackupVaultArn": source_vault, "DestinationBackupVaultArn": destination}

        def complete() -> None:
            with importlib.import_module("ministack.core.responses").request_scope(account, region):
                refusal = lifecycle_refusal(vault, days) or key_refusal(vault)
            if refusal:
                _end(job, "State", _FAILED, refusal)
                return
            copy = source.copied_to(name, new_point_arn(place), source_vault, days, time.time())
            STORE.region(place).points[copy.arn] = copy
            job["DestinationRecoveryPointArn"] = copy.arn
            _end(job, "State", _COMPLETED)

        self._run(job, "State", complete)
        return {key: job[key] for key in ("CopyJobId", "CreationDate")}

    # --- restores ----------------------------------------------------------------------------------------

    def start_restore(self, request: Json) -> Json:
        """StartRestoreJob."""
        region, token = STORE.region(), request.get("IdempotencyToken")
        if token and token in region.tokens:
            return {"RestoreJobId": region.tokens[token]}
        point, metadata = STORE.point(_required(request, "RecoveryPointArn")), request.get("Metadata") or {}
        if point.describe(time.time())["Status"] != _COMPLETED:
            raise BackupError("InvalidRequestException", f"Recovery point {point.arn} has expired.")
        target = _target(metadata)
        job = _new_job("restore", "RestoreJobId", Status="PENDING", RecoveryPointArn=point.arn)
        job |= {"IamRoleArn": _role(request), "ResourceType": RESOURCE_TYPE}
        job |= {"SourceResourceArn": point.table["TableArn"], "RecoveryPointCreationDate": point.created_at}
        if token:
            region.tokens[token] = job["RestoreJobId"]
        self._scheduler.call_later(0, lambda: _restore(job, point, target, metadata))
        return {"RestoreJobId": job["RestoreJobId"]}

    def put_validation(self, job_id: str, request: Json) -> Json:
        """PutRestoreValidationResult."""
        job, status = STORE.job("restore", job_id), _required(request, "ValidationStatus")
        if status not in VALIDATIONS:
            raise BackupError("InvalidParameterValueException", f"ValidationStatus {status} is none of {VALIDATIONS}")
        if job["Status"] != _COMPLETED:
            raise BackupError("InvalidRequestException", f"Restore job {job_id} is {job['Status']}")
        job |= {"ValidationStatus": status, "ValidationStatusMessage": request.get("ValidationStatusMessage", "")}
        return {}

    def _run(self, job: Json, field: str, complete: Callable[[], None]) -> None:
        self._scheduler.call_later(0, lambda: job.update({field: "RUNNING", "PercentDone": "0.00%"}))
        self._scheduler.call_later(self._seconds, complete)


def _restore(job: Json, point: RecoveryPoint, target: str, metadata: Json) -> None:
    """Start the restore of a job, which ends with it."""
    job |= {"Status": "RUNNING", "PercentDone": "0.00%"}
    if refusal := key_refusal(vault_of(point.vault)):
        _end(job, "Status", _FAILED, refusal)
        return
    request: Json = {"TargetTableName": target}
    if metadata.get("encryptionType") == "KMS":
        key = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": metadata["kmsMasterKeyArn"]}
        request["SSESpecificationOverride"] = key
    # What DynamoDB reports of a table that AWS Backup restored is not documented, except for its source.
    summary = {"SourceTableArn": point.table["TableArn"], "RestoreDateTime": point.created_at}
    response = RUNNING_RESTORES.start(
        Restore(request, point.table, point.items, summary, lambda: _end(job, "Status", _COMPLETED))
    )
    body: Any = json.loads(response[2])
    if response[0] != HTTPStatus.OK:
        _end(job, "Status", _FAILED, f"{body.get('__type')}: {body.get('message') or body.get('Message')}")
        return
    job["CreatedResourceArn"] = body["TableDescription"]["TableArn"]


def _new_job(kind: str, id_key: str, **fields: Any) -> Json:
    """Return a new job of the request's region."""
    job: Json = {id_key: str(uuid.uuid4()), "AccountId": here()[0], "CreationDate": time.time(), **fields}
    STORE.region().jobs[kind][job[id_key]] = job
    return job


def _end(job: Json, field: str, state: str, message: str = "") -> None:
    job |= {field: state, "CompletionDate": time.time(), "PercentDone": "100.00%" if state == _COMPLETED else "0.00%"}
    if message:
        job["StatusMessage"] = message


def _required(request: Json, key: str) -> str:
    value = request.get(key)
    if not value:
        raise BackupError("MissingParameterValueException", f"{key} is required")
    return str(value)


def _role(request: Json) -> str:
    role = request.get("IamRoleArn")
    if refusal := role_refusal(role):
        raise BackupError("InvalidParameterValueException", refusal)
    return str(role)


def _target(metadata: Json) -> str:
    """Return the name of the table that a restore creates.

    Raises:
        BackupError: the metadata lacks it, or names no encryption that there is.
    """
    target, encryption = metadata.get("targetTableName"), metadata.get("encryptionType", "Default")
    if not target:
        raise BackupError("InvalidParameterValueException", "Metadata needs targetTableName")
    if encryption not in ENCRYPTION_TYPES or (encryption == "KMS" and not metadata.get("kmsMasterKeyArn")):
        raise BackupError("InvalidParameterValueException", f"encryptionType {encryption} is not valid")
    return str(target)
