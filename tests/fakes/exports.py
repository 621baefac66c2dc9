"""Exports to S3 as AWS documents what they write (developer guide of DynamoDB, *DynamoDB table export output format*)."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import md5
from typing import Any

from tests.fakes.clouds import ACCOUNT, REGION
from tests.fakes.errors import client_error

Item = Mapping[str, Any]
FILES = 3


def files_of(
    arn: str, table_arn: str, point: datetime, items: Sequence[Item], *, prefix: str, files: int = FILES
) -> dict[str, bytes]:
    """The objects that an export writes, by key: its items spread over some files, one of them an empty partition's."""
    folder = f"{prefix}/AWSDynamoDB/{arn.rpartition('/')[2]}"
    parts = [items[number::files] for number in range(files)] + [[]]
    data = {f"{folder}/data/part{number}.json.gz": lines(part) for number, part in enumerate(parts)}
    listed = [
        {"itemCount": len(part), "md5Checksum": checksum(content), "etag": "e-1", "dataFileS3Key": key}
        for part, (key, content) in zip(parts, data.items(), strict=True)
    ]
    summary = {
        "version": "2020-06-30",
        "exportArn": arn,
        "tableArn": table_arn,
        "exportTime": point.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "s3Prefix": prefix,
        "manifestFilesS3Key": f"{folder}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": len(items),
        "outputFormat": "DYNAMODB_JSON",
    }
    return {
        f"{folder}/_started": b"",
        **data,
        f"{folder}/manifest-files.json": "".join(json.dumps(one) + "\n" for one in listed).encode(),
        f"{folder}/manifest-summary.json": json.dumps(summary).encode(),
    }


def lines(items: Iterable[Item]) -> bytes:
    """A file of items."""
    return gzip.compress("".join(json.dumps({"Item": item}) + "\n" for item in items).encode(), mtime=0)


def checksum(content: bytes) -> str:
    """As the list of files has it."""
    return b64encode(md5(content, usedforsecurity=False).digest()).decode()


class FakeExports:
    """The export operations of a DynamoDB client.

    Args:
        now: the clock.
        held: what a table held at a time.
        objects: of the bucket.
        seconds: how long an export takes.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        held: Callable[[str, datetime], Mapping[str, Item]],
        objects: dict[str, bytes],
        seconds: float = 300,
    ) -> None:
        self._now, self._held, self._objects, self._takes = now, held, objects, timedelta(seconds=seconds)
        self.requests: dict[str, dict[str, Any]] = {}
        """Requests by ARN."""
        self._began: dict[str, datetime] = {}
        self.fails: str = ""
        """Why exports fail."""

    def export_table_to_point_in_time(self, **params: Any) -> dict[str, Any]:
        for arn, known in self.requests.items():
            if known["ClientToken"] == params["ClientToken"]:
                if known != params:
                    raise client_error("ExportConflictException", "the same token and another request")
                return {"ExportDescription": self._description(arn)}
        arn = f"{params['TableArn']}/export/{len(self.requests):014d}-a1b2c3d4"
        self.requests[arn], self._began[arn] = params, self._now()
        return {"ExportDescription": self._description(arn)}

    def describe_export(self, *, ExportArn: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        if ExportArn not in self.requests:
            raise client_error("ExportNotFoundException", ExportArn)
        return {"ExportDescription": self._description(ExportArn)}

    def _description(self, arn: str) -> dict[str, Any]:
        request = self.requests[arn]
        said = {
            "ExportArn": arn,
            "TableArn": request["TableArn"],
            "ExportTime": request["ExportTime"],
            "S3Prefix": request["S3Prefix"],
        }
        if self._now() < self._began[arn] + self._takes:
            return {**said, "ExportStatus": "IN_PROGRESS"}
        if self.fails:
            return {**said, "ExportStatus": "FAILED", "FailureCode": "S3NoSuchBucket", "FailureMessage": self.fails}
        items = list(self._held(request["TableArn"].rpartition("/")[2], request["ExportTime"]).values())
        written = files_of(arn, request["TableArn"], request["ExportTime"], items, prefix=request["S3Prefix"])
        if not any(key in self._objects for key in written):
            self._objects.update(written)
        manifest = next(key for key in written if key.endswith("manifest-summary.json"))
        return {**said, "ExportStatus": "COMPLETED", "ItemCount": len(items), "ExportManifest": manifest}


def table_arn(name: str) -> str:
    """The ARN of a table."""
    return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
