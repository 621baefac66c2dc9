"""The parts of a JWT."""

from __future__ import annotations

import base64

import pytest

from orchestrator.domain.sign_in.jwt import parse_jwt


def part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def test_the_parts_are_read_and_the_secret_ones_are_not_printed():
    text = ".".join(part(one) for one in ('{"alg": "ES256"}', '{"sub": "ann"}', "signature"))
    token = parse_jwt(text)
    assert (token.header, token.claims, token.signature) == ({"alg": "ES256"}, {"sub": "ann"}, b"signature")
    assert token.signed == text.rpartition(".")[0].encode()
    assert "signature" not in repr(token)


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b.c", "..", f"{part('{}')}.{part('{}')}", f"{part('{}')}.{part('[]')}.", f"{part('1')}.{part('{}')}.",
     f"{part('{}')}.{part('{')}.", f"{part('{}')}.{part('{}')}.a.b", f"{part('[' * 100_000)}.{part('{}')}."],
)  # fmt: skip
def test_what_is_no_jwt_has_no_parts(text):
    assert parse_jwt(text) is None
