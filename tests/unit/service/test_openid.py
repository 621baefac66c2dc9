"""Logging in with OpenID Connect: Authlib's client is the judge of what the service says of a person and of itself."""

from __future__ import annotations

import time
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from joserfc.errors import BadSignatureError, InvalidClaimError, JoseError, MissingClaimError
from requests.adapters import BaseAdapter

from service.oauth import tokens as access_tokens
from service.storage import item_codec
from service.storage.conditional_writes import StoreUnavailable
from tests.openid_client import OpenIDClient
from tests.unit.service import story
from tests.unit.service.conftest import ISSUER, SECRET, Service

REDIRECT = "http://127.0.0.1:5000/callback"
WEB_REDIRECT = "https://web.example/cb?x=1"


class Functions(BaseAdapter):
    """Sends a client's requests to the functions, as API Gateway would."""

    def __init__(self, service):
        super().__init__()
        self.service = service

    def send(self, request, **_):
        address = urlsplit(request.url)
        routed = story.routes_of(self.service)
        function = next(name for name in routed if (request.method, address.path) in routed[name])
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        answer = self.service.call(
            function, request.method, address.path, query=parse_qsl(address.query), body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
        )  # fmt: skip
        response = requests.Response()
        response.status_code, response.request, response.url = answer.status, request, request.url
        response.headers.update({name: ", ".join(values) for name, values in answer.headers.items()})
        response._content = answer.body.encode()
        return response

    def close(self):
        """Nothing is open."""


@pytest.fixture
def service(aws, variables):
    """The service, at the client's time: a client compares an ID token's times with its own clock."""
    return Service(aws, variables, now=time.time())


@pytest.fixture
def client(service):
    return OpenIDClient(ISSUER, "native", adapter=Functions(service))


def begun(client, **params):
    """What the client keeps of a login that it begins, and the parameters that it sends."""
    kept = client.create_authorization_url(REDIRECT, **params)
    return kept, dict(parse_qsl(urlsplit(kept["url"]).query))


def logged_in(service, client, **params):
    """Log in as the client has it; return its tokens and the nonce that it keeps."""
    kept, sent = begun(client, **params)
    code = service.code(client=sent.pop("client_id"), redirect=sent.pop("redirect_uri"), **sent)
    tokens = client.fetch_access_token(REDIRECT, code=code, code_verifier=kept["code_verifier"])
    return tokens, kept["nonce"]


# The flow


def test_a_client_logs_a_user_in_and_verifies_who_it_is(service, client):
    tokens, nonce = logged_in(service, client)
    person = client.parse_id_token(tokens, nonce)
    assert tokens["scope"] == "openid profile email"
    assert person["aud"] == "native"
    assert person["iss"] == ISSUER
    assert person["auth_time"] == person["iat"] == int(service.now)
    assert person["exp"] == person["iat"] + tokens["expires_in"]
    assert "azp" not in person
    userinfo = client.userinfo(token=tokens)
    assert userinfo["sub"] == person["sub"]
    assert userinfo["given_name"] == "Ada"


def test_a_confidential_client_logs_a_user_in(service):
    client = OpenIDClient(ISSUER, "web", SECRET, Functions(service))
    kept = client.create_authorization_url(WEB_REDIRECT, scope="openid profile")
    sent = dict(parse_qsl(urlsplit(kept["url"]).query))
    code = service.code(client=sent.pop("client_id"), redirect=sent.pop("redirect_uri"), **sent)
    tokens = client.fetch_access_token(WEB_REDIRECT, code=code, code_verifier=kept["code_verifier"])
    assert client.parse_id_token(tokens, kept["nonce"])["aud"] == "web"


def test_a_nonce_of_another_login_is_refused_by_the_client(service, client):
    tokens, _ = logged_in(service, client)
    with pytest.raises(InvalidClaimError, match="nonce"):
        client.parse_id_token(tokens, "another")


def test_an_access_token_that_was_put_in_its_place_is_refused_by_the_client(service, client):
    first, nonce = logged_in(service, client)
    second, _ = logged_in(service, client)
    with pytest.raises(InvalidClaimError, match="at_hash"):
        client.parse_id_token({**first, "access_token": second["access_token"]}, nonce)


