"""Verification of a confidential client's secret. Only its hash is configured; the secret is random."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def is_hash(text: str) -> bool:
    """Return whether text has the form of a configured hash: SHA-256 in lower-case hexadecimal."""
    return _SHA256_HEX.fullmatch(text) is not None


def hash_of(secret: str) -> str:
    """Return the stored hash of a secret: 256 random bits cannot be guessed, so a plain hash is enough."""
    return sha256(secret.encode()).hexdigest()


def matches(secret: str, *secrets_sha256: str | None) -> bool:
    """Return whether the secret is one of the hashed ones, in a time that does not show which; None is no hash."""
    hashed = hash_of(secret)
    found = [compare_digest(hashed, expected) for expected in secrets_sha256 if expected is not None]
    return any(found)
