"""DynamoDB: an export to S3 holds the table as it was at a moment, in files that its manifests list.

AWS:

- ExportTableToPointInTime exports what the table held at ``ExportTime``, to the second, of a table with point-in-time recovery: otherwise
  PointInTimeRecoveryUnavailableException, and InvalidExportTimeException for a time outside the window. The same ``ClientToken`` is the same
  export, and with other parameters ExportConflictException. It is IN_PROGRESS, and then COMPLETED or FAILED.
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ExportTableToPointInTime.html
- Under ``PREFIX/AWSDynamoDB/ID/`` it writes ``manifest-summary.json``, ``manifest-files.json`` with a line for each file (its items, its MD5),
  and ``data/….json.gz``: lines of ``{"Item": {…}}``, at least a file for each partition, an empty one for an empty partition.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html

Here it takes ``Options.restore_seconds`` and a table has two partitions, of which one may be empty. That whoever asks may write the bucket is not looked at.

MiniStack says COMPLETED after a second, counts the items of that moment whatever the time, and writes nothing.
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

from orchestrator.local.fidelity.belt import Belt
from orchestrator.local.fidelity.journal import Item
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.point_in_time_recovery import JOURNALS
from orchestrator.local.fidelity.restoring_tables import Answer, Json, Operation, answer, refused
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.dynamodb._export_table_to_point_in_time": "7de9a0bcce54903797206c1aaba250e0ae8c9dc79726dd4b1cb19d63f3172b8a",
    "ministack.services.dynamodb._describe_export": "28915d45df50e6aea0b8fde00a8bb22bf022d6fef68e01e2da7464fbd0b5885d",
    "ministack.services.dynamodb._table_name_from_arn": "52e10f129baf69e8117ce81df34a85d437507be8a86d478b8770ec72ecf0414b",
    "ministack.services.s3._put_object": "cf5861e4d9999243015aa5097b1d960f4883c07e650e4304fd7c46889206e3d5",
}

PARTITIONS: Final = 2
_COMPARED: Final = ("TableArn", "ExportTime", "S3Bucket", "S3Prefix", "ExportFormat")


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    dynamodb = importlib.import_module("ministack.services.dynamodb")
    exports = _Exports(dynamodb, importlib.import_module("ministack.services.s3"), options)
    wrap(dynamodb, "_export_table_to_point_in_time", exports.asking)
    wrap(dynamodb, "_describe_export", lambda _: exports.describe)


class _Exports:
    """The operations of exports. A record is MiniStack's."""

    def __init__(self, dynamodb: Any, s3: Any, options: Options) -> None:
        self._dynamodb, self._s3 = dynamodb, s3
        self._seconds, self._lag_seconds = options.restore_seconds, options.recovery_lag_seconds
        self._belt = Belt("exports")
        self._asked: dict[str, Json] = {}  # requests by token

    def asking(self, original: Operation) -> Operation:
        def export_table_to_point_in_time(data: Json) -> Answer:
            table = self._dynamodb._tables.get(self._dynamodb._table_name_from_arn(data.get("TableArn") or ""))
            if table is None:
                return original(data)  # which says what is wrong
            token = data.get("ClientToken")
            if token in self._asked:
                same = all(self._asked[token].get(name) == data.get(name) for name in _COMPARED)
                return original(data) if same else refused("ExportConflictException", f"another export has {token}")
            journal = JOURNALS.get(table["TableId"])
            if journal is None:
                message = f"Point in time recovery is not enabled for table '{table['TableName']}'"
                return refused("PointInTimeRecoveryUnavailableException", message)
            window, asked = journal.window(self._lag_seconds), data.get("ExportTime")
            moment = window.latest if asked is None else window.point(float(int(asked)))
            if moment is None:
                return refused("InvalidExportTimeException", f"ExportTime must be in the table's window: {asked}")
            answered = original({**data, "ExportTime": int(moment)})
            if answered[0] == HTTPStatus.OK:
                record = self._dynamodb._exports[json.loads(answered[2])["ExportDescription"]["ExportArn"]]
                held = [item for items in journal.at(moment).values() for item in items.values()]
                self._belt.put(self._seconds, lambda: self._end(record, held))
                if token:
                    self._asked[token] = data
            return answered

        return export_table_to_point_in_time

    def describe(self, data: Json) -> Answer:
        record = self._dynamodb._exports.get(data.get("ExportArn"))
        if record is None:
            return refused("ExportNotFoundException", f"Export not found: {data.get('ExportArn')}")
        return answer({"ExportDescription": record})

    def _end(self, record: Json, held: list[Item]) -> None:
        for key, content in _files(record, held).items():
            put = self._s3._put_object(record["S3Bucket"], key, content, {})
            if put[0] != HTTPStatus.OK:
                record |= {"ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket", "FailureMessage": f"{put[2]!r}"}
                return
        manifest = f"{_folder(record)}/manifest-summary.json"
        record |= {"ItemCount": len(held), "BilledSizeBytes": 0, "EndTime": time.time(), "ExportManifest": manifest}
        record["ExportStatus"] = "COMPLETED"


def _folder(record: Json) -> str:
    below = f"AWSDynamoDB/{record['ExportArn'].rpartition('/')[2]}"
    return f"{record['S3Prefix']}/{below}" if record.get("S3Prefix") else below


def _files(record: Json, held: list[Item]) -> dict[str, bytes]:
    folder = _folder(record)
    parts: list[list[Item]] = [[] for _ in range(PARTITIONS)]
    for item in held:
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
        "itemCount": len(held),
        "outputFormat": record["ExportFormat"],
    }
    manifests = {
        f"{folder}/manifest-files.json": "".join(f"{json.dumps(one)}\n" for one in listed).encode(),
        f"{folder}/manifest-summary.json": json.dumps(summary).encode(),
    }
    return data | manifests


def _lines(items: list[Item]) -> bytes:
    return gzip.compress("".join(f"{json.dumps({'Item': item})}\n" for item in items).encode())


def _checksum(content: bytes) -> str:
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()