def test_an_id_token_that_was_changed_or_is_another_client_s_is_refused_by_the_client(service, client):
    tokens, nonce = logged_in(service, client)
    head, claims, signature = tokens["id_token"].split(".")
    for changed in (f"{head}.{claims[:-4]}AAAA.{signature}", f"{head}.{claims}.{signature[::-1]}"):
        with pytest.raises((JoseError, ValueError)):
            client.parse_id_token({**tokens, "id_token": changed}, nonce)
    other = OpenIDClient(ISSUER, "web", SECRET, Functions(service))
    with pytest.raises((InvalidClaimError, MissingClaimError), match="azp"):
        other.parse_id_token(tokens, nonce)


def test_the_client_verifies_by_the_published_keys_and_no_other(aws, service, client):
    tokens, nonce = logged_in(service, client)
    spki = aws.kms.get_public_key(KeyId=aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"))["PublicKey"]
    other = access_tokens.parse_public_key(spki).to_json_object()
    client.server_metadata["jwks"] = {"keys": [{**other, "kid": client.fetch_jwk_set()["keys"][0]["kid"]}]}
    with pytest.raises(BadSignatureError):
        client.parse_id_token(tokens, nonce)


def test_max_age_is_met_by_a_login_that_is_as_old_as_the_answer(service, client):
    tokens, nonce = logged_in(service, client, max_age="0", prompt="login")
    assert client.parse_id_token(tokens, nonce)["auth_time"] == int(service.now)


def test_openid_alone_says_who_it_is_and_nothing_more(service, client):
    tokens, nonce = logged_in(service, client, scope="openid")
    assert tokens["scope"] == "openid"
    assert client.userinfo(token=tokens) == {"sub": client.parse_id_token(tokens, nonce)["sub"]}


def test_a_login_without_openid_has_no_id_token(service):
    tokens = service.redeem(service.code(scope="profile", nonce="n")).json
    assert "id_token" not in tokens
    assert "id_token" not in service.refresh(tokens["refresh_token"]).json


def test_a_login_without_a_requested_scope_is_as_it_was(service):
    tokens = service.redeem(service.code()).json
    assert (tokens["scope"], "id_token" in tokens) == ("profile email", False)


def test_the_page_names_the_identifier_in_words(service):
    transaction = service.transaction(scope="openid")
    page = service.call(
        "authorize", "POST", "/login", form={"transaction": transaction, "platform": "demo"},
        headers={"cookie": service.cookie},
    )  # fmt: skip
    assert "an identifier of your account" in page.body


# Refreshing (Core §12.2)


def test_a_refreshed_id_token_is_of_the_same_login_without_a_nonce(service, client):
    tokens, nonce = logged_in(service, client)
    first = client.parse_id_token(tokens, nonce)
    service.now += 60
    refreshed = service.refresh(tokens["refresh_token"]).json
    second = client.parse_id_token(refreshed, None, leeway=120)
    assert [second[name] for name in ("iss", "sub", "aud", "auth_time")] == [
        first[name] for name in ("iss", "sub", "aud", "auth_time")
    ]
    assert second["iat"] == first["iat"] + 60
    assert "nonce" not in second


def test_a_refresh_that_narrows_the_scope_to_others_has_no_id_token(service, client):
    tokens, _ = logged_in(service, client)
    narrowed = service.refresh(tokens["refresh_token"], scope="profile").json
    assert (narrowed["scope"], "id_token" in narrowed) == ("profile", False)
    assert "id_token" in service.refresh(narrowed["refresh_token"]).json


def test_an_answer_that_was_lost_is_returned_again_with_an_id_token_of_the_same_login(service, client, monkeypatch):
    kept, sent = begun(client)
    code = service.code(client=sent.pop("client_id"), redirect=sent.pop("redirect_uri"), **sent)

    def lost(*_):
        raise StoreUnavailable("ReadTimeoutError")

    def answered_twice(write, ask):
        with monkeypatch.context() as patch:
            patch.setattr(service.store, write, lost)
            assert ask().status == 503
        answer = ask()
        assert answer.status == 200, answer.body
        return answer.json

    tokens = answered_twice(
        "answer_redemption", lambda: service.redeem(code, code_verifier=kept["code_verifier"], redirect_uri=REDIRECT)
    )
    first = client.parse_id_token(tokens, kept["nonce"])
    refreshed = answered_twice("answer_rotation", lambda: service.refresh(tokens["refresh_token"]))
    second = client.parse_id_token(refreshed, None)
    assert (first["auth_time"], first["sub"]) == (second["auth_time"], second["sub"])


# What is no ID token, and for what an ID token is none


def test_an_id_token_opens_nothing(service, client):
    tokens, _ = logged_in(service, client)
    assert service.userinfo(tokens["id_token"]).status == 401
    for path, form in (("/introspect", story.WEB), ("/revoke", {"client_id": "native"})):
        answer = service.call("token", "POST", path, form={"token": tokens["id_token"], **form})
        assert (answer.status, answer.json) in ((200, {"active": False}), (200, {}))
    assert service.refresh(tokens["refresh_token"]).status == 200  # revoking an ID token ends nothing


def test_an_access_token_is_no_id_token_to_the_client(service, client):
    tokens, nonce = logged_in(service, client)
    with pytest.raises(JoseError):
        client.parse_id_token({**tokens, "id_token": tokens["access_token"]}, nonce)


# Requests that cannot be met


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"scope": "openid", "prompt": "none"}, "login_required"),
        ({"scope": "profile", "prompt": "none"}, "login_required"),
        ({"scope": "openid", "prompt": "none consent"}, "invalid_request"),
        ({"scope": "openid", "max_age": "x"}, "invalid_request"),
        ({"scope": "openid", "id_token_hint": "e.y.j"}, "invalid_request"),
        ({"scope": "openid", "registration": "{}"}, "registration_not_supported"),
        ({"scope": "openid admin"}, "invalid_scope"),
    ],
)
def test_a_request_that_cannot_be_met_is_reported_to_the_client_and_shows_no_page(service, params, error):
    answer = service.authorize(**params)
    assert answer.status == 303
    assert (answer.redirect["error"], answer.redirect["state"], answer.redirect["iss"]) == (error, "s", ISSUER)


