"""DynamoDB: a backup takes a moment and outlives its table, and what is restored from it names its source.

AWS:

- CreateBackup answers with a backup that is CREATING, and then AVAILABLE; until then it can neither be restored nor deleted
  (BackupInUseException), and it can not be deleted while it is being restored either.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CreateBackup.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteBackup.html
- Its items are as they were about the time of the request; across items there is no promise of order.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/backuprestore_HowItWorks.html
- RestoreTableFromBackup makes a new table, as a restore to a point in time does. ``SourceTableArn`` of its ``RestoreSummary`` is the table that
  was backed up. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableFromBackup.html
- A table that is deleted while it has point-in-time recovery leaves a backup of the type SYSTEM, named after it with ``$DeletedTableBackup``, for 35
  days. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
- ListBackups lists the backups of the type USER, unless it is asked for others, of the times that it is asked for.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListBackups.html

Here a backup holds the items of the moment of the request, and takes a tenth of ``Options.restore_seconds``.

MiniStack's backups and tables are whole at once, it names the target as the source, deletes what is in use, and a table that is
deleted leaves nothing.
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from orchestrator.local.fidelity.belt import Belt
from orchestrator.local.fidelity.journal import DAY_SECONDS, LONGEST_DAYS, shallow
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.point_in_time_recovery import JOURNALS
from orchestrator.local.fidelity.restoring_tables import RESTORING, Answer, Json, Operation, Restore, answer, refused
from orchestrator.local.fidelity.wrapping import wrap
from orchestrator.local.outage import out_of_reach

PINNED = {
    "ministack.services.dynamodb._create_backup": "c214b50b30e2d267a838a4fdedf5e9e082ff0d2d1cbbaf20a1a9c8f505d9d76b",
    "ministack.services.dynamodb._describe_backup": "d539203865bb25ddb0799cb5bd979b97a451bd16ef59f73edcd70996e22901a4",
    "ministack.services.dynamodb._delete_backup": "10e3704a5271029406b1e18c98e23b77b59c5f8eb4b7e806c1f4f9b4bfbc16d4",
    "ministack.services.dynamodb._list_backups": "cc6cfc999eef7273a87b4bff6db22e068d5be18032a3c125b1e155e4f067b12c",
    "ministack.services.dynamodb._restore_table_from_backup": "edcd8f45000965c2a5d8ec2b7d4d6089eb8d9f8165acc633e3e205ec230f203f",
    "ministack.services.dynamodb._delete_table": "c1dc27be8166e3b010c8d7e820c5e762251f540f0afa49a6fd50f4d7eb71034a",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7bc9eb72ff535b8403d24ee2d02beb34fa804c25510dd44c30",
    "ministack.services.cloudformation.provisioners._ddb_delete": "33ee7316b2cab0628384d7d1fe18bd200b2ce0f1f22d09258769f5a85c8ff5cb",
}

SHARE_OF_A_RESTORE: Final = 0.1
DELETED_SUFFIX: Final = "$DeletedTableBackup"
_MODULE: Final = "ministack.services.dynamodb"
_PROVISIONERS: Final = "ministack.services.cloudformation.provisioners"
_MOST_LISTED: Final = 100


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    dynamodb = importlib.import_module(_MODULE)
    backups = _Backups(dynamodb, options)
    wrap(dynamodb, "_create_backup", lambda _: backups.create)
    wrap(dynamodb, "_delete_backup", backups.unless_in_use)
    wrap(dynamodb, "_list_backups", lambda _: backups.list)
    wrap(dynamodb, "_restore_table_from_backup", lambda _: backups.restore)
    wrap(dynamodb, "_delete_table", backups.deleting)
    wrap(importlib.import_module(_PROVISIONERS), "_ddb_delete", backups.deleting_by_stack)


class _Backups:
    """The operations of backups. A record is MiniStack's, and holds the table's record and items beside it."""

    def __init__(self, dynamodb: Any, options: Options) -> None:
        self._dynamodb = dynamodb
        self._seconds = options.restore_seconds * SHARE_OF_A_RESTORE
        self._belt = Belt("backups")
        self._numbers = itertools.count()
        self._restored: Counter[str] = Counter()  # how many restores of a backup run, by its ARN

    def create(self, data: Json) -> Answer:
        name = self._dynamodb._normalize_table_name(data.get("TableName"))
        table = self._dynamodb._tables.get(name)
        if RESTORING.find(name):
            return refused("TableInUseException", f"Table is being created: {name}")
        if table is None:
            return refused("TableNotFoundException", f"Table not found: {name}")
        if not data.get("BackupName"):
            return refused("ValidationException", "BackupName is required")
        details = self._keep(table, data["BackupName"], "USER", "CREATING")
        answered = answer({"BackupDetails": details})
        self._belt.put(self._seconds, lambda: details.update(BackupStatus="AVAILABLE"))
        return answered

    def list(self, data: Json) -> Answer:
        found = [self._summary(record) for record in self._dynamodb._backups.values()]
        table = self._dynamodb._normalize_table_name(data.get("TableName") or "")
        kind = data.get("BackupType") or "USER"
        since, until = data.get("TimeRangeLowerBound", 0), data.get("TimeRangeUpperBound", float("inf"))
        wanted = [
            one
            for one in found
            if table in {"", one["TableName"]}
            and kind in {"ALL", one["BackupType"]}
            and since <= one["BackupCreationDateTime"] < until
        ]
        wanted.sort(key=lambda one: one["BackupArn"])
        start = data.get("ExclusiveStartBackupArn") or ""
        rest = [one for one in wanted if one["BackupArn"] > start]
        page = rest[: data.get("Limit", _MOST_LISTED)]
        last = {"LastEvaluatedBackupArn": page[-1]["BackupArn"]} if len(rest) > len(page) else {}
        return answer({"BackupSummaries": page, **last})

    def restore(self, data: Json) -> Answer:
        arn = data.get("BackupArn") or ""
        record = self._record(arn)
        if record and out_of_reach(arn):
            return refused("InternalServerError", f"The region of {arn} does not answer")
        if record is None:
            return refused("BackupNotFoundException", f"Backup not found: {arn}")
        if record["BackupDetails"]["BackupStatus"] != "AVAILABLE":
            return refused("BackupInUseException", f"Backup is being created: {arn}")
        source = record["_table"]
        summary = {
            "SourceBackupArn": arn,
            "SourceTableArn": source["TableArn"],
            "RestoreDateTime": record["BackupDetails"]["BackupCreationDateTime"],
        }

        def ended() -> None:
            self._restored[arn] -= 1

        self._restored[arn] += 1
        answered = RESTORING.start(Restore(data, source, record["_items_snapshot"], summary, ended))
        if answered[0] >= 400:  # noqa: PLR2004 - a refusal of HTTP
            ended()
        return answered

    def unless_in_use(self, original: Operation) -> Operation:
        def delete_backup(data: Json) -> Answer:
            arn = data.get("BackupArn") or ""
            record = self._dynamodb._backups.get(arn)
            if record and (record["BackupDetails"]["BackupStatus"] != "AVAILABLE" or self._restored[arn]):
                return refused("BackupInUseException", f"Backup is being created or restored: {arn}")
            if record:
                record["BackupDetails"]["BackupStatus"] = "DELETED"
            return original(data)

        return delete_backup

    def deleting(self, original: Operation) -> Operation:
        def delete_table(data: Json) -> Answer:
            table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(data.get("TableName")))
            answered = original(data)
            if answered[0] < 400 and table:  # noqa: PLR2004 - a refusal of HTTP
                self._keep_of_deleted(table)
            return answered

        return delete_table

    def deleting_by_stack(self, original: Callable[..., None]) -> Callable[..., None]:
        def delete(name: str, properties: Json) -> None:
            table = self._dynamodb._tables.get(name)
            original(name, properties)
            if table:
                self._keep_of_deleted(table)

        return delete

    def _keep_of_deleted(self, table: Json) -> None:
        if JOURNALS.pop(table["TableId"], None):
            self._keep(table, table["TableName"] + DELETED_SUFFIX, "SYSTEM", "AVAILABLE")

    def _keep(self, table: Json, name: str, kind: str, phase: str) -> Json:
        """Back a table up; returns the ``BackupDetails``, which change with the backup's phase."""
        now = time.time()
        # The record of the table is small but for its items and what MiniStack derives from them.
        kept = deepcopy({key: value for key, value in table.items() if key != "items" and not key.startswith("_")})
        details = {
            "BackupArn": f"{table['TableArn']}/backup/{int(now * 1000):014d}-{next(self._numbers):08x}",
            "BackupName": name,
            "BackupCreationDateTime": now,
            "BackupStatus": phase,
            "BackupType": kind,
            "BackupSizeBytes": table.get("TableSizeBytes", 0),
        }
        if kind == "SYSTEM":
            details["BackupExpiryDateTime"] = now + LONGEST_DAYS * DAY_SECONDS
        self._dynamodb._backups[details["BackupArn"]] = {
            "BackupDetails": details,
            "SourceTableDetails": {
                **{
                    key: kept[key] for key in ("TableName", "TableId", "TableArn", "KeySchema", "ProvisionedThroughput")
                },
                **{key: kept[key] for key in ("TableSizeBytes", "ItemCount")},
                "TableCreationDateTime": kept["CreationDateTime"],
                "BillingMode": (kept.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            },
            "SourceTableFeatureDetails": {
                "LocalSecondaryIndexes": kept.get("LocalSecondaryIndexes") or [],
                "GlobalSecondaryIndexes": kept.get("GlobalSecondaryIndexes") or [],
                "StreamDescription": kept.get("StreamSpecification"),
                "TimeToLiveDescription": self._dynamodb._ttl_settings.get(table["TableName"]),
                "SSEDescription": kept.get("SSEDescription"),
            },
            "_table": kept,
            "_items_snapshot": shallow(table["items"]),
        }
        return details

    def _record(self, arn: str) -> Json | None:
        spec = self._dynamodb._dynamodb_arn_spec(arn)
        found: Json | None = self._dynamodb._backups.get_scoped(spec.account_id, spec.region, arn) if spec else None
        return found

    def _summary(self, record: Json) -> Json:
        source, details = record["SourceTableDetails"], record["BackupDetails"]
        return {**{key: source[key] for key in ("TableName", "TableId", "TableArn")}, **details}
