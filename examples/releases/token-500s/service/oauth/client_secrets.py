"""How a confidential client's secret is checked. Only its hash is configured; the secret is generated, with nothing to guess.

A client may have two secrets while one replaces the other: their hashes stand one after the other, separated by a comma.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest

_SHA256_HEX = re.compile(r"[0-9a-f]{64}(,[0-9a-f]{64})?")


def is_hash(text: str) -> bool:
    """Whether text has the form of configured hashes: one or two SHA-256 in lower-case hexadecimal."""
    return _SHA256_HEX.fullmatch(text) is not None


def matches(secret: str, secret_sha256: str) -> bool:
    """Whether the secret is one of those that were hashed; takes the same time wherever they differ."""
    digest = sha256(secret.encode()).digest()
    compared = [compare_digest(digest, known) for known in secret_sha256.split(",")]
    return any(compared)