# A request in a form


def test_a_request_in_a_form_goes_on_with_the_same_parameters(service):
    sent = {"client_id": "native", "redirect_uri": REDIRECT, "scope": "openid email", "nonce": "ü &=\r\n#?"}
    answer = service.call("authorize", "POST", "/authorize", form=sent)
    address = urlsplit(answer.header("location"))
    assert (answer.status, address.scheme, address.netloc, address.path) == (303, "https", "auth.example", "/authorize")
    assert dict(parse_qsl(address.query)) == sent
    assert answer.header("location").isascii()
    assert answer.header("set-cookie") is None


@pytest.mark.parametrize("form", [{"state": "ü" * 4000}, {f"p{number}": "v" for number in range(33)}])
def test_a_form_that_is_too_long_for_a_url_is_refused_with_a_page(service, form):
    answer = service.call("authorize", "POST", "/authorize", form=form)
    assert (answer.status, answer.header("location")) == (400, None)
    assert "too " in answer.body


# Adjacent releases


def strip(aws, service, *attributes):
    """Make the items of a login what a release without ID tokens would have stored."""
    for table in (service.variables["STATE_TABLE"], service.variables["TOKENS_TABLE"]):
        for item in aws.items(table):
            kept = {name: value for name, value in item.items() if name not in attributes}
            aws.dynamodb.put_item(TableName=table, Item=kept)


def test_a_login_that_another_release_stored_has_no_id_token_rather_than_one_that_must_be_refused(aws, service):
    code = service.code(scope="openid profile", nonce="n")
    strip(aws, service, "openid_nonce", "auth_time")
    tokens = service.redeem(code).json
    assert (tokens["scope"], "id_token" in tokens) == ("openid profile", False)
    assert "id_token" not in service.refresh(tokens["refresh_token"]).json


def test_what_openid_adds_to_items_is_read_back_and_is_not_written_without_it(aws, service):
    service.redeem(service.code(scope="openid", nonce="n-1"))
    service.redeem(service.code(scope="profile"))
    state, families = (aws.items(service.variables[name]) for name in ("STATE_TABLE", "TOKENS_TABLE"))
    added = {"openid_nonce", "auth_time"}
    found = sorted((item["pk"]["S"].partition("#")[0], *sorted(item.keys() & added)) for item in [*state, *families])
    assert found == [
        ("code",), ("code", "auth_time", "openid_nonce"), ("family",), ("family", "auth_time"), ("login",),
        ("login", "openid_nonce"),
    ]  # fmt: skip
    code = next(item for item in state if item["pk"]["S"].startswith("code#") and "auth_time" in item)
    read = item_codec.decode_code("d", code, synthetic=False)
    assert (read.openid_nonce, read.auth_time) == ("n-1", int(service.now))
