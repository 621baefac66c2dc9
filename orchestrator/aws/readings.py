"""The ledger's readings of tables that are compared: how they are cut and hashed, and what each segment came to.

| pk                  | sk                                      | holds                                     |
|---------------------|-----------------------------------------|-------------------------------------------|
| ``recovery#{id}``   | ``comparison``                          | the key of all hashes, segments by table  |
| ``recovery#{id}``   | ``reading#{role}#{side}#{tier}#{n}``    | a segment's digest, and its buckets       |

They go by the ledger's time to live: with the key gone, hashed keys in evidence are names and no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from secrets import token_bytes
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.claims import CLAIM, ClaimedTable, decoded
from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain import digest
from orchestrator.domain.comparison import Reading, SegmentDigest
from orchestrator.domain.digest import Digest
from orchestrator.domain.recovery import Recovery, Role

KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Comparison:
    """How a recovery's tables are compared.

    Attributes:
        key: of all hashes, 32 bytes in hexadecimal digits.
        segments: into how many a table is cut, by role; 0 where it is compared whole.
    """

    key: str
    segments: Mapping[Role, int]

    @property
    def key_bytes(self) -> bytes:
        """The key itself."""
        return bytes.fromhex(self.key)


class Readings(ClaimedTable):
    """Readings in the ledger. Nobody fences them: a segment that is read twice comes to the same, or is caught by the stream.

    Args:
        client: botocore's DynamoDB client.
        table: the ledger's name.
    """

    def __init__(self, client: Any, table: str) -> None:
        super().__init__(client, table, CLAIM)

    def open(self, recovery: Recovery, segments: Mapping[Role, int]) -> Comparison:
        """Keep how tables are compared, under a new key; what an earlier try has kept stands."""
        drawn = Comparison(token_bytes(digest.KEY_BYTES).hex(), segments)
        put = self._put(*_place(recovery.id, "comparison"), drawn, expires_at=_until(recovery))
        put["ConditionExpression"] = "attribute_not_exists(pk)"
        try:
            with narrowed():
                self._client.put_item(**put)
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return self.comparison(recovery.id)
        return drawn

    def comparison(self, recovery_id: str) -> Comparison:
        """Read how tables are compared."""
        item = self._get(*_place(recovery_id, "comparison"))
        if item is None:
            raise LookupError(f"the tables of {recovery_id} are not being compared")
        return decoded(item, Comparison)

    def keep(self, recovery: Recovery, made: SegmentDigest) -> None:
        """Keep what a segment came to."""
        reading = made.reading
        name = f"reading#{reading.role}#{reading.side}#{reading.tier}#{reading.segment:06}"
        put = self._put(*_place(recovery.id, name), _Kept(reading, made.digest.text), expires_at=_until(recovery))
        if made.buckets:
            put["Item"]["buckets"] = {"B": digest.pack(made.buckets)}
        with narrowed():
            self._client.put_item(**put)

    def all(self, recovery_id: str) -> list[SegmentDigest]:
        """Read everything that was kept."""
        found = self._query(f"recovery#{recovery_id}", prefix="reading#", forward=True)
        return [_made(item) for item in found]


@dataclass(frozen=True)
class _Kept:
    reading: Reading
    digest: str


def _made(item: Mapping[str, Any]) -> SegmentDigest:
    kept = msgspec.json.decode(item["body"]["S"], type=_Kept)
    made = SegmentDigest(kept.reading, Digest.parse(kept.digest))
    return replace(made, buckets=digest.unpack(item["buckets"]["B"])) if "buckets" in item else made


def _place(recovery_id: str, name: str) -> tuple[str, str]:
    return f"recovery#{recovery_id}", name


def _until(recovery: Recovery) -> Mapping[str, str]:
    return {"N": str(int((recovery.lease_until + KEPT).timestamp()))}
