"""DynamoDB: point-in-time recovery restores the table as of any time in its window, and rejects other times.

AWS:

- RestoreTableToPointInTime creates a new table with the items of the source as of ``RestoreDateTime``, to the second,
  or as of the latest restorable time. A time outside the window is InvalidRestoreTimeException, a source without
  recovery PointInTimeRecoveryUnavailableException, an unknown source TableNotFoundException. Indexes, capacity and
  encryption are the source's current ones unless the request overrides them. Tags, stream, time to live,
  point-in-time recovery, deletion protection and policies are not restored.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_RestoreTableToPointInTime.html
- The window starts when recovery was enabled, or ``RecoveryPeriodInDays`` ago, and ends five minutes ago. Disabling
  and enabling recovery starts a new window.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html
- Deleting a table with recovery creates a backup of the type SYSTEM for 35 days (see the patch `dynamodb.backups`).
- A restore into another region names its source by ``SourceTableArn``.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/pointintimerecovery_restores.html

Here the window ends ``Options.recovery_lag_seconds`` ago. A table keeps its latest ``Options.journal_writes`` writes,
and the window starts after the older ones.

Stock MiniStack copies the current items of the source, whatever the time.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final

from orchestrator.local.emulator.dynamodb.restore_status import (
    RUNNING_RESTORES,
    Json,
    Response,
    Restore,
    error_response,
    json_response,
)
from orchestrator.local.emulator.dynamodb.write_journal import LONGEST_DAYS, Journal, Window
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.region_outage import in_lost_region

PINNED = {
    "ministack.services.dynamodb._describe_continuous_backups": "ba81b08f309d3e7a",
    "ministack.services.dynamodb._update_continuous_backups": "4d306deca0a21e52",
    "ministack.services.dynamodb._restore_table_to_point_in_time": "d2251b31c3114998",
    "ministack.services.dynamodb._set_item": "4e78ad492132cdba",
    "ministack.services.dynamodb._remove_item": "5cce50c99688dab8",
    "ministack.services.dynamodb._items_replaced": "b48626c371f77c18",
    "ministack.services.dynamodb._normalize_table_name": "904f676618e44f7b",
    "ministack.services.dynamodb._dynamodb_arn_spec": "dcca04b8fc59295d",
    "ministack.services.dynamodb._create_replica": "efdf96ccad372bde",
    "ministack.services.dynamodb._ttl_reaper": "66841bfd60279dd7",
}

_MODULE: Final = "ministack.services.dynamodb"

JOURNALS: Final[dict[str, Journal]] = {}
"""Journals of the tables with recovery, by ``TableId``; a later table of the same name has another id."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    dynamodb = importlib.import_module(_MODULE)
    recovery = _Recovery(dynamodb, options)
    wrap(dynamodb, "_set_item", _putting)
    wrap(dynamodb, "_remove_item", _removing)
    wrap(dynamodb, "_items_replaced", _replacing)
    wrap(dynamodb, "_describe_continuous_backups", lambda _: recovery.describe)
    wrap(dynamodb, "_update_continuous_backups", lambda _: recovery.update)
    wrap(dynamodb, "_restore_table_to_point_in_time", lambda _: recovery.restore)


