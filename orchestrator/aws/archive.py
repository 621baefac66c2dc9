"""The archive: one bucket for what has to outlast its environment, and the list of what is in it.

Every file is named by its own digest, is never overwritten, and is read back by that digest: a file that is not what was put is
refused. The lists are in the ledger's table, so that who changes the bucket alone does not change what should be in it:

| pk                 | sk           | holds                               |
|--------------------|--------------|-------------------------------------|
| ``configurations`` | time, digest | that a configuration bundle was put |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.configuration import Bundle, Taken, document, read_document
from orchestrator.domain.errors import Refused

NEWEST = "newest"
_CONFIGURATIONS = "configurations"


class Archive:
    """Bucket and list.

    Args:
        clients: botocore client by service; DynamoDB's and S3's are used.
        table: the ledger's table.
        bucket: the evidence bucket.
    """

    def __init__(self, clients: Callable[[str], Any], table: str, bucket: str) -> None:
        self._clients, self._table, self.bucket = clients, table, bucket

    # --- configuration bundles ---------------------------------------------------------------------------

    def keep_configuration(self, bundle: Bundle) -> Taken:
        """Put a bundle into the bucket and on the list."""
        text = document(bundle)
        digest = sha256(text)
        at = f"{bundle.taken_at:%Y%m%dT%H%M%SZ}"
        taken = Taken(
            id=f"c-{at}-{digest[:6]}",
            taken_at=bundle.taken_at,
            why=bundle.why,
            parts=len(bundle.parts),
            digest=bundle.digest,
            key=f"configuration/{at}-{digest}.json",
            sha256=digest,
        )
        self.put(taken.key, text, "application/json")
        item = {"pk": {"S": _CONFIGURATIONS}, "sk": {"S": taken.id}, "body": {"S": msgspec.json.encode(taken).decode()}}
        with narrowed():
            self._clients("dynamodb").put_item(TableName=self._table, Item=item)
        return taken

    def configurations(self, limit: int) -> list[Taken]:
        """The newest bundles, newest first."""
        with narrowed():
            answer = self._clients("dynamodb").query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _CONFIGURATIONS}},
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=limit,
            )
        return [_decode(item) for item in answer["Items"]]

    def taken(self, name: str) -> Taken:
        """Find a bundle on the list by its id, or the newest.

        Raises:
            Refused: there is none.
        """
        if name == NEWEST:
            found = self.configurations(1)
        else:
            key = {"pk": {"S": _CONFIGURATIONS}, "sk": {"S": name}}
            with narrowed():
                item = (
                    self._clients("dynamodb").get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
                )
            found = [_decode(item)] if item else []
        if not found:
            raise Refused(
                "bundle", name, "name one that `orchestrator config list` lists, or take one: `config backup`"
            )
        return found[0]

    def configuration(self, taken: Taken) -> Bundle:
        """Read a bundle.

        Raises:
            Refused: it is not in the bucket, or not what was put there.
        """
        return read_document(self.get(taken.key, taken.sha256))

    # --- files -------------------------------------------------------------------------------------------

    def put(self, key: str, content: bytes, content_type: str) -> None:
        """Put a file, whose digest S3 checks as it arrives."""
        with narrowed():
            self._clients("s3").put_object(
                Bucket=self.bucket, Key=key, Body=content, ContentType=content_type, ChecksumAlgorithm="SHA256"
            )

    def get(self, key: str, digest: str) -> bytes:
        """Read a file.

        Raises:
            Refused: there is none, or its bytes are not those of the digest.
        """
        found = self.find(key)
        if found is None:
            raise Refused("key", key, f"it is not in the bucket {self.bucket}: look for a deleted version of it")
        if sha256(found) != digest:
            raise Refused(
                "key", key, f"its SHA-256 is {sha256(found)} and not {digest}: look for an earlier version of it"
            )
        return found

    def find(self, key: str) -> bytes | None:
        """Read a file as it is; None where there is none."""
        try:
            with narrowed():
                found: bytes = self._clients("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if code_of(error) != "NoSuchKey":
                raise
            return None
        return found


def sha256(content: bytes) -> str:
    """The digest of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _decode(item: Any) -> Taken:
    return msgspec.json.decode(item["body"]["S"], type=Taken)
