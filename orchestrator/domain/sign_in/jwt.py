"""JSON Web Tokens: their parts, before and apart from any verification (RFC 7519)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.base64url import decode_base64url


@dataclass(frozen=True)
class Jwt:
    """The parts of a JWT whose signature was not verified."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_jwt(text: str) -> Jwt | None:
    """Return the parts of a JWT; None if it is none."""
    parts = text.split(".")
    try:
        header, claims, signature = (decode_base64url(part) for part in parts)
        decoded = json.loads(header), json.loads(claims)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(part, dict) for part in decoded):
        return None
    return Jwt(*decoded, f"{parts[0]}.{parts[1]}".encode(), signature)
