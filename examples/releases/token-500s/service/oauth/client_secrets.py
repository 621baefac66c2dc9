"""Verification of a confidential client's secret. Only its hash is configured; the secret is random.

A client may have two secrets while one replaces the other: their hashes are separated by a comma.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest

_SHA256_HEX = re.compile(r"[0-9a-f]{64}(,[0-9a-f]{64})?")


def is_hash(text: str) -> bool:
    """Return whether text has the form of configured hashes: one or two SHA-256 in lower-case hexadecimal."""
    return _SHA256_HEX.fullmatch(text) is not None


def hash_of(secret: str) -> str:
    """Return the stored hash of a secret: 256 random bits cannot be guessed, so a plain hash is enough."""
    return sha256(secret.encode()).hexdigest()


def matches(secret: str, secret_sha256: str) -> bool:
    """Return whether the secret is one of the hashed ones, in constant time."""
    digest = sha256(secret.encode()).digest()
    compared = [compare_digest(digest, known) for known in secret_sha256.split(",")]
    return any(compared)
