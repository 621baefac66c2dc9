"""The recovery points and jobs of AWS Backup that the local cloud holds, by account and region."""

from __future__ import annotations

import importlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.dynamodb.write_journal import DAY_SECONDS, Items, copy_items
from orchestrator.local.emulator.kms.key_use import state_refusal

Json = dict[str, Any]
Response = tuple[int, Mapping[str, str], bytes]
Place = tuple[str, str]
"""Account and region."""

RESOURCE_TYPE: Final = "DynamoDB"
_COMPLETED, _EXPIRED = "COMPLETED", "EXPIRED"


class BackupError(Exception):
    """The response to a request that AWS Backup rejects."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class RecoveryPoint:
    """A backup in a vault: what the table held and was, and when.

    Attributes:
        vault: name of the vault.
        created_at: when its content was backed up; a copy has the time of the original.
        completed_at: when the job that stored it here was complete.
        delete_after_days: days after which it expires; None for never.
        tags: its tags, which its copies have, too.
        copied_from: ARN of the vault that it was copied from; empty for an original.
    """

    arn: str
    vault: str
    table: Json
    items: Items
    role: str
    created_at: float
    completed_at: float
    delete_after_days: float | None = None
    copied_from: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def describe(self, now: float) -> Json:
        """Return it as the operations describe it."""
        backup = importlib.import_module("ministack.services.backup")
        expires = None if self.delete_after_days is None else self.created_at + self.delete_after_days * DAY_SECONDS
        vault = backup._vaults.get(self.vault) or {}
        return {
            "RecoveryPointArn": self.arn,
            "BackupVaultName": self.vault,
            "BackupVaultArn": backup._vault_arn(self.vault),
            "ResourceArn": self.table["TableArn"],
            "ResourceType": RESOURCE_TYPE,
            "ResourceName": self.table["TableName"],
            "IamRoleArn": self.role,
            "Status": _EXPIRED if expires is not None and now >= expires else _COMPLETED,
            "CreationDate": self.created_at,
            "InitiationDate": self.created_at,
            "CompletionDate": self.completed_at,
            "BackupSizeInBytes": self.table.get("TableSizeBytes", 0),
            "IsEncrypted": True,
            "EncryptionKeyArn": vault.get("EncryptionKeyArn", ""),
            **({"SourceBackupVaultArn": self.copied_from} if self.copied_from else {}),
            **({} if self.delete_after_days is None else self._lifecycle(expires)),
        }

    def _lifecycle(self, expires: float | None) -> Json:
        return {
            "Lifecycle": {"DeleteAfterDays": self.delete_after_days},
            "CalculatedLifecycle": {"DeleteAt": expires},
        }

    def copied_to(self, vault: str, arn: str, source_vault: str, days: float | None, now: float) -> RecoveryPoint:
        """Return the copy of it in another vault."""
        return replace(self, arn=arn, vault=vault, copied_from=source_vault, delete_after_days=days, completed_at=now)


@dataclass
class Region:
    """What AWS Backup holds in one region of an account, in addition to MiniStack's vaults and plans."""

    points: dict[str, RecoveryPoint] = field(default_factory=dict)
    jobs: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"backup": {}, "restore": {}, "copy": {}},
    )
    tokens: dict[str, str] = field(default_factory=dict)
    """Idempotency token of a request to the id of its job."""


class Store:
    """All regions. A request reaches its own; a copy job also the one that it copies to."""

    def __init__(self) -> None:
        self._regions: dict[Place, Region] = {}

    def region(self, place: Place | None = None) -> Region:
        """Return what a region holds; without one, the request's."""
        return self._regions.setdefault(place or here(), Region())

    def point(self, arn: str) -> RecoveryPoint:
        """Return a recovery point of the request's region.

        Raises:
            BackupError: there is none.
        """
        found = self.region().points.get(arn)
        if found is None:
            raise BackupError("ResourceNotFoundException", f"Recovery point {arn} not found.")
        return found

    def job(self, kind: str, job_id: str) -> Json:
        """Return a job of the request's region.

        Raises:
            BackupError: there is none.
        """
        found = self.region().jobs[kind].get(job_id)
        if found is None:
            raise BackupError("ResourceNotFoundException", f"{kind.title()} job {job_id} not found.")
        return found

    def jobs(self, kind: str) -> Iterator[Json]:
        """Return the jobs of the request's region."""
        return iter(list(self.region().jobs[kind].values()))


