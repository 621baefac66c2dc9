"""PKCE of a client (RFC 7636): S256 only, as the service offers it."""

from __future__ import annotations

from orchestrator.domain.base64url import sha256_base64url


def code_challenge(verifier: str) -> str:
    """Return the challenge of a verifier by S256 (RFC 7636 §4.2)."""
    return sha256_base64url(verifier)
