"""The hash chain of records: each contains the hash of the previous one, so changes and omissions are detectable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise

from orchestrator.domain.verdict import Json

GENESIS_HASH = "0" * 64
"""The previous hash of the first record."""


def entry_hash(previous_hash: str, body: Mapping[str, Json]) -> str:
    """Return the hash of a record: SHA-256 over the previous hash and the body's canonical JSON, without its hashes."""
    hashed = {key: value for key, value in body.items() if key not in {"hash", "previous_hash"}}
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(f"{previous_hash}\n{canonical}".encode()).hexdigest()


def first_broken_index(bodies: Iterable[Mapping[str, Json]]) -> int | None:
    """Return the index of the first record that does not continue the chain; None if all do."""
    first: Mapping[str, Json] = {"hash": GENESIS_HASH}
    for number, (before, body) in enumerate(pairwise([first, *bodies])):
        previous = str(before["hash"])
        if body.get("previous_hash") != previous or body.get("hash") != entry_hash(previous, body):
            return number
    return None
