"""Registering a client: only with the token, under an id of its own, with a secret that is returned once."""

from __future__ import annotations

from hashlib import sha256

import pytest

from service.oauth import registration
from service.oauth.bearer import Challenge
from service.oauth.client_metadata import ClientDescription
from service.oauth.registration import check_initial_access_token, is_registered_id, register

TOKEN = "an-initial-access-token"
TOKEN_SHA256 = sha256(TOKEN.encode()).hexdigest()
NOW = 1000
PUBLIC = ClientDescription("An app", ("https://app.example/cb",), ("email", "admin"))
CONFIDENTIAL = ClientDescription(None, ("https://app.example/cb",), None, "client_secret_post")


def _register(description):
    return register(description, b"i" * 16, b"s" * 32, NOW)


def test_a_public_client_gets_an_id_and_no_secret():
    new = _register(PUBLIC)
    assert is_registered_id(new.registered.client_id)
    assert (new.secret, new.registered.secret_sha256) == (None, None)
    assert new.response_body(("profile", "email")) == {
        "client_id": new.registered.client_id,
        "client_id_issued_at": NOW,
        "client_id_expires_at": NOW + registration.LIFETIME_SECONDS,
        "redirect_uris": ["https://app.example/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "email",
        "id_token_signed_response_alg": "ES256",
        "subject_type": "public",
        "client_name": "An app",
    }


def test_a_confidential_client_receives_its_secret_of_which_only_the_hash_is_stored():
    new = _register(CONFIDENTIAL)
    body = new.response_body(("profile", "email"))
    assert body["client_secret"] == new.secret
    assert body["client_secret_expires_at"] == new.registered.expires_at == NOW + registration.LIFETIME_SECONDS
    assert body["client_id_expires_at"] == body["client_secret_expires_at"]
    assert body["scope"] == "profile email"
    assert "client_name" not in body
    assert new.registered.secret_sha256 == sha256(new.secret.encode()).hexdigest()
    assert new.secret not in repr(new)


@pytest.mark.parametrize(("id_bytes", "secret_bytes"), [(15, 32), (16, 31), (0, 0)])
def test_an_id_and_a_secret_take_their_entropy_whole(id_bytes, secret_bytes):
    with pytest.raises(ValueError, match="random bytes"):
        register(PUBLIC, b"i" * id_bytes, b"s" * secret_bytes, NOW)


@pytest.mark.parametrize("client_id", ["", "ibx_", "ibx_" + "a" * 21, "ibx_" + "a" * 23, "ibx_" + "é" * 22, "native"])
def test_an_id_of_another_form_was_never_issued(client_id):
    assert not is_registered_id(client_id)


def test_the_token_permits():
    check_initial_access_token(f"Bearer {TOKEN}", TOKEN_SHA256)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, None),
        ("Basic YTpi", None),
        ("Bearer wrong", "invalid_token"),
        (f"Bearer {TOKEN_SHA256}", "invalid_token"),
        ("Bearer a b", "invalid_request"),
    ],
)
def test_without_it_there_is_a_challenge(authorization, code):
    with pytest.raises(Challenge) as refusal:
        check_initial_access_token(authorization, TOKEN_SHA256)
    assert refusal.value.code == code
