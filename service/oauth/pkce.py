"""PKCE (RFC 7636), S256 only."""

from __future__ import annotations

import re
from hmac import compare_digest

from service.oauth import credentials

METHOD = "S256"

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def is_verifier(text: str) -> bool:
    """Return whether text has the form of a verifier (RFC 7636 §4.1)."""
    return _VERIFIER.fullmatch(text) is not None


def is_challenge(text: str) -> bool:
    """Return whether text has the form of an S256 challenge: 32 bytes in base64url without padding."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    return credentials.digest(verifier)


def matches_challenge(verifier: str, challenge: str) -> bool:
    """Return whether the verifier matches the challenge, in constant time."""
    return is_verifier(verifier) and compare_digest(challenge_of(verifier), challenge)
