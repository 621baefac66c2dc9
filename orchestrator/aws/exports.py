"""Exports of tables to S3 at a point: asking for one, looking at it, reading it, and removing it.

Facts of DynamoDB that this rests on (API reference of ExportTableToPointInTime and DescribeExport; developer guide, *DynamoDB table export output
format*): the same client token is the same export, for eight hours; an export is IN_PROGRESS and then COMPLETED or FAILED; when it is complete
`ExportManifest` names the summary, the summary the list of files, and the list each file with its items and its MD5. A file is gzip over lines
of JSON, each with one item as DynamoDB's own notation has it. An export cannot be stopped.

An export that is not what DynamoDB said it wrote raises `ExportBroken`, also in the middle of reading it: a part of it is never all of it.
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

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.aws.contents import Content, Hashing
from orchestrator.domain.errors import ExportBroken

FORMAT = "DYNAMODB_JSON"
_CHUNK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_REMOVED_AT_ONCE = 1000


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """What ``manifest-summary.json`` says."""

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
        phase: IN_PROGRESS, COMPLETED or FAILED.
        failure: why it failed.
    """

    arn: str
    phase: str
    failure: str
    table_arn: str
    point: datetime | None
    items: int
    prefix: str
    manifest: str


class Exports:
    """Exports into one bucket.

    Args:
        clients: botocore client by service; DynamoDB's and S3's are used.
        bucket: for exports, and for nothing else.
    """

    def __init__(self, clients: Callable[[str], Any], bucket: str) -> None:
        self._clients, self._bucket = clients, bucket

    def ask(self, table_arn: str, point: datetime, recovery_id: str, role: str) -> str:
        """Ask for an export; who asks again for the same recovery and role gets the same one. Returns its ARN."""
        with narrowed():
            answer = self._clients("dynamodb").export_table_to_point_in_time(
                TableArn=table_arn,
                ExportTime=point,
                ClientToken=f"{recovery_id}-{role}",
                S3Bucket=self._bucket,
                S3Prefix=f"{recovery_id}/{role}",
                ExportFormat=FORMAT,
            )
        return str(answer["ExportDescription"]["ExportArn"])

    def look(self, arn: str) -> Export:
        """Describe an export."""
        with narrowed():
            found = self._clients("dynamodb").describe_export(ExportArn=arn)["ExportDescription"]
        failure = ": ".join(str(found[name]) for name in ("FailureCode", "FailureMessage") if found.get(name))
        return Export(
            arn=arn,
            phase=found["ExportStatus"],
            failure=failure,
            table_arn=found["TableArn"],
            point=found.get("ExportTime"),
            items=found.get("ItemCount", 0),
            prefix=found.get("S3Prefix", ""),
            manifest=found.get("ExportManifest", ""),
        )

    def content(self, arn: str, table_arn: str, point: datetime, hashing: Hashing) -> Content:
        """Return what a table held at a point as a side of a comparison. Segments are parts of the list of files.

        Raises:
            ExportBroken: it is of another table or time, or its manifests do not fit together.
        """
        files = self.files(arn, table_arn, point)

        def pages(segment: int, segments: int) -> Iterator[Sequence[msgspec.Raw]]:
            for file in files[segment::segments]:
                yield from self._items(file)

        return Content(pages, hashing)

    def files(self, arn: str, table_arn: str, point: datetime) -> list[File]:
        """List the files of a complete export, in the same order whoever asks, with the keys that they have in the bucket.

        Raises:
            ExportBroken: it is of another table or time, or its manifests do not fit together.
        """
        export = self.look(arn)
        try:
            summary = _decode_summary(self._read(_placed(export.manifest, export.prefix)))
            files = _decode_files(self._read(_placed(summary.manifest_files_s3_key, export.prefix)))
        except msgspec.MsgspecError as error:
            raise ExportBroken(f"{arn}: a manifest cannot be read: {error}") from error
        _check(export, summary, files, table_arn, point)
        placed = [
            msgspec.structs.replace(file, data_file_s3_key=_placed(file.data_file_s3_key, export.prefix))
            for file in files
        ]
        return sorted(placed, key=lambda file: file.data_file_s3_key)

    def remove(self, recovery_id: str) -> int:
        """Remove every file of a recovery's exports; returns how many there were. One that is still written leaves more."""
        s3, keys = self._clients("s3"), list[str]()
        with narrowed():
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{recovery_id}/")
            keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
            for start in range(0, len(keys), _REMOVED_AT_ONCE):
                some = [{"Key": key} for key in keys[start : start + _REMOVED_AT_ONCE]]
                answer = s3.delete_objects(Bucket=self._bucket, Delete={"Objects": some, "Quiet": True})
                if refused := answer.get("Errors"):
                    raise ClientError({"Error": refused[0]}, "DeleteObjects")
        return len(keys)

    def _items(self, file: File) -> Iterator[Sequence[msgspec.Raw]]:
        """Read one file to its end, piece by piece.

        Raises:
            ExportBroken: it is not there, not gzip over lines of items, or other bytes or another number of items than was said.
        """
        found, digest, where = 0, md5(usedforsecurity=False), file.data_file_s3_key
        try:
            for lines in _lines(self._chunks(where, digest.update)):
                items = [_decode_line(text).Item for text in lines if text]
                found += len(items)
                yield items
        except (zlib.error, msgspec.MsgspecError) as error:
            raise ExportBroken(f"{where} is no file of items: {error}") from error
        if b64encode(digest.digest()).decode() != file.md5_checksum:
            raise ExportBroken(f"{where} is not what was written: its MD5 is not {file.md5_checksum}")
        if found != file.item_count:
            raise ExportBroken(f"{where} has {found} items and should have {file.item_count}")

    def _chunks(self, key: str, seen: Callable[[bytes], None]) -> Iterator[bytes]:
        body = self._open(key)
        while True:
            with narrowed():
                chunk: bytes = body.read(_CHUNK_BYTES)
            if not chunk:
                return
            seen(chunk)
            yield chunk

    def _read(self, key: str) -> bytes:
        return b"".join(self._chunks(key, lambda _: None))

    def _open(self, key: str) -> Any:
        try:
            with narrowed():
                return self._clients("s3").get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
            raise ExportBroken(f"{key} is not in the bucket {self._bucket}") from error


