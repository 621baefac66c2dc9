"""AWS Backup: the operations on jobs, recovery points and vault locks that stock MiniStack lacks.

AWS:

- ListRecoveryPointsByBackupVault lists a vault's recovery points, by resource and by time.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
- A vault with a lock refuses to delete its recovery points.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
- ListRestoreJobs lists the restore jobs of a region, by status and time.
  https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRestoreJobs.html

Plans run by themselves (`plans.py`).

Stock MiniStack lists neither recovery points nor restore or copy jobs, and knows no lock.
"""

from __future__ import annotations

import importlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from orchestrator.local.emulator.backup.jobs import Jobs
from orchestrator.local.emulator.backup.plans import PINNED as PLAN_PINS
from orchestrator.local.emulator.backup.plans import provide_selections, run_by_themselves
from orchestrator.local.emulator.backup.store import (
    STORE,
    BackupError,
    Json,
    Response,
    ok,
    rejected,
    vault_of,
)
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **PLAN_PINS,
    "ministack.services.backup.handle_request": "2262eee618f8e68f",
    "ministack.services.backup._vault_arn": "4a03f54fe2ac41ff",
    "ministack.services.backup._err": "482c90f6a2c5fd23",
    "ministack.services.dynamodb._dynamodb_arn_spec": "dcca04b8fc59295d",
}

Handler = Callable[..., Awaitable[Response]]
Query = Mapping[str, str]
Operation = Callable[[Mapping[str, str], Json, Query], Mapping[str, Any]]
_PAGE = 100


def install(options: Options) -> None:
    """Install the patch in this process."""
    jobs = Jobs(options)
    operations = _Operations(jobs)
    provide_selections()
    run_by_themselves(jobs)
    wrap(importlib.import_module("ministack.services.backup"), "handle_request", operations.handling)


