"""The evidence bucket, for files that must outlast their environment, and the index of its configuration snapshots.

Every file's name contains its own digest. A file is never overwritten, and it is read back by that digest: a file
with other bytes is refused. The index is in the ledger's table, so a change of the bucket alone does not change what
should be in it:

| pk                 | sk           | holds                                   |
|--------------------|--------------|-----------------------------------------|
| ``configurations`` | time, digest | that a configuration snapshot was put   |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.configuration.snapshot import (
    ConfigurationSnapshot,
    SnapshotRecord,
    read_snapshot,
    snapshot_document,
)
from orchestrator.domain.errors import Refused

NEWEST = "newest"
_CONFIGURATIONS = "configurations"


class ArtifactStore:
    """The evidence bucket and its index.

    Args:
        clients: botocore client by service; DynamoDB's and S3's are used.
        table: the ledger's table.
        bucket: the evidence bucket.
    """

    def __init__(self, clients: Callable[[str], Any], table: str, bucket: str) -> None:
        self._clients, self._table, self.bucket = clients, table, bucket

    # --- configuration snapshots -------------------------------------------------------------------------

    def put_configuration(self, snapshot: ConfigurationSnapshot) -> SnapshotRecord:
        """Put a configuration snapshot into the bucket and into the index."""
        text = snapshot_document(snapshot)
        digest = sha256(text)
        at = f"{snapshot.taken_at:%Y%m%dT%H%M%SZ}"
        record = SnapshotRecord(
            id=f"c-{at}-{digest[:6]}",
            taken_at=snapshot.taken_at,
            why=snapshot.why,
            parts=len(snapshot.parts),
            digest=snapshot.digest,
            key=f"configuration/{at}-{digest}.json",
            sha256=digest,
        )
        self.put_file(record.key, text, "application/json")
        body = msgspec.json.encode(record).decode()
        item = {"pk": {"S": _CONFIGURATIONS}, "sk": {"S": record.id}, "body": {"S": body}}
        with translate_errors():
            self._clients("dynamodb").put_item(TableName=self._table, Item=item)
        return record

    def list_snapshots(self, limit: int) -> list[SnapshotRecord]:
        """Return the newest configuration snapshots of the index, newest first."""
        with translate_errors():
            response = self._clients("dynamodb").query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _CONFIGURATIONS}},
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=limit,
            )
        return [_decode(item) for item in response["Items"]]

    def find_snapshot(self, name: str) -> SnapshotRecord:
        """Return a configuration snapshot of the index by its id, or the newest for `NEWEST`.

        Raises:
            Refused: there is none.
        """
        if name == NEWEST:
            records = self.list_snapshots(1)
        else:
            key = {"pk": {"S": _CONFIGURATIONS}, "sk": {"S": name}}
            dynamodb = self._clients("dynamodb")
            with translate_errors():
                item = dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
            records = [_decode(item)] if item else []
        if not records:
            raise Refused(
                "bundle", name, "name one that `orchestrator config list` lists, or take one: `config backup`"
            )
        return records[0]

    def read_snapshot(self, record: SnapshotRecord) -> ConfigurationSnapshot:
        """Read a configuration snapshot from the bucket.

        Raises:
            Refused: it is not in the bucket, or its bytes are not those that were put.
        """
        return read_snapshot(self.get_file(record.key, record.sha256))

    # --- files -------------------------------------------------------------------------------------------

    def put_file(self, key: str, content: bytes, content_type: str) -> None:
        """Put a file. S3 checks its digest on arrival."""
        with translate_errors():
            self._clients("s3").put_object(
                Bucket=self.bucket, Key=key, Body=content, ContentType=content_type, ChecksumAlgorithm="SHA256"
            )

    def list_keys_of_versions(self, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix and have a version, also of deleted files, in ascending order.

        The deletion of a file only hides its versions, while they are locked.
        """
        pages = self._clients("s3").get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        with translate_errors():
            return sorted({stored["Key"] for page in pages for stored in page.get("Versions", ())})

    def get_file(self, key: str, digest: str) -> bytes:
        """Read a file whose SHA-256 is `digest`.

        Raises:
            Refused: it does not exist, or its bytes have another digest.
        """
        content = self.find_file(key)
        if content is None:
            raise Refused("key", key, f"it is not in the bucket {self.bucket}: look for a deleted version of it")
        if sha256(content) != digest:
            raise Refused(
                "key", key, f"its SHA-256 is {sha256(content)} and not {digest}: look for an earlier version of it"
            )
        return content

    def find_file(self, key: str) -> bytes | None:
        """Read a file without checking it; None if it does not exist."""
        try:
            with translate_errors():
                content: bytes = self._clients("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error_code(error) != "NoSuchKey":
                raise
            return None
        return content


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _decode(item: Any) -> SnapshotRecord:
    return msgspec.json.decode(item["body"]["S"], type=SnapshotRecord)
