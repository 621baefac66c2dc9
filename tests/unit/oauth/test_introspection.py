"""What introspection returns of tokens, and to which clients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.oauth import introspection
from service.oauth.clients import Client
from service.oauth.errors import InvalidClient
from service.oauth.families import Family
from service.oauth.tokens import AccessToken

ISSUER, API = "https://auth.example", "https://api.example/"
TOKEN = AccessToken(
    issuer=ISSUER, audience=API, subject="demo:1", client_id="c", scope=("profile", "email"),
    token_id="t", family="f", epoch=2, issued_at=1000, expires_at=1600,
)  # fmt: skip
FAMILY = Family(
    family_id="f", synthetic=False, client_id="c", scope=("profile",), audience=API, subject="demo:1", session=b"locked",
    epoch=2, generation=1, refresh_hash="h", rotated_by="n", expires_at=9000,
)  # fmt: skip
SERVER = Client("api", "API", (), (), ISSUER, "0" * 64, identifies_as=(API,))
WEB = Client("c", "C", ("https://c.example/cb",), (), ISSUER, "0" * 64, resources=(API,))
PUBLIC = replace(WEB, secret_sha256=None)


def test_a_client_with_a_secret_may_ask_and_a_public_one_may_not():
    introspection.require_confidential_client(SERVER)
    introspection.require_confidential_client(WEB)
    with pytest.raises(InvalidClient):
        introspection.require_confidential_client(PUBLIC)


@pytest.mark.parametrize(
    ("asker", "token", "allowed"),
    [
        (WEB, TOKEN, True),
        (SERVER, TOKEN, True),
        (SERVER, replace(TOKEN, audience=ISSUER), False),
        (SERVER, replace(TOKEN, audience="https://api.example"), True),
        (SERVER, replace(TOKEN, audience="https://api.example/v1"), False),
        (replace(WEB, client_id="other"), TOKEN, False),
    ],
)
def test_a_token_is_known_to_whom_it_was_issued_and_to_whom_it_is_for(asker, token, allowed):
    assert introspection.may_introspect(asker, token) is allowed


def test_an_access_token_is_described_with_the_members_of_rfc_7662():
    assert introspection.describe_access_token(TOKEN) == {
        "active": True, "scope": "profile email", "client_id": "c", "token_type": "Bearer", "exp": 1600, "iat": 1000,
        "sub": "demo:1", "aud": API, "iss": ISSUER, "jti": "t",
    }  # fmt: skip


def test_a_refresh_token_is_no_bearer_token_and_its_session_is_not_described():
    assert introspection.describe_refresh_token(FAMILY, ISSUER) == {
        "active": True, "scope": "profile", "client_id": "c", "exp": 9000, "sub": "demo:1", "aud": API, "iss": ISSUER,
    }  # fmt: skip


def test_a_scope_that_is_empty_is_left_out():
    assert "scope" not in introspection.describe_access_token(replace(TOKEN, scope=()))
    assert "scope" not in introspection.describe_refresh_token(replace(FAMILY, scope=()), ISSUER)
