"""Base64url is written without padding, and read in that form only."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.base64url import decode_base64url, encode_base64url, sha256_base64url


@given(st.binary(max_size=100))
def test_what_was_written_is_read_again(octets):
    text = encode_base64url(octets)

    assert text == urlsafe_b64encode(octets).decode().rstrip("=")
    assert decode_base64url(text) == octets


@pytest.mark.parametrize("text", ["AA==", "A", "AB", "A A", "A+A/", "ä", "AAA\n"])
def test_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        decode_base64url(text)


def test_a_digest_is_that_of_the_text_in_utf_8():
    assert decode_base64url(sha256_base64url("ü")) == sha256("ü".encode()).digest()
