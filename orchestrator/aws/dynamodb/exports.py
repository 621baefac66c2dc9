"""Exports of tables to S3 at a point in time: start one, describe it, read it, and remove its files.

Facts of DynamoDB that this relies on (API reference of ExportTableToPointInTime and DescribeExport; developer guide,
*DynamoDB table export output format*):

- The same client token is the same export, for eight hours. An export cannot be stopped.
- An export is IN_PROGRESS, and then COMPLETED or FAILED.
- Once it is complete, `ExportManifest` names the summary, the summary names the list of files, and the list names
  each file with its number of items and its MD5.
- A file is gzip over lines of JSON. Each line holds one item in DynamoDB's notation.

An export that differs from what its manifests say raises `ExportFailed`, also in the middle of reading: a part of an
export is never mistaken for the whole.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.aws.dynamodb.table_reader import Hashing, TableContents
from orchestrator.domain.errors import ExportFailed

FORMAT = "DYNAMODB_JSON"
COMPLETED, FAILED = "COMPLETED", "FAILED"
_CHUNK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_KEYS_PER_DELETE = 1000


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """The contents of ``manifest-summary.json``."""

    table_arn: str
    export_time: datetime
    manifest_files_s3_key: str
    item_count: int
    output_format: str


class File(msgspec.Struct, frozen=True, rename="camel"):
    """One line of ``manifest-files.json``."""

    item_count: int
    md5_checksum: str
    data_file_s3_key: str


class _Line(msgspec.Struct, frozen=True):
    Item: msgspec.Raw


_decode_summary = msgspec.json.Decoder(Summary).decode
_decode_files = msgspec.json.Decoder(File).decode_lines
_decode_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True)
class Export:
    """An export as DynamoDB describes it.

    Attributes:
        arn: the export's.
        phase: IN_PROGRESS, COMPLETED or FAILED.
        failure: why it failed; empty unless it did.
        table_arn: the exported table's.
        point: the time of the exported content.
        items: how many items were exported.
        prefix: of the export's keys in the bucket.
        manifest: key of the summary.
    """

    arn: str
    phase: str
    failure: str
    table_arn: str
    point: datetime | None
    items: int
    prefix: str
    manifest: str

    @property
    def complete(self) -> bool:
        """Whether its files can be read."""
        return self.phase == COMPLETED


class Exports:
    """Exports into one bucket.

    Args:
        clients: botocore client by service; DynamoDB's and S3's are used.
        bucket: a bucket that holds nothing but exports.
    """

    def __init__(self, clients: Callable[[str], Any], bucket: str) -> None:
        self._clients, self._bucket = clients, bucket

    def start_export(self, table_arn: str, point: datetime, recovery_id: str, role: str) -> str:
        """Start an export and return its ARN. The same recovery and role always give the same export.

        Args:
            table_arn: the table to export.
            point: the time of the content.
            recovery_id: the recovery that needs it.
            role: the table's.
        """
        with translate_errors():
            response = self._clients("dynamodb").export_table_to_point_in_time(
                TableArn=table_arn,
                ExportTime=point,
                ClientToken=f"{recovery_id}-{role}",
                S3Bucket=self._bucket,
                S3Prefix=f"{recovery_id}/{role}",
                ExportFormat=FORMAT,
            )
        return str(response["ExportDescription"]["ExportArn"])

    def describe_export(self, arn: str) -> Export:
        """Describe an export."""
        with translate_errors():
            export = self._clients("dynamodb").describe_export(ExportArn=arn)["ExportDescription"]
        failure = ": ".join(str(export[name]) for name in ("FailureCode", "FailureMessage") if export.get(name))
        return Export(
            arn=arn,
            phase=export["ExportStatus"],
            failure=failure,
            table_arn=export["TableArn"],
            point=export.get("ExportTime"),
            items=export.get("ItemCount", 0),
            prefix=export.get("S3Prefix", ""),
            manifest=export.get("ExportManifest", ""),
        )

    def contents(self, arn: str, table_arn: str, point: datetime, hashing: Hashing) -> TableContents:
        """Return an exported table as one side of a comparison. Its segments are parts of the list of files.

        Args:
            arn: a complete export.
            table_arn: the table that it must be of.
            point: the time that it must be of.
            hashing: how items are hashed.

        Raises:
            ExportFailed: it is of another table or time, or its manifests contradict each other.
        """
        files = self.list_files(arn, table_arn, point)

        def pages(segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
            for file in files[segment::segments]:
                yield from self._items(file)

        return TableContents(pages, hashing)

    def list_files(self, arn: str, table_arn: str, point: datetime) -> list[File]:
        """Return the files of a complete export with their keys in the bucket, always in the same order.

        Raises:
            ExportFailed: it is of another table or time, or its manifests contradict each other.
        """
        export = self.describe_export(arn)
        try:
            summary = _decode_summary(self._read(_full_key(export.manifest, export.prefix)))
            files = _decode_files(self._read(_full_key(summary.manifest_files_s3_key, export.prefix)))
        except msgspec.MsgspecError as error:
            raise ExportFailed(f"{arn}: a manifest cannot be read: {error}") from error
        _check(export, summary, files, table_arn, point)
        files_with_keys = [
            msgspec.structs.replace(file, data_file_s3_key=_full_key(file.data_file_s3_key, export.prefix))
            for file in files
        ]
        return sorted(files_with_keys, key=lambda file: file.data_file_s3_key)

    def remove_files(self, recovery_id: str) -> int:
        """Remove the files of a recovery's exports; return how many there were. A running export adds more later."""
        s3, keys = self._clients("s3"), list[str]()
        with translate_errors():
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{recovery_id}/")
            keys = [file["Key"] for page in pages for file in page.get("Contents", ())]
            for start in range(0, len(keys), _KEYS_PER_DELETE):
                batch = [{"Key": key} for key in keys[start : start + _KEYS_PER_DELETE]]
                response = s3.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
                if errors := response.get("Errors"):
                    raise ClientError({"Error": errors[0]}, "DeleteObjects")
        return len(keys)

    def _items(self, file: File) -> Iterator[Sequence[msgspec.Raw]]:
        """Read one file to its end, piece by piece.

        Raises:
            ExportFailed: it does not exist, is not gzip over lines of items, or has other bytes or another number of
                items than the manifest says.
        """
        count, digest, key = 0, md5(usedforsecurity=False), file.data_file_s3_key
        try:
            for lines in _lines(self._chunks(key, digest.update)):
                items = [_decode_line(text).Item for text in lines if text]
                count += len(items)
                yield items
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ExportFailed(f"{key} is not a file of items: {error}") from error
        if b64encode(digest.digest()).decode() != file.md5_checksum:
            raise ExportFailed(f"{key} is not what was written: its MD5 is not {file.md5_checksum}")
        if count != file.item_count:
            raise ExportFailed(f"{key} has {count} items and should have {file.item_count}")

    def _chunks(self, key: str, on_chunk: Callable[[bytes], None]) -> Iterator[bytes]:
        body = self._open(key)
        while True:
            with translate_errors():
                chunk: bytes = body.read(_CHUNK_BYTES)
            if not chunk:
                return
            on_chunk(chunk)
            yield chunk

    def _read(self, key: str) -> bytes:
        return b"".join(self._chunks(key, lambda _: None))

    def _open(self, key: str) -> Any:
        try:
            with translate_errors():
                return self._clients("s3").get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            raise ExportFailed(f"{key} is not in the bucket {self._bucket}") from error