def _putting(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_item(table: Json, partition: Any, sort: Any, item: Json) -> Any:
        before = original(table, partition, sort, item)
        if journal := JOURNALS.get(table["TableId"]):
            journal.record_write(partition, sort, item)
        return before

    return set_item


def _removing(original: Callable[..., Any]) -> Callable[..., Any]:
    def remove_item(table: Json, partition: Any, sort: Any) -> Any:
        before = original(table, partition, sort)
        if before is not None and (journal := JOURNALS.get(table["TableId"])):
            journal.record_write(partition, sort, None)
        return before

    return remove_item


def _replacing(original: Callable[[Json], None]) -> Callable[[Json], None]:
    def items_replaced(table: Json) -> None:
        original(table)
        if journal := JOURNALS.get(table["TableId"]):
            journal.record_replacement(table["items"])

    return items_replaced


class _Recovery:
    """The operations of point-in-time recovery."""

    def __init__(self, dynamodb: Any, options: Options) -> None:
        self._dynamodb = dynamodb
        self._lag_seconds = options.recovery_lag_seconds
        self._max_writes = options.journal_writes

    def describe(self, data: Json) -> Response:
        table = self._dynamodb._tables.get(self._dynamodb._normalize_table_name(data.get("TableName")))
        if table is None:
            return error_response("TableNotFoundException", f"Table not found: {data.get('TableName')}")
        journal = JOURNALS.get(table["TableId"])
        described: Json = {"PointInTimeRecoveryStatus": "ENABLED" if journal else "DISABLED"}
        if journal:
            window = journal.window(self._lag_seconds)
            described |= {
                "RecoveryPeriodInDays": journal.days,
                "EarliestRestorableDateTime": int(window.earliest),
                "LatestRestorableDateTime": window.latest,
            }
        backups = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": described}
        return json_response({"ContinuousBackupsDescription": backups})

    def update(self, data: Json) -> Response:
        name = self._dynamodb._normalize_table_name(data.get("TableName"))
        table = self._dynamodb._tables.get(name)
        if RUNNING_RESTORES.find(name):
            message = f"Backups are being enabled for the table: {name}. Please retry later"
            return error_response("ContinuousBackupsUnavailableException", message)
        if table is None:
            return error_response("TableNotFoundException", f"Table not found: {data.get('TableName')}")
        specification = data.get("PointInTimeRecoverySpecification") or {}
        enabled = specification.get("PointInTimeRecoveryEnabled")
        days = specification.get("RecoveryPeriodInDays", LONGEST_DAYS)
        if not isinstance(enabled, bool) or not 1 <= days <= LONGEST_DAYS:
            return error_response("ValidationException", f"PointInTimeRecoverySpecification: {specification}")
        journal = JOURNALS.get(table["TableId"])
        if not enabled:
            JOURNALS.pop(table["TableId"], None)
        elif journal:
            journal.days = days
        else:
            JOURNALS[table["TableId"]] = Journal(table["items"], days=days, max_writes=self._max_writes)
        self._dynamodb._pitr_settings[name] = enabled
        return self.describe(data)

    def restore(self, data: Json) -> Response:
        source = self._source(data)
        if source and in_lost_region(source["TableArn"]):
            return error_response("InternalServerError", f"The region of {source['TableArn']} does not answer")
        if source is None:
            named = data.get("SourceTableName") or data.get("SourceTableArn")
            return error_response("TableNotFoundException", f"Table not found: {named}")
        journal = JOURNALS.get(source["TableId"])
        if journal is None:
            message = f"Point in time recovery is not enabled for table '{source['TableName']}'"
            return error_response("PointInTimeRecoveryUnavailableException", message)
        window = journal.window(self._lag_seconds)
        latest, requested = data.get("UseLatestRestorableTime"), data.get("RestoreDateTime")
        if bool(latest) == (requested is not None):
            return error_response("ValidationException", "Give one of RestoreDateTime and UseLatestRestorableTime")
        moment = window.latest if requested is None else window.restorable_time(float(int(requested)))
        if moment is None:
            return error_response("InvalidRestoreTimeException", _outside_window_message(window))
        summary = {"SourceTableArn": source["TableArn"], "RestoreDateTime": moment}
        return RUNNING_RESTORES.start(Restore(data, source, journal.items_at(moment), summary))

    def _source(self, data: Json) -> Json | None:
        dynamodb = self._dynamodb
        named = data.get("SourceTableArn") or data.get("SourceTableName") or ""
        arn = dynamodb._dynamodb_arn_spec(named)
        if arn is None:
            table: Json | None = dynamodb._tables.get(named)
        else:
            table = dynamodb._tables.get_scoped(arn.account_id, arn.region, arn.resource.removeprefix("table/"))
        return table


def _outside_window_message(window: Window) -> str:
    return (
        "An invalid restore time was specified. RestoreDateTime must be between EarliestRestorableDateTime "
        f"({window.earliest:.3f}) and LatestRestorableDateTime ({window.latest:.3f})."
    )
