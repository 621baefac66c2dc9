"""DynamoDB: a backup takes time and outlives its table; a table restored from it names its source.

AWS:

- CreateBackup returns a backup that is CREATING and later AVAILABLE. Until then it can be neither restored nor deleted
  (BackupInUseException). It also cannot be deleted while it is being restored.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteBackup.html
- Its items are as of about the time of the request. Consistency across items is not guaranteed.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_HowItWorks.html
- RestoreTableFromBackup creates a new table, as a point-in-time restore does. ``SourceTableArn`` of its
  ``RestoreSummary`` is the table that was backed up.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html
- Deleting a table with point-in-time recovery creates a backup of the type SYSTEM, named after the table with
  ``$DeletedTableBackup`` and kept for 35 days.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
- ListBackups lists the backups of the type USER by default, within the requested time range.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html

Here a backup holds the items as of the request, and takes a tenth of ``Options.restore_seconds``.

On stock MiniStack backups and restored tables are complete at once, the target is named as the source, a backup in use
can be deleted, and deleting a table creates no backup.
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from orchestrator.local.emulator.dynamodb.point_in_time_recovery import JOURNALS
from orchestrator.local.emulator.dynamodb.restore_status import (
    RUNNING_RESTORES,
    Json,
    Operation,
    Response,
    Restore,
    error_response,
    json_response,
)
from orchestrator.local.emulator.dynamodb.write_journal import DAY_SECONDS, LONGEST_DAYS, copy_items
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.region_outage import in_lost_region
from orchestrator.local.emulator.scheduler import Scheduler

PINNED = {
    "ministack.services.dynamodb._create_backup": "c214b50b30e2d267",
    "ministack.services.dynamodb._describe_backup": "d539203865bb25dd",
    "ministack.services.dynamodb._delete_backup": "10e3704a52710294",
    "ministack.services.dynamodb._list_backups": "cc6cfc999eef7273",
    "ministack.services.dynamodb._restore_table_from_backup": "edcd8f45000965c2",
    "ministack.services.dynamodb._delete_table": "c1dc27be8166e3b0",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.services.cloudformation.provisioners._ddb_delete": "33ee7316b2cab062",
}

BACKUP_SHARE_OF_RESTORE: Final = 0.1
DELETED_SUFFIX: Final = "$DeletedTableBackup"
_MODULE: Final = "ministack.services.dynamodb"
_PROVISIONERS: Final = "ministack.services.cloudformation.provisioners"
_MAX_LISTED: Final = 100


def install(options: Options) -> None:
    """Install the patch in this process."""
    dynamodb = importlib.import_module(_MODULE)
    backups = _Backups(dynamodb, options)
    wrap(dynamodb, "_create_backup", lambda _: backups.create)
    wrap(dynamodb, "_delete_backup", backups.rejecting_in_use)
    wrap(dynamodb, "_list_backups", lambda _: backups.list)
    wrap(dynamodb, "_restore_table_from_backup", lambda _: backups.restore)
    wrap(dynamodb, "_delete_table", backups.deleting)
    wrap(importlib.import_module(_PROVISIONERS), "_ddb_delete", backups.deleting_by_stack)


class _Backups:
    """The operations on backups. A record is MiniStack's, plus the record and items of the table."""

    def __init__(self, dynamodb: Any, options: Options) -> None:
        self._dynamodb = dynamodb
        self._seconds = options.restore_seconds * BACKUP_SHARE_OF_RESTORE
        self._scheduler = Scheduler("backups")
        self._numbers = itertools.count()
        self._running_restores: Counter[str] = Counter()  # number of running restores of a backup, by its ARN

    def create(self, data: Json) -> Response:
        name = self._dynamodb._normalize_table_name(data.get("TableName"))
        table = self._dynamodb._tables.get(name)
        if RUNNING_RESTORES.find(name):
            return error_response("TableInUseException", f"Table is being created: {name}")
        if table is None:
            return error_response("TableNotFoundException", f"Table not found: {name}")
        if not data.get("BackupName"):
            return error_response("ValidationException", "BackupName is required")
        details = self._create_record(table, data["BackupName"], "USER", "CREATING", self._time_to_live(table))
        response = json_response({"BackupDetails": details})
        self._scheduler.call_later(self._seconds, lambda: details.update(BackupStatus="AVAILABLE"))
        return response

    def list(self, data: Json) -> Response:
        summaries = [self._summary(record) for record in self._dynamodb._backups.values()]
        table = self._dynamodb._normalize_table_name(data.get("TableName") or "")
        kind = data.get("BackupType") or "USER"
        since, until = data.get("TimeRangeLowerBound", 0), data.get("TimeRangeUpperBound", float("inf"))
        selected = [
            summary
            for summary in summaries
            if table in {"", summary["TableName"]}
            and kind in {"ALL", summary["BackupType"]}
            and since <= summary["BackupCreationDateTime"] < until
        ]
        selected.sort(key=lambda summary: summary["BackupArn"])
        start = data.get("ExclusiveStartBackupArn") or ""
        rest = [summary for summary in selected if summary["BackupArn"] > start]
        page = rest[: data.get("Limit", _MAX_LISTED)]
        last = {"LastEvaluatedBackupArn": page[-1]["BackupArn"]} if len(rest) > len(page) else {}
        return json_response({"BackupSummaries": page, **last})

    def restore(self, data: Json) -> Response:
        arn = data.get("BackupArn") or ""
        record = self._record(arn)
        if record and in_lost_region(arn):
            return error_response("InternalServerError", f"The region of {arn} does not answer")
        if record is None:
            return error_response("BackupNotFoundException", f"Backup not found: {arn}")
        if record["BackupDetails"]["BackupStatus"] != "AVAILABLE":
            return error_response("BackupInUseException", f"Backup is being created: {arn}")
        source = record["_table"]
        summary = {
            "SourceBackupArn": arn,
            "SourceTableArn": source["TableArn"],
            "RestoreDateTime": record["BackupDetails"]["BackupCreationDateTime"],
        }

        def ended() -> None:
            self._running_restores[arn] -= 1

        self._running_restores[arn] += 1
        response = RUNNING_RESTORES.start(Restore(data, source, record["_items_snapshot"], summary, ended))
        if response[0] >= 400:  # noqa: PLR2004 - an HTTP error
            ended()
        return response

    def rejecting_in_use(self, original: Operation) -> Operation:
        def delete_backup(data: Json) -> Response:
            arn = data.get("BackupArn") or ""
            record = self._dynamodb._backups.get(arn)
            if record and (record["BackupDetails"]["BackupStatus"] != "AVAILABLE" or self._running_restores[arn]):
                return error_response("BackupInUseException", f"Backup is being created or restored: {arn}")
            if record:
                record["BackupDetails"]["BackupStatus"] = "DELETED"
            return original(data)

        return delete_backup

    def deleting(self, original: Operation) -> Operation:
        def delete_table(data: Json) -> Response:
            table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(data.get("TableName")))
            time_to_live = self._time_to_live(table)
            response = original(data)
            if response[0] < 400 and table:  # noqa: PLR2004 - an HTTP error
                self._back_up_deleted_table(table, time_to_live)
            return response

        return delete_table

    def deleting_by_stack(self, original: Callable[..., None]) -> Callable[..., None]:
        def delete(name: str, properties: Json) -> None:
            table = self._dynamodb._tables.get(name)
            time_to_live = self._time_to_live(table)
            original(name, properties)
            if table:
                self._back_up_deleted_table(table, time_to_live)

        return delete

    def _time_to_live(self, table: Json | None) -> Json | None:
        """Return the description of a table's time to live, which MiniStack drops with the table."""
        return deepcopy(self._dynamodb._ttl_settings.get(table["TableName"])) if table else None

    def _back_up_deleted_table(self, table: Json, time_to_live: Json | None) -> None:
        if JOURNALS.pop(table["TableId"], None):
            self._create_record(table, table["TableName"] + DELETED_SUFFIX, "SYSTEM", "AVAILABLE", time_to_live)

    def _create_record(self, table: Json, name: str, kind: str, status: str, time_to_live: Json | None) -> Json:
        """Create the record of a backup.

        Args:
            table: MiniStack's record of the table.
            name: of the backup.
            kind: ``USER`` or ``SYSTEM``.
            status: of the backup.
            time_to_live: the description of the table's time to live.

        Returns:
            The ``BackupDetails``, which change with the backup's status.
        """
        now = time.time()
        # The record of the table is small except for its items and the values that MiniStack derives from them.
        copied = deepcopy({key: value for key, value in table.items() if key != "items" and not key.startswith("_")})
        details = {
            "BackupArn": f"{table['TableArn']}/backup/{int(now * 1000):014d}-{next(self._numbers):08x}",
            "BackupName": name,
            "BackupCreationDateTime": now,
            "BackupStatus": status,
            "BackupType": kind,
            "BackupSizeBytes": table.get("TableSizeBytes", 0),
        }
        if kind == "SYSTEM":
            details["BackupExpiryDateTime"] = now + LONGEST_DAYS * DAY_SECONDS
        self._dynamodb._backups[details["BackupArn"]] = {
            "BackupDetails": details,
            "SourceTableDetails": {
                **{
                    key: copied[key]
                    for key in ("TableName", "TableId", "TableArn", "KeySchema", "ProvisionedThroughput")
                },
                **{key: copied[key] for key in ("TableSizeBytes", "ItemCount")},
                **{key: copied[key] for key in ("OnDemandThroughput",) if copied.get(key)},
                "TableCreationDateTime": copied["CreationDateTime"],
                "BillingMode": (copied.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            },
            "SourceTableFeatureDetails": {
                "LocalSecondaryIndexes": copied.get("LocalSecondaryIndexes") or [],
                "GlobalSecondaryIndexes": copied.get("GlobalSecondaryIndexes") or [],
                "StreamDescription": copied.get("StreamSpecification"),
                "TimeToLiveDescription": time_to_live,
                "SSEDescription": copied.get("SSEDescription"),
            },
            "_table": copied,
            "_items_snapshot": copy_items(table["items"]),
        }
        return details

    def _record(self, arn: str) -> Json | None:
        spec = self._dynamodb._dynamodb_arn_spec(arn)
        record: Json | None = self._dynamodb._backups.get_scoped(spec.account_id, spec.region, arn) if spec else None
        return record

    def _summary(self, record: Json) -> Json:
        source, details = record["SourceTableDetails"], record["BackupDetails"]
        return {**{key: source[key] for key in ("TableName", "TableId", "TableArn")}, **details}
