"""ES256 signatures: conversion between KMS's DER format (RFC 3279 §2.2.3) and JOSE's two plain numbers (RFC 7518 §3.4).

A DER integer has minimal length and a leading zero octet if its first bit is set, so a P-256 signature takes 8 to 72
octets. In JOSE each number takes 32.
"""

from __future__ import annotations

COORDINATE_BYTES = 32
SIGNATURE_BYTES = 2 * COORDINATE_BYTES

_SEQUENCE, _INTEGER = 0x30, 0x02
_HEADER_BYTES = 2  # a tag and a length; nothing in a P-256 signature needs a longer length


class SignatureMalformed(ValueError):
    """The octets are not a P-256 signature."""


def to_jose(der: bytes) -> bytes:
    """Return r and s, 32 octets each. Raises SignatureMalformed."""
    if len(der) < _HEADER_BYTES or der[0] != _SEQUENCE or der[1] != len(der) - _HEADER_BYTES:
        raise SignatureMalformed("not a DER sequence with the size of a P-256 signature")
    r, rest = _integer(der[_HEADER_BYTES:])
    s, rest = _integer(rest)
    if rest:
        raise SignatureMalformed("octets after the signature")
    return r + s


def to_der(jose: bytes) -> bytes:
    """Return the DER form of r and s. Raises SignatureMalformed."""
    if len(jose) != SIGNATURE_BYTES:
        raise SignatureMalformed(f"an ES256 signature has {SIGNATURE_BYTES} octets")
    integers = b"".join(
        _der_integer(int.from_bytes(half)) for half in (jose[:COORDINATE_BYTES], jose[COORDINATE_BYTES:])
    )
    return bytes((_SEQUENCE, len(integers))) + integers


def _integer(der: bytes) -> tuple[bytes, bytes]:
    """Return the first integer of `der` as 32 octets, and what follows it."""
    if len(der) < _HEADER_BYTES or der[0] != _INTEGER or not 1 <= der[1] <= len(der) - _HEADER_BYTES:
        raise SignatureMalformed("not a DER integer")
    end = _HEADER_BYTES + der[1]
    try:
        return int.from_bytes(der[_HEADER_BYTES:end]).to_bytes(COORDINATE_BYTES), der[end:]
    except OverflowError as error:
        raise SignatureMalformed("an integer of more than 256 bits") from error


def _der_integer(number: int) -> bytes:
    octets = number.to_bytes(number.bit_length() // 8 + 1)
    return bytes((_INTEGER, len(octets))) + octets
