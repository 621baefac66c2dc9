"""Base64url without padding (RFC 7515 §2), which JWTs, PKCE and signed links use."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256


def encode_base64url(octets: bytes) -> str:
    """Return octets in base64url."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Return the octets of base64url, in the one way in which `encode_base64url` writes them.

    Raises:
        ValueError: it is no such text.
    """
    octets = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode_base64url(octets) != text:
        raise ValueError("it is no base64url as we write it")
    return octets


def sha256_base64url(text: str) -> str:
    """Return SHA-256 of a text in base64url: 43 characters."""
    return encode_base64url(sha256(text.encode()).digest())
