"""The chain of decisions: each names the hash of the one before, so that none can be changed or left out unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import pairwise

from orchestrator.domain.verdict import Json

START = "0" * 64
"""What the first decision of a deployment names as the one before."""


def link(previous_hash: str, body: Mapping[str, Json]) -> str:
    """The hash of a decision: SHA-256 over the hash before and the body's canonical JSON, without its own hash."""
    hashed = {key: value for key, value in body.items() if key not in {"hash", "previous_hash"}}
    canonical = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous_hash}\n{canonical}".encode()).hexdigest()


def broken_at(bodies: Iterable[Mapping[str, Json]]) -> int | None:
    """The position of the first decision that does not continue the chain; None where all do."""
    first: Mapping[str, Json] = {"hash": START}
    for number, (before, body) in enumerate(pairwise([first, *bodies])):
        previous = str(before["hash"])
        if body.get("previous_hash") != previous or body.get("hash") != link(previous, body):
            return number
    return None