STORE: Final = Store()
"""What this process holds."""


def here() -> Place:
    """Return the account and the region of the request."""
    responses = importlib.import_module("ministack.core.responses")
    return responses.get_account_id(), responses.get_region()


def new_point_arn(place: Place) -> str:
    """Return the ARN of a new recovery point. That of a table with advanced features is AWS Backup's own."""
    account, region = place
    return f"arn:aws:backup:{region}:{account}:recovery-point:{uuid.uuid4()}"


def back_up(
    table_arn: str, vault: str, role: str, arn: str, days: float | None, tags: Mapping[str, str]
) -> RecoveryPoint:
    """Return the recovery point of a table as it is now.

    Raises:
        BackupError: the table does not exist.
    """
    table = _table(table_arn)
    described = deepcopy({key: value for key, value in table.items() if key != "items" and not key.startswith("_")})
    now = time.time()
    return RecoveryPoint(arn, vault, described, copy_items(table["items"]), role, now, now, days, tags=tags)


def _table(arn: str) -> Json:
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    spec = dynamodb._dynamodb_arn_spec(arn)
    name = arn.rpartition("/")[2]
    found: Json | None = dynamodb._tables.get(name) if spec and (spec.account_id, spec.region) == here() else None
    if found is None:
        raise BackupError("ResourceNotFoundException", f"Resource {arn} not found.")
    return found


def tags_of_point(arn: str) -> Mapping[str, str]:
    """Return the tags of a recovery point of any region; none if there is no such point."""
    _, _, service, region, account, *_ = f"{arn}:::::".split(":")
    found = STORE.region((account, region)).points.get(arn) if service == "backup" else None
    return found.tags if found else {}


def vault_of(name: str, place: Place | None = None) -> Json:
    """Return a vault.

    Raises:
        BackupError: there is none.
    """
    backup = importlib.import_module("ministack.services.backup")
    vault: Json | None = backup._vaults.get_scoped(*(place or here()), name)
    if vault is None:
        raise BackupError("ResourceNotFoundException", f"Backup vault {name} not found.")
    return vault


def role_refusal(role: object) -> str:
    """Return why AWS Backup cannot assume a role; empty if it can."""
    roles = importlib.import_module("ministack.services.iam")._roles
    found = roles.get(str(role).rpartition("/")[2]) if role else None
    if found is None:
        return f"IAM Role {role} cannot be assumed by AWS Backup"
    document = found.get("AssumeRolePolicyDocument") or ""
    trusted = "backup.amazonaws.com" in (document if isinstance(document, str) else json.dumps(document))
    return "" if trusted else f"IAM Role {role} cannot be assumed by AWS Backup"


def lifecycle_refusal(vault: Mapping[str, Any], days: float | None) -> str:
    """Return why a locked vault takes no backup that is kept for some days; empty if it does."""
    least, most = vault.get("MinRetentionDays"), vault.get("MaxRetentionDays")
    if least and (days is not None and days < least):
        return f"Retention of {days} days is shorter than the minimum of the vault lock, {least} days"
    if most and (days is None or days > most):
        return f"Retention is longer than the maximum of the vault lock, {most} days"
    return ""


def key_refusal(vault: Mapping[str, Any]) -> str:
    """Return why the key of a vault cannot be used; empty if it can."""
    key = str(vault.get("EncryptionKeyArn") or "")
    refused = state_refusal(key) if key else None
    return f"{refused.error}: {refused.message}" if refused else ""


def ok(body: Mapping[str, Any], status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return a successful response."""
    return status.value, {"Content-Type": "application/json"}, json.dumps(body).encode() if body else b""


def rejected(error: BackupError) -> Response:
    """Return the response to a rejected request."""
    response: Response = importlib.import_module("ministack.services.backup")._err(error.code, str(error))
    return response
