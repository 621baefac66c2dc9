"""The ledger's digests of tables that are being compared: how the tables are segmented and hashed, and the results.

| pk                | sk                                       | holds                                           |
|-------------------|------------------------------------------|-------------------------------------------------|
| ``recovery#{id}`` | ``comparison``                           | the key of all hashes, and the segments by role |
| ``recovery#{id}`` | ``segment#{role}#{side}#{level}#{n}``    | a segment's digest, and its hash partitions     |

They expire by the ledger's time to live. Once the key is gone, hashed keys in evidence cannot be traced to items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_bytes
from typing import Any

import msgspec

from orchestrator.aws.clients import conditional_write, translate_errors
from orchestrator.aws.ledger.lock import LOCK, LockedTable, decoded
from orchestrator.domain.recovery.record import Recovery, Role
from orchestrator.domain.table_comparison import digest
from orchestrator.domain.table_comparison.comparison import SegmentDigest, SegmentRef
from orchestrator.domain.table_comparison.digest import Digest

KEPT = timedelta(days=7)


@dataclass(frozen=True)
class ComparisonSettings:
    """How a recovery's tables are compared.

    Attributes:
        key: of all hashes, 32 bytes in hexadecimal digits.
        segments: role of a table to the number of its segments; 0 for a table that one task compares as a whole.
    """

    key: str
    segments: Mapping[Role, int]

    @property
    def key_bytes(self) -> bytes:
        """The key of all hashes, as bytes."""
        return bytes.fromhex(self.key)


class SegmentDigestStore(LockedTable):
    """Segment digests in the ledger.

    Writes are not fenced: a segment that is read twice gives the same digest, or its change appears in the stream.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        super().__init__(client, table, LOCK)

    def start_comparison(self, recovery: Recovery, segments: Mapping[Role, int]) -> ComparisonSettings:
        """Write how tables are compared, with a new key; settings of an earlier attempt stay, and are returned."""
        settings = ComparisonSettings(token_bytes(digest.KEY_BYTES).hex(), segments)
        put = self._put(*_item_key(recovery.id, "comparison"), settings, expires_at=_expires_at(recovery))
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        if conditional_write(self._client.put_item, **put) is None:
            return self.read_comparison(recovery.id)
        return settings

    def read_comparison(self, recovery_id: str) -> ComparisonSettings:
        """Read how tables are compared. Raises LookupError if no comparison has started."""
        item = self._get(*_item_key(recovery_id, "comparison"))
        if item is None:
            raise LookupError(f"the tables of {recovery_id} are not being compared")
        return decoded(item, ComparisonSettings)

    def save_digest(self, recovery: Recovery, segment_digest: SegmentDigest) -> None:
        """Write the digest of a segment."""
        segment = segment_digest.segment
        name = f"segment#{segment.role}#{segment.side}#{segment.level}#{segment.segment:06}"
        record = _Record(segment, segment_digest.digest.text)
        put = self._put(*_item_key(recovery.id, name), record, expires_at=_expires_at(recovery))
        if segment_digest.partitions:
            put["Item"]["partitions"] = {"B": digest.pack_partitions(segment_digest.partitions)}
        with translate_errors():
            self._client.put_item(**put)

    def read_digests(self, recovery_id: str) -> list[SegmentDigest]:
        """Read all digests of a recovery's segments."""
        items = self._query(f"recovery#{recovery_id}", prefix="segment#", forward=True)
        return [_decode(item) for item in items]


@dataclass(frozen=True)
class _Record:
    segment: SegmentRef
    digest: str


def _decode(item: Mapping[str, Any]) -> SegmentDigest:
    record = msgspec.json.decode(item["body"]["S"], type=_Record)
    segment_digest = SegmentDigest(record.segment, Digest.parse(record.digest))
    if "partitions" not in item:
        return segment_digest
    return replace(segment_digest, partitions=digest.unpack_partitions(item["partitions"]["B"]))


def _item_key(recovery_id: str, name: str) -> tuple[str, str]:
    return f"recovery#{recovery_id}", name


def _expires_at(recovery: Recovery) -> Mapping[str, str]:
    return {"N": str(int((recovery.expires_at + KEPT).timestamp()))}