def _placed(key: str, prefix: str) -> str:
    """Where a file is that a manifest names. AWS's examples name files below the export's prefix, without it."""
    return key if not prefix or key.startswith(f"{prefix}/") else f"{prefix}/{key}"


def _check(export: Export, summary: Summary, files: Sequence[File], table_arn: str, point: datetime) -> None:
    said = [
        ("table", export.table_arn, table_arn),
        ("table in the summary", summary.table_arn, table_arn),
        ("time", export.point and export.point.replace(microsecond=0), point),
        ("time in the summary", summary.export_time.replace(microsecond=0), point),
        ("format", summary.output_format, FORMAT),
        ("number of items in the summary", summary.item_count, export.items),
        ("number of items in all files", sum(file.item_count for file in files), export.items),
    ]
    for what, found, wanted in said:
        if found != wanted:
            raise ExportBroken(f"{export.arn}: its {what} is {found} and not {wanted}")


def _lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Unpack gzip, of one member or several, and cut it into lines. Raises zlib.error where it ends before its end."""
    unpack, rest = zlib.decompressobj(_GZIP), b""
    begun = False
    for chunk in chunks:
        begun = True
        left = chunk
        while left:
            if unpack.eof:
                unpack = zlib.decompressobj(_GZIP)
            rest += unpack.decompress(left)
            left = unpack.unused_data
        *whole, rest = rest.split(b"\n")
        yield whole
    if begun and not unpack.eof:  # an empty partition's file may be one without a byte
        raise zlib.error("it ends before its end")
    yield [rest]