class _Operations:
    """The operations by method and path. A request that is none of them goes to MiniStack."""

    def __init__(self, jobs: Jobs) -> None:
        vault, point = r"/backup-vaults/(?P<vault>[^/]+)", r"/recovery-points/(?P<arn>.+?)"
        routes: Mapping[tuple[str, str], Operation] = {
            ("PUT", "/backup-jobs"): lambda _path, body, _query: jobs.start_backup(body),
            ("GET", r"/backup-jobs/(?P<id>[^/]+)"): lambda path, *_: STORE.job("backup", path["id"]),
            ("GET", "/backup-jobs"): lambda _path, _body, query: _jobs("backup", "BackupJobs", "State", query),
            ("PUT", "/copy-jobs"): lambda _path, body, _query: jobs.start_copy(body),
            ("GET", r"/copy-jobs/(?P<id>[^/]+)"): lambda path, *_: {"CopyJob": STORE.job("copy", path["id"])},
            ("GET", "/copy-jobs"): lambda _path, _body, query: _jobs("copy", "CopyJobs", "State", query),
            ("PUT", "/restore-jobs"): lambda _path, body, _query: jobs.start_restore(body),
            ("GET", r"/restore-jobs/(?P<id>[^/]+)"): lambda path, *_: STORE.job("restore", path["id"]),
            ("GET", "/restore-jobs"): lambda _path, _body, query: _jobs("restore", "RestoreJobs", "Status", query),
            ("PUT", r"/restore-jobs/(?P<id>[^/]+)/validations"): lambda path, body, _query: jobs.put_validation(
                path["id"], body
            ),
            ("PUT", f"{vault}/vault-lock"): _lock,
            ("DELETE", f"{vault}/vault-lock"): _unlock,
            ("GET", f"{vault}/recovery-points"): _recovery_points,
            ("GET", f"{vault}{point}/restore-metadata"): _restore_metadata,
            ("GET", f"{vault}{point}"): _recovery_point,
            ("DELETE", f"{vault}{point}"): _delete_recovery_point,
        }
        self._routes = [(method, re.compile(path), operation) for (method, path), operation in routes.items()]

    def handling(self, original: Handler) -> Handler:
        async def handle_request(
            method: str, path: str, headers: Mapping[str, str], body: bytes, params: Mapping[str, Any]
        ) -> Response:
            query = {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
            for wanted, pattern, operation in self._routes:
                match = pattern.fullmatch(path.rstrip("/")) if wanted == method else None
                if match:
                    found = {key: unquote(value) for key, value in match.groupdict().items()}
                    return _answer(operation, found, body, query)
            return await original(method, path, headers, body, params)

        return handle_request


def _answer(operation: Operation, path: Mapping[str, str], body: bytes, query: Query) -> Response:
    try:
        result = operation(path, json.loads(body) if body else {}, query)
    except BackupError as error:
        return rejected(error)
    return ok(result, HTTPStatus.OK if result else HTTPStatus.NO_CONTENT)


def _recovery_points(path: Mapping[str, str], _body: Json, query: Query) -> Json:
    vault_of(path["vault"])
    now = time.time()
    points = [point.describe(now) for point in STORE.region().points.values() if point.vault == path["vault"]]
    selected = [
        point
        for point in points
        if query.get("resourceArn") in {None, point["ResourceArn"]}
        and query.get("resourceType") in {None, point["ResourceType"]}
        and _epoch(query.get("createdAfter"), 0) <= point["CreationDate"] <= _epoch(query.get("createdBefore"), now)
    ]
    return _page("RecoveryPoints", sorted(selected, key=lambda point: point["RecoveryPointArn"]), query)


def _recovery_point(path: Mapping[str, str], _body: Json, _query: Query) -> Json:
    vault_of(path["vault"])
    return STORE.point(path["arn"]).describe(time.time())


def _restore_metadata(path: Mapping[str, str], _body: Json, _query: Query) -> Json:
    found = _recovery_point(path, {}, {})
    metadata = {"originalTableName": found["ResourceName"], "encryptionType": "Default"}
    return {**{key: found[key] for key in ("RecoveryPointArn", "BackupVaultArn")}, "RestoreMetadata": metadata}


def _delete_recovery_point(path: Mapping[str, str], _body: Json, _query: Query) -> Json:
    point = STORE.point(path["arn"])
    if vault_of(path["vault"]).get("Locked"):
        raise BackupError("AccessDeniedException", f"Backup vault {path['vault']} is locked.")
    del STORE.region().points[point.arn]
    return {}


def _lock(path: Mapping[str, str], body: Json, _query: Query) -> Json:
    keys = ("MinRetentionDays", "MaxRetentionDays")
    vault_of(path["vault"]).update({"Locked": True, **{key: body[key] for key in keys if key in body}})
    return {}


def _unlock(path: Mapping[str, str], _body: Json, _query: Query) -> Json:
    vault = vault_of(path["vault"])
    vault["Locked"] = False
    for key in ("MinRetentionDays", "MaxRetentionDays"):
        vault.pop(key, None)
    return {}


def _jobs(kind: str, key: str, state: str, query: Query) -> Json:
    now = time.time()
    selected = [
        job
        for job in STORE.jobs(kind)
        if query.get(state.lower()) in {None, job[state]}
        and _epoch(query.get("createdAfter"), 0) <= job["CreationDate"] <= _epoch(query.get("createdBefore"), now)
    ]
    return _page(key, selected, query)


def _page(key: str, items: Iterable[Json], query: Query) -> Json:
    """Return a page of a list, and the token of the next one."""
    listed, size = list(items), int(query.get("maxResults") or _PAGE)
    start = int(query.get("nextToken") or 0)
    more = {"NextToken": str(start + size)} if start + size < len(listed) else {}
    return {key: listed[start : start + size], **more}


def _epoch(value: str | None, default: float) -> float:
    if value is None:
        return default
    try:
        return float(value)
    except ValueError:
        return datetime.fromisoformat(value).timestamp()
