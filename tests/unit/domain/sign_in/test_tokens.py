"""What the tokens of a sign-in must prove. Each test changes one thing of an answer that is accepted."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from orchestrator.domain.sign_in.jwt import Jwt
from orchestrator.domain.sign_in.tokens import (
    ACCESS_TOKEN,
    ID_TOKEN,
    Expected,
    SignedIn,
    TokenRefused,
    access_token_hash,
    parse_token,
    read_tokens,
)

NOW = 1_800_000_000
ISSUER = "https://auth.example"
ACCESS = "access.token.text"
EXPECTED = Expected(ISSUER, "console", "n1", None, NOW)
IDENTITY = {
    "iss": ISSUER, "aud": "console", "sub": "example:ann", "exp": NOW + 600, "iat": NOW, "nonce": "n1",
    "at_hash": access_token_hash(ACCESS),
}  # fmt: skip
ACCESS_CLAIMS = {
    "iss": ISSUER, "aud": ISSUER, "client_id": "console", "sub": "example:ann", "exp": NOW + 600,
    "scope": "openid console:viewer",
}  # fmt: skip


def read(identity=None, access=None, expected=EXPECTED):
    parts = ({key: value for key, value in claims.items() if value is not None} for claims in (
        {**IDENTITY, **(identity or {})}, {**ACCESS_CLAIMS, **(access or {})}))  # fmt: skip
    first, second = (Jwt({}, claims, b"", b"") for claims in parts)
    return read_tokens(first, second, ACCESS, expected)


def test_valid_tokens_prove_the_subject_the_scopes_and_the_expiry():
    assert read() == SignedIn("example:ann", ("openid", "console:viewer"), NOW + 600, ACCESS)
    assert ACCESS not in repr(read())


@pytest.mark.parametrize(
    "changes",
    [{"aud": ["console"]}, {"azp": "console"}, {"exp": NOW - 29}, {"iat": NOW + 30}, {"iat": NOW - 600}],
    ids=["one audience in a list", "azp", "clock", "early", "late"],
)
def test_what_the_specification_allows_is_accepted(changes):
    assert read(changes).subject == "example:ann"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "other"}, "another client"),
        ({"aud": ["console", "other"]}, "another client"),
        ({"aud": None}, "another client"),
        ({"azp": "other"}, "another client"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "9"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"iat": NOW + 31}, "clocks"),
        ({"iat": NOW - 601}, "clocks"),
        ({"iat": None}, "iat"),
        ({"nonce": "n2"}, "another sign-in"),
        ({"nonce": None}, "another sign-in"),
        ({"nonce": 5}, "another sign-in"),
        ({"nonce": "\ud800"}, "another sign-in"),
        ({"at_hash": access_token_hash("other")}, "another access token"),
        ({"at_hash": None}, "another access token"),
        ({"sub": ""}, "no subject"),
        ({"sub": 5}, "no subject"),
        ({"sub": None}, "no subject"),
    ],
)
def test_a_wrong_claim_of_the_id_token_is_refused(changes, words):
    with pytest.raises(TokenRefused, match=words):
        read(changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"aud": "https://api.example"}, "aud"),
        ({"aud": [ISSUER, "https://api.example"]}, "aud"),
        ({"client_id": "other"}, "client_id"),
        ({"sub": "example:bob"}, "sub"),
        ({"exp": NOW}, "expired"),
        ({"exp": False}, "exp"),
        ({"scope": None}, "scope"),
        ({"scope": ["console:operator"]}, "scope"),
    ],
)
def test_a_wrong_claim_of_the_access_token_is_refused(changes, words):
    with pytest.raises(TokenRefused, match=words):
        read(access=changes)


def test_a_refresh_has_no_nonce_and_the_same_person():
    refreshed = replace(EXPECTED, nonce=None, subject="example:ann")
    assert read({"nonce": None}, expected=refreshed).subject == "example:ann"
    with pytest.raises(TokenRefused, match="another person"):
        read({"nonce": None}, expected=replace(refreshed, subject="example:bob"))


def encoded(header: dict) -> str:
    part = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{part}.e30.c2ln"


HEADER = {"alg": "ES256", "kid": "k1"}


def test_the_type_of_a_token_is_compared():
    assert parse_token(encoded({**HEADER, "typ": "JWT"}), ID_TOKEN).header["kid"] == "k1"
    assert parse_token(encoded(HEADER), ID_TOKEN).signature == b"sig"
    assert parse_token(encoded({**HEADER, "typ": "at+jwt"}), ACCESS_TOKEN)
    for header, kind in (({**HEADER, "typ": "at+jwt"}, ID_TOKEN), (HEADER, ACCESS_TOKEN)):
        with pytest.raises(TokenRefused, match="type"):
            parse_token(encoded(header), kind)


@pytest.mark.parametrize(
    "header",
    [{"alg": "none", "kid": "k1"}, {"alg": "HS256", "kid": "k1"}, {"alg": "RS256", "kid": "k1"}, {"kid": "k1"},
     {"alg": "ES256"}, {"alg": "ES256", "kid": 5}, {**HEADER, "crit": ["b64"]}],
)  # fmt: skip
def test_a_token_does_not_choose_its_algorithm(header):
    with pytest.raises(TokenRefused, match="ES256"):
        parse_token(encoded(header), ID_TOKEN)


@pytest.mark.parametrize("text", [None, 5, "", "a.b.c", "é.e30.c2ln"])
def test_what_is_no_token_is_refused(text):
    with pytest.raises(TokenRefused, match="no JWT"):
        parse_token(text, ID_TOKEN)