def _full_key(key: str, prefix: str) -> str:
    """Return a file's key in the bucket. AWS's examples of manifests name files relative to the export's prefix."""
    return key if not prefix or key.startswith(f"{prefix}/") else f"{prefix}/{key}"


def _check(export: Export, summary: Summary, files: Sequence[File], table_arn: str, point: datetime) -> None:
    checks = [
        ("table", export.table_arn, table_arn),
        ("table in the summary", summary.table_arn, table_arn),
        ("time", export.point and export.point.replace(microsecond=0), point),
        ("time in the summary", summary.export_time.replace(microsecond=0), point),
        ("format", summary.output_format, FORMAT),
        ("number of items in the summary", summary.item_count, export.items),
        ("number of items in all files", sum(file.item_count for file in files), export.items),
    ]
    for what, actual, expected in checks:
        if actual != expected:
            raise ExportFailed(f"{export.arn}: its {what} is {actual} and not {expected}")


def _lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Decompress gzip of one or more members, and split it into lines. Raises zlib.error if the data is truncated."""
    unpack, rest = zlib.decompressobj(_GZIP), b""
    started = False
    for chunk in chunks:
        started = True
        left = chunk
        while left:
            if unpack.eof:
                unpack = zlib.decompressobj(_GZIP)
            rest += unpack.decompress(left)
            left = unpack.unused_data
        *whole, rest = rest.split(b"\n")
        yield whole
    if started and not unpack.eof:  # the file of an empty partition may be empty
        raise zlib.error("the data is truncated")
    yield [rest]
