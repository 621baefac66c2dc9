"""Bearer tokens at the userinfo endpoint."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.unit.service.http.failures import raising

ISSUER = "https://auth.example"


METADATA_AT = f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource/userinfo"'


def test_userinfo_without_a_token_is_challenged_without_an_error(service):
    answer = service.call("public", "GET", "/userinfo")
    assert (answer.status, answer.header("www-authenticate")) == (401, f'Bearer realm="ib-oauth", {METADATA_AT}')
    assert answer.json == {"error": "invalid_token", "error_description": "a bearer token is required"}


def test_userinfo_refuses_a_token_in_the_query(service):
    answer = service.call("public", "GET", "/userinfo", query={"access_token": "a.b.c"})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


def test_userinfo_refuses_a_token_that_another_key_signed_or_none(service):
    header, claims, signature = service.redeem(service.code()).json["access_token"].split(".")
    import base64

    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt","kid":"x"}').rstrip(b"=").decode()
    for forged in (
        f"{header}.{claims}.{'A' * 86}",
        f"{header}.{claims}.{signature[:40]}",
        f"{none}.{claims}.",
        "x",
        f"{header}.{claims[:-4]}.{signature}",
    ):
        answer = service.userinfo(forged)
        assert answer.status in {400, 401}
        assert 'error="inv' in answer.header("www-authenticate")


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("email", {"email": "ada@example.com"}),
        ("profile", {"given_name": "Ada", "family_name": "Lovelace"}),
        ("profile email", {"given_name": "Ada", "family_name": "Lovelace", "email": "ada@example.com"}),
        ("openid", {}),
        ("openid email", {"email": "ada@example.com"}),
    ],
)
def test_what_was_agreed_to_can_be_read_and_the_subject_always(service, scope, claims):
    tokens = service.redeem(service.code(scope=scope)).json
    answer = service.userinfo(tokens["access_token"])
    assert answer.status == 200, answer.body
    subject = answer.json["sub"]
    assert subject.startswith("demo:")
    assert answer.json == {"sub": subject, **claims}


def test_nothing_of_the_session_is_decrypted_for_a_token_that_may_read_nothing_of_it(service, monkeypatch):
    tokens = service.redeem(service.code(scope="openid")).json
    monkeypatch.setattr(service.aws.kms, "decrypt", raising(EndpointConnectionError(endpoint_url="x")))
    assert service.userinfo(tokens["access_token"]).status == 200


@pytest.mark.parametrize("scheme", ["Bearer ", "Bearer  ", "bearer" + " " * 9])
def test_any_number_of_spaces_separates_the_scheme_from_the_token(service, scheme):
    token = service.redeem(service.code()).json["access_token"]
    headers = {"authorization": f"{scheme}{token}"}
    assert service.call("public", "GET", "/userinfo", headers=headers).status == 200


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer   ", "Bearer a b", "Bearer \ta.b.c"])
def test_what_is_no_token_after_the_scheme_is_malformed(service, value):
    answer = service.call("public", "GET", "/userinfo", headers={"authorization": value})
    assert (answer.status, 'error="invalid_request"' in answer.header("www-authenticate")) == (400, True)


def test_userinfo_by_post_is_the_same(service):
    tokens = service.redeem(service.code()).json
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert service.call("public", "POST", "/userinfo", headers=headers).json["given_name"] == "Ada"


def test_userinfo_of_a_family_that_is_gone_is_refused(service, aws):
    tokens = service.redeem(service.code()).json
    for item in aws.items(service.variables["TOKENS_TABLE"]):
        aws.dynamodb.delete_item(TableName=service.variables["TOKENS_TABLE"], Key={"pk": item["pk"]})
    assert service.userinfo(tokens["access_token"]).status == 401
