"""Signatures of ES256 (RFC 7518 §3.4), verified with a key of a published key set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.base64url import decode_base64url
from orchestrator.domain.sign_in.jwt import Jwt

COORDINATE_BYTES = 32


def verifies_es256(key: Mapping[str, Any], token: Jwt) -> bool:
    """Return whether a key of P-256 made a token's signature. It needs the library `cryptography`.

    Args:
        key: a JSON Web Key; a malformed one verifies nothing.
        token: with the signature.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - the extra may be missing
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415

    if len(token.signature) != 2 * COORDINATE_BYTES:
        return False
    numbers = [int.from_bytes(token.signature[at : at + COORDINATE_BYTES]) for at in (0, COORDINATE_BYTES)]
    try:
        public = ec.EllipticCurvePublicNumbers(_number(key, "x"), _number(key, "y"), ec.SECP256R1()).public_key()
        public.verify(utils.encode_dss_signature(*numbers), token.signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _number(key: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(decode_base64url(str(key.get(name, ""))))
