"""Registering clients: off by default; with the token, whole flows; what is wrong is refused in RFC 7591's words."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from service.clients import registry
from service.endpoints.registration import MAX_BODY_CHARACTERS
from service.oauth import registration
from service.storage.conditional_writes import StoreUnavailable
from tests.unit.service.conftest import Service

TOKEN = "an-initial-access-token"
CALLBACK = "http://127.0.0.1:5000/callback"
METADATA = {"client_name": "Registered", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}


@pytest.fixture
def open_service(aws, variables):
    return Service(
        aws,
        {
            **variables,
            "REGISTRATION": "on",
            "REGISTRATION_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "SELF_DESCRIBED_CLIENT_SCOPES": "profile email",
        },
    )


def register(service, metadata=METADATA, *, authorization=f"Bearer {TOKEN}", content_type="application/json"):
    headers = {"content-type": content_type} | ({"authorization": authorization} if authorization else {})
    body = metadata if isinstance(metadata, str) else json.dumps(metadata)
    return service.call("token", "POST", "/register", body=body, headers=headers)


def test_no_client_registers_where_registration_is_off(service):
    answer = register(service)
    assert (answer.status, answer.header("content-type")) == (404, "application/json")
    assert answer.json["error"] == "invalid_request"
    assert service.call("token", "GET", "/register").status == 404
    metadata = service.call("public", "GET", "/.well-known/oauth-authorization-server").json
    assert "registration_endpoint" not in metadata
    assert metadata["client_id_metadata_document_supported"] is False


def test_where_it_is_on_the_metadata_says_where(open_service):
    metadata = open_service.call("public", "GET", "/.well-known/oauth-authorization-server").json
    assert metadata["registration_endpoint"] == "https://auth.example/register"


def test_a_public_client_registers_and_logs_a_user_in(open_service):
    answer = register(open_service)
    assert (answer.status, answer.header("cache-control")) == (201, "no-store")
    client_id = answer.json["client_id"]
    tokens = open_service.redeem(open_service.code(client=client_id, redirect=CALLBACK), client_id=client_id)
    assert tokens.status == 200, tokens.body
    assert open_service.userinfo(tokens.json["access_token"]).json["given_name"] == "Ada"
    assert open_service.refresh(tokens.json["refresh_token"], client_id=client_id).status == 200


def test_a_confidential_client_proves_itself_by_the_secret_that_it_received_once(open_service):
    registered = register(open_service, {"redirect_uris": [CALLBACK]}).json
    assert registered["token_endpoint_auth_method"] == "client_secret_basic"
    code = open_service.code(client=registered["client_id"], redirect=CALLBACK)
    assert open_service.redeem(code, client_id=registered["client_id"]).json["error"] == "invalid_client"
    assert open_service.redeem(code, client_id=registered["client_id"], client_secret="wrong").status == 401
    pair = f"{registered['client_id']}:{registered['client_secret']}"
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 43,
    }  # fmt: skip
    basic = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    assert open_service.call("token", "POST", "/token", form=form, headers=basic).status == 200
    stored = json.dumps(open_service.aws.items(open_service.variables["TOKENS_TABLE"]), default=repr)
    assert registered["client_secret"] not in stored


def test_a_client_may_have_a_name_of_any_script_and_its_page_shows_it(open_service):
    name = "نرم\u200cافزار"  # noqa: RUF001 - Persian
    registered = register(open_service, {**METADATA, "client_name": name}).json
    assert registered["client_name"] == name
    assert name in open_service.authorize(client=registered["client_id"], redirect=CALLBACK).body


@pytest.mark.parametrize("authorization", [None, "", "Bearer wrong", "Basic YTpi"])
def test_without_the_token_nothing_is_registered(open_service, authorization):
    answer = register(open_service, authorization=authorization)
    assert answer.status == 401
    assert answer.header("www-authenticate").startswith("Bearer ")
    assert answer.json["error"] == "invalid_token"
    assert answer.json["error_description"]
    assert open_service.aws.items(open_service.variables["TOKENS_TABLE"]) == []


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({**METADATA, "redirect_uris": ["http://app.example/cb"]}, "invalid_redirect_uri"),
        ({**METADATA, "redirect_uris": []}, "invalid_redirect_uri"),
        ({**METADATA, "token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({**METADATA, "client_name": "x" * 65}, "invalid_client_metadata"),
        ([], "invalid_client_metadata"),
        ("{", "invalid_client_metadata"),
        ("", "invalid_client_metadata"),
        ("[" * 9000, "invalid_client_metadata"),
        (json.dumps({**METADATA, "x": "x" * MAX_BODY_CHARACTERS}), "invalid_client_metadata"),
    ],
)
def test_what_is_wrong_is_refused_in_words_that_clients_know(open_service, metadata, error):
    answer = register(open_service, metadata)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert answer.json["error_description"]
    assert open_service.aws.items(open_service.variables["TOKENS_TABLE"]) == []


def test_metadata_come_as_json(open_service):
    assert register(open_service, content_type="text/plain").json["error"] == "invalid_client_metadata"
    assert register(open_service, content_type="application/json; charset=utf-8").status == 201


def test_a_registration_ends_and_with_it_the_client_everywhere(open_service):
    registered = register(open_service).json
    client_id = registered["client_id"]
    assert registered["client_id_expires_at"] == registered["client_id_issued_at"] + registration.LIFETIME_SECONDS
    tokens = open_service.redeem(open_service.code(client=client_id, redirect=CALLBACK), client_id=client_id).json
    open_service.now += registration.LIFETIME_SECONDS - 1
    assert open_service.authorize(client=client_id, redirect=CALLBACK).status == 200
    open_service.now += 1
    assert "unknown" in open_service.authorize(client=client_id, redirect=CALLBACK).body
    assert open_service.refresh(tokens["refresh_token"], client_id=client_id).json["error"] == "invalid_client"


def test_a_client_that_registered_has_no_document_and_no_host_to_be_known_by(open_service):
    known = registry.for_grants(open_service.settings, open_service.client_store, lambda: open_service.now)
    client = known.get(register(open_service).json["client_id"])
    assert (client.verified_host, client.scopes) == (None, ("profile", "email"))
    assert known.get("ibx_" + "a" * 22) is None


def test_a_registration_that_was_sent_twice_is_one_and_another_s_is_never_overwritten(open_service):
    described = registry.ClientDescription(None, (CALLBACK,), None)
    first = registration.register(described, b"i" * 16, b"s" * 32, 1_800_000_000)
    other = registration.register(described, b"i" * 16, b"s" * 32, 1_800_000_001)
    open_service.client_store.store_registration(first.registered)
    open_service.client_store.store_registration(first.registered)
    with pytest.raises(StoreUnavailable, match="already exists"):
        open_service.client_store.store_registration(other.registered)


def test_a_store_that_is_gone_registers_nothing_and_says_when_to_try_again(open_service):
    open_service.aws.dynamodb.delete_table(TableName=open_service.variables["TOKENS_TABLE"])
    answer = register(open_service)
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
    assert answer.header("retry-after") == "1"
