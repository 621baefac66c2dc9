"""JSON Web Tokens: their parts, before and apart from any verification (RFC 7519)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        decoded = json.loads(header), json.loads(claims)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(part, dict) for part in decoded):
        return None
    return Jwt(*decoded, f"{parts[0]}.{parts[1]}".encode(), signature)
