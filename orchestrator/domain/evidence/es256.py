"""ES256 (ECDSA with P-256 and SHA-256, RFC 7518 §3.4): public keys, and the verification of signatures.

Verification is plain Python, so that an auditor needs no library, and a function no larger package. It handles public
values only: time and memory access may depend on them. No private key is ever here: KMS signs.

Of the two signatures (r, s) and (r, n - s), which are equally valid, only the one with the smaller s is accepted.
So a signature cannot be changed into another one that verifies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from orchestrator.domain.base64url import decode_base64url, encode_base64url, sha256_base64url

# SEC 2, section 2.4.2: the curve y² = x³ - 3x + b over the integers modulo P; G generates the group of order N.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_BYTES = 32
_SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What a DER SubjectPublicKeyInfo of an uncompressed P-256 point begins with (RFC 5480)."""
_SEQUENCE, _INTEGER, _HEADER_BYTES = 0x30, 0x02, 2

_Affine = tuple[int, int]
_Jacobian = tuple[int, int, int]
"""(X, Y, Z) is the point (X/Z², Y/Z³); Z is 0 for the point at infinity."""
_INFINITY: _Jacobian = (1, 1, 0)


@dataclass(frozen=True)
class PublicKey:
    """A point of P-256.

    Attributes:
        x, y: its coordinates.
    """

    x: int
    y: int

    def __post_init__(self) -> None:
        inside = 0 <= self.x < _P and 0 <= self.y < _P
        if not inside or (self.y * self.y - self.x**3 + 3 * self.x - _B) % _P:
            raise ValueError("it is no point of P-256")

    @cached_property
    def kid(self) -> str:
        """The key's id: its thumbprint (RFC 7638)."""
        required = json.dumps(self.to_jwk(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return sha256_base64url(required)

    def to_jwk(self) -> dict[str, str]:
        """Return the key as a JWK (RFC 7517) with its required members."""
        x, y = (encode_base64url(number.to_bytes(_BYTES)) for number in (self.x, self.y))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def key_from_spki(der: bytes) -> PublicKey:
    """Return the key in a DER SubjectPublicKeyInfo, as KMS returns it.

    Raises:
        ValueError: it is no P-256 key.
    """
    size = len(_SPKI_PREFIX)
    if not der.startswith(_SPKI_PREFIX) or len(der) != size + 2 * _BYTES:
        raise ValueError("it is no P-256 public key")
    return PublicKey(int.from_bytes(der[size : size + _BYTES]), int.from_bytes(der[size + _BYTES :]))


def signature_from_der(der: bytes) -> str:
    """Return KMS's signature (DER, RFC 3279 §2.2.3) as base64url of r and s, with the smaller s.

    Raises:
        ValueError: it is no signature of P-256.
    """
    if len(der) < _HEADER_BYTES or der[0] != _SEQUENCE or der[1] != len(der) - _HEADER_BYTES:
        raise ValueError("it is no DER sequence")
    r, rest = _der_integer(der[_HEADER_BYTES:])
    s, rest = _der_integer(rest)
    if rest or not (0 < r < _N and 0 < s < _N):
        raise ValueError("it is no signature of P-256")
    return encode_base64url(r.to_bytes(_BYTES) + min(s, _N - s).to_bytes(_BYTES))


@lru_cache(maxsize=4096)
def verifies(key: PublicKey, message: bytes, signature: str) -> bool:
    """Return whether a signature (base64url of r and s) is the key's, of this message."""
    try:
        numbers = decode_base64url(signature)
    except ValueError:
        return False
    if len(numbers) != 2 * _BYTES:
        return False
    r, s = int.from_bytes(numbers[:_BYTES]), int.from_bytes(numbers[_BYTES:])
    if not (0 < r < _N and 0 < s <= _N // 2):
        return False
    inverse = pow(s, -1, _N)
    digest = int.from_bytes(sha256(message).digest())
    x, _, z = _combination(digest * inverse % _N, _G, r * inverse % _N, (key.x, key.y))
    return z != 0 and x * pow(z, -2, _P) % _P % _N == r


def _der_integer(der: bytes) -> tuple[int, bytes]:
    if len(der) < _HEADER_BYTES or der[0] != _INTEGER or not 1 <= der[1] <= len(der) - _HEADER_BYTES:
        raise ValueError("it is no DER integer")
    end = _HEADER_BYTES + der[1]
    return int.from_bytes(der[_HEADER_BYTES:end], signed=True), der[end:]


def _combination(one: int, first: _Affine, other: int, second: _Affine) -> _Jacobian:
    """Return ``one * first + other * second`` (Shamir's trick: both multiples in one pass)."""
    both = _add(_add(_INFINITY, first), second)
    total = _INFINITY
    for bit in reversed(range(max(one.bit_length(), other.bit_length()))):
        total = _double(total)
        match (one >> bit & 1, other >> bit & 1):
            case (1, 1):
                total = _add_jacobian(total, both)
            case (1, 0):
                total = _add(total, first)
            case (0, 1):
                total = _add(total, second)
    return total


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    y_squared = y * y % _P
    s = 4 * x * y_squared % _P
    m = 3 * (x - z * z) * (x + z * z) % _P
    doubled_x = (m * m - 2 * s) % _P
    return doubled_x, (m * (s - doubled_x) - 8 * y_squared * y_squared) % _P, 2 * y * z % _P


def _add(point: _Jacobian, other: _Affine) -> _Jacobian:
    return _add_jacobian(point, (*other, 1))


def _add_jacobian(point: _Jacobian, other: _Jacobian) -> _Jacobian:
    (x1, y1, z1), (x2, y2, z2) = point, other
    if z1 == 0:
        return other
    if z2 == 0:
        return point
    z1_squared, z2_squared = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * z2_squared % _P, x2 * z1_squared % _P
    s1, s2 = y1 * z2_squared * z2 % _P, y2 * z1_squared * z1 % _P
    if u1 == u2:
        return _double(point) if s1 == s2 else _INFINITY
    h, r = u2 - u1, s2 - s1
    h_squared = h * h % _P
    h_cubed, v = h * h_squared % _P, u1 * h_squared % _P
    x = (r * r - h_cubed - 2 * v) % _P
    return x, (r * (v - x) - s1 * h_cubed) % _P, h * z1 * z2 % _P
