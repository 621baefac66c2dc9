"""How a confidential client's secret is checked. Only its hash is configured; the secret is generated, with nothing to guess."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def is_hash(text: str) -> bool:
    """Whether text has the form of a configured hash: SHA-256 in lower-case hexadecimal."""
    return _SHA256_HEX.fullmatch(text) is not None


def hash_of(secret: str) -> str:
    """Return what is kept of a secret: there is nothing to guess in 256 random bits, so that a plain hash is enough."""
    return sha256(secret.encode()).hexdigest()


def matches(secret: str, secret_sha256: str) -> bool:
    """Whether the secret is the one that was hashed; takes the same time wherever they differ."""
    return compare_digest(hash_of(secret), secret_sha256)
