"""ES256 without a library agrees with a library, and accepts one form of a signature only."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.base64url import decode_base64url, encode_base64url
from orchestrator.domain.evidence.es256 import (
    PublicKey,
    key_from_spki,
    signature_from_der,
    verifies,
)
from service.oauth import tokens

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
DER = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def signer(secret: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(secret, ec.SECP256R1())


def public(secret: int) -> PublicKey:
    return key_from_spki(signer(secret).public_key().public_bytes(*DER))


def signed(secret: int, message: bytes) -> str:
    return signature_from_der(signer(secret).sign(message, ec.ECDSA(hashes.SHA256())))


def encoded(r: int, s: int) -> str:
    return encode_base64url(r.to_bytes(32) + s.to_bytes(32))


def parts(signature: str) -> tuple[int, int]:
    octets = decode_base64url(signature)
    return int.from_bytes(octets[:32]), int.from_bytes(octets[32:])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, ORDER - 1), st.binary(max_size=200))
def test_what_a_key_signed_verifies_with_it_and_with_no_other_message_or_key(secret, message):
    signature = signed(secret, message)

    assert verifies(public(secret), message, signature)
    assert not verifies(public(secret), message + b"\n", signature)
    assert not verifies(public(secret % (ORDER - 1) + 1), message, signature)


def test_the_vector_of_rfc_7515_verifies():
    # RFC 7515, appendix A.3. Its s is the smaller one.
    key = PublicKey(
        int.from_bytes(decode_base64url("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
        int.from_bytes(decode_base64url("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")),
    )
    message = (
        b"eyJhbGciOiJFUzI1NiJ9."
        b"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    r, s = parts("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")

    assert verifies(key, message, encoded(r, min(s, ORDER - s)))
    assert not verifies(key, message, encoded(r, max(s, ORDER - s)))


def test_the_thumbprint_is_that_of_rfc_7638():
    x, y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    key = PublicKey(int.from_bytes(decode_base64url(x)), int.from_bytes(decode_base64url(y)))

    assert key.to_jwk() == {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    assert key.kid == "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"


def test_the_thumbprint_is_the_services():
    spki = signer(7).public_key().public_bytes(*DER)

    assert key_from_spki(spki).kid == tokens.parse_public_key(spki).thumbprint


@pytest.mark.parametrize("half", range(512))
def test_a_signature_with_a_changed_bit_does_not_verify(half):
    octets = bytearray(decode_base64url(signed(7, b"entry")))
    octets[half // 8] ^= 1 << half % 8

    assert not verifies(public(7), b"entry", encode_base64url(bytes(octets)))


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 1), (1, 0), (ORDER, 1), (1, ORDER), (1, ORDER // 2 + 1), (ORDER + 1, 1)],
)
def test_numbers_out_of_range_are_no_signature(r, s):
    assert not verifies(public(7), b"entry", encoded(r, s))


def test_the_larger_s_is_turned_into_the_smaller_and_not_accepted():
    r, s = parts(signed(7, b"entry"))
    der = utils.encode_dss_signature(r, ORDER - s)
    signer(7).public_key().verify(der, b"entry", ec.ECDSA(hashes.SHA256()))  # a library accepts both

    assert signature_from_der(der) == encoded(r, s)
    assert not verifies(public(7), b"entry", encoded(r, ORDER - s))


@pytest.mark.parametrize("text", ["", "AA", "é", "!!!!", f"{'A' * 86}", f"{'A' * 87}"])
def test_what_is_no_signature_does_not_verify(text):
    assert not verifies(public(7), b"entry", text)


def test_there_is_one_text_for_a_signature():
    signature = signed(7, b"entry")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = signature[:-1] + last[last.index(signature[-1]) ^ 1]

    assert not verifies(public(7), b"entry", other)
    assert not verifies(public(7), b"entry", f"{signature}==")


def test_points_that_meet_and_cancel_are_added():
    """Keys of small secrets make both multiples meet: G itself, and its negative."""
    for secret in (1, 2, 3, ORDER - 1, ORDER - 2):
        for number in range(20):
            message = b"%d" % number
            assert verifies(public(secret), message, signed(secret, message))
    # With the key -G and equal multiples the sum is infinity, which has no x.
    digest = int.from_bytes(sha256(b"m").digest()) % ORDER
    assert not verifies(public(ORDER - 1), b"m", encoded(digest, 1))


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30",
        b"\x31\x06\x02\x01\x01\x02\x01\x01",
        b"\x30\x07\x02\x01\x01\x02\x01\x01",
        b"\x30\x06\x03\x01\x01\x02\x01\x01",
        b"\x30\x06\x02\x00\x01\x02\x01\x01",
        b"\x30\x06\x02\x07\x01\x02\x01\x01",
        b"\x30\x04\x02\x01\x01\x02",
        b"\x30\x07\x02\x01\x01\x02\x01\x01\x00",
        b"\x30\x06\x02\x01\x00\x02\x01\x01",
        b"\x30\x06\x02\x01\xff\x02\x01\x01",
        b"\x30\x06\x02\x01\x01\x02\x01\x00",
    ],
)
def test_what_is_no_der_signature_is_refused(der):
    with pytest.raises(ValueError, match="it is no"):
        signature_from_der(der)


@pytest.mark.parametrize(
    "change", [lambda der: der[:-1], lambda der: b"\x31" + der[1:], lambda der: der[:-1] + b"\x00"]
)
def test_what_is_no_key_is_refused(change):
    der = signer(7).public_key().public_bytes(*DER)

    with pytest.raises(ValueError, match="it is no"):
        key_from_spki(change(der))


def test_a_number_beyond_the_field_is_no_coordinate():
    with pytest.raises(ValueError, match="it is no point"):
        PublicKey(1 << 256, 1)
