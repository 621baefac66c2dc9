"""DynamoDB: an export to S3 holds the table as of a point in time, in files that its manifests list.

AWS:

- ExportTableToPointInTime exports the items of a table with point-in-time recovery as of ``ExportTime``, to the second.
  Without recovery it fails with PointInTimeRecoveryUnavailableException, and for a time outside the window with
  InvalidExportTimeException. The same ``ClientToken`` returns the same export; with other parameters it fails with
  ExportConflictException. An export is IN_PROGRESS, and later COMPLETED or FAILED.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
- Under ``PREFIX/AWSDynamoDB/ID/`` it writes ``manifest-summary.json``, ``manifest-files.json`` with a line for each
  file (item count, MD5), and ``data/….json.gz``: lines of ``{"Item": {…}}``, at least one file for each partition, an
  empty one for an empty partition.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html

Here an export takes ``Options.restore_seconds``, and a table has two partitions, of which one may be empty.

Stock MiniStack reports COMPLETED after a second, counts the current items whatever the time, and writes no files.
"""

from __future__ import annotations

import gzip
import importlib
import json
import time
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import md5
from http import HTTPStatus
from typing import Any, Final
from zlib import crc32

from orchestrator.local.emulator.dynamodb.point_in_time_recovery import JOURNALS
from orchestrator.local.emulator.dynamodb.restore_status import Json, Operation, Response, error_response, json_response
from orchestrator.local.emulator.dynamodb.write_journal import Item
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.scheduler import Scheduler

PINNED = {
    "ministack.services.dynamodb._export_table_to_point_in_time": "7de9a0bcce549037",
    "ministack.services.dynamodb._describe_export": "28915d45df50e6ae",
    "ministack.services.dynamodb._table_name_from_arn": "52e10f129baf69e8",
    "ministack.services.s3._put_object": "cf5861e4d9999243",
}

PARTITIONS: Final = 2
_COMPARED: Final = ("TableArn", "ExportTime", "S3Bucket", "S3Prefix", "ExportFormat")


def install(options: Options) -> None:
    """Install the patch in this process."""
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    exports = _Exports(dynamodb, importlib.import_module("ministack.services.s3"), options)
    wrap(dynamodb, "_export_table_to_point_in_time", exports.exporting)
    wrap(dynamodb, "_describe_export", lambda _: exports.describe)


class _Exports:
    """The operations on exports. A record is MiniStack's."""

    def __init__(self, dynamodb: Any, s3: Any, options: Options) -> None:
        self._dynamodb, self._s3 = dynamodb, s3
        self._seconds, self._lag_seconds = options.restore_seconds, options.recovery_lag_seconds
        self._scheduler = Scheduler("exports")
        self._requests: dict[str, Json] = {}  # by client token

    def exporting(self, original: Operation) -> Operation:
        def export_table_to_point_in_time(data: Json) -> Response:
            table = self._dynamodb._tables.get(self._dynamodb._table_name_from_arn(data.get("TableArn") or ""))
            if table is None:
                return original(data)  # which returns the error
            token = data.get("ClientToken")
            if token in self._requests:
                same = all(self._requests[token].get(name) == data.get(name) for name in _COMPARED)
                return (
                    original(data) if same else error_response("ExportConflictException", f"another export has {token}")
                )
            journal = JOURNALS.get(table["TableId"])
            if journal is None:
                message = f"Point in time recovery is not enabled for table '{table['TableName']}'"
                return error_response("PointInTimeRecoveryUnavailableException", message)
            window, requested = journal.window(self._lag_seconds), data.get("ExportTime")
            moment = window.latest if requested is None else window.restorable_time(float(int(requested)))
            if moment is None:
                message = f"ExportTime must be in the table's window: {requested}"
                return error_response("InvalidExportTimeException", message)
            response = original({**data, "ExportTime": int(moment)})
            if response[0] == HTTPStatus.OK:
                record = self._dynamodb._exports[json.loads(response[2])["ExportDescription"]["ExportArn"]]
                items = [item for partition in journal.items_at(moment).values() for item in partition.values()]
                self._scheduler.call_later(self._seconds, lambda: self._finish(record, items))
                if token:
                    self._requests[token] = data
            return response

        return export_table_to_point_in_time

    def describe(self, data: Json) -> Response:
        record = self._dynamodb._exports.get(data.get("ExportArn"))
        if record is None:
            return error_response("ExportNotFoundException", f"Export not found: {data.get('ExportArn')}")
        return json_response({"ExportDescription": record})

    def _finish(self, record: Json, items: list[Item]) -> None:
        for key, content in _files(record, items).items():
            put = self._s3._put_object(record["S3Bucket"], key, content, {})
            if put[0] != HTTPStatus.OK:
                record |= {"ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket", "FailureMessage": f"{put[2]!r}"}
                return
        manifest = f"{_folder(record)}/manifest-summary.json"
        record |= {"ItemCount": len(items), "BilledSizeBytes": 0, "EndTime": time.time(), "ExportManifest": manifest}
        record["ExportStatus"] = "COMPLETED"


def _folder(record: Json) -> str:
    below = f"AWSDynamoDB/{record['ExportArn'].rpartition('/')[2]}"
    return f"{record['S3Prefix']}/{below}" if record.get("S3Prefix") else below


def _files(record: Json, items: list[Item]) -> dict[str, bytes]:
    folder = _folder(record)
    parts: list[list[Item]] = [[] for _ in range(PARTITIONS)]
    for item in items:
        parts[crc32(json.dumps(item, sort_keys=True).encode()) % PARTITIONS].append(item)
    data = {f"{folder}/data/{number:026d}.json.gz": _lines(part) for number, part in enumerate(parts)}
    listed = [
        {"itemCount": len(part), "md5Checksum": _checksum(content), "etag": "", "dataFileS3Key": key}
        for part, (key, content) in zip(parts, data.items(), strict=True)
    ]
    moment = datetime.fromtimestamp(record["ExportTime"], UTC).isoformat(timespec="milliseconds")
    summary = {
        "version": "2020-06-30",
        "exportArn": record["ExportArn"],
        "tableArn": record["TableArn"],
        "tableId": record["TableId"],
        "exportTime": moment.replace("+00:00", "Z"),
        "s3Bucket": record["S3Bucket"],
        "s3Prefix": record.get("S3Prefix"),
        "manifestFilesS3Key": f"{folder}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": len(items),
        "outputFormat": record["ExportFormat"],
    }
    manifests = {
        f"{folder}/manifest-files.json": "".join(f"{json.dumps(entry)}\n" for entry in listed).encode(),
        f"{folder}/manifest-summary.json": json.dumps(summary).encode(),
    }
    return data | manifests


def _lines(items: list[Item]) -> bytes:
    return gzip.compress("".join(f"{json.dumps({'Item': item})}\n" for item in items).encode())


def _checksum(content: bytes) -> str:
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()
