"""Clients: their redirect URIs, names, secrets and resources, and how they prove themselves."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

import pytest

from service.oauth import client_secrets, token_request
from service.oauth.clients import Client, is_display_name
from service.oauth.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidTarget,
    OAuthError,
)
from service.oauth.parameters import Parameters

ISSUER = "https://auth.example"


SECRET = "correct horse: battery+staple%"


NATIVE = Client(
    "native", "Native", ("http://127.0.0.1/callback", "http://[::1]:8000/cb?x=1"), ("profile", "email"), ISSUER
)


WEB = Client(
    "web", "Web", ("https://web.example/cb?x=1",), ("profile",), ISSUER, hashlib.sha256(SECRET.encode()).hexdigest()
)


CLIENTS = {client.client_id: client for client in (NATIVE, WEB)}


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:65535/callback",
        "http://[::1]:1/cb?x=1",
        "http://[::1]/cb?x=1",
    ],
)
def test_a_loopback_redirect_may_differ_in_its_port(uri):
    assert NATIVE.allows_redirect(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/callback/",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1:1/callback?x=1",
        "http://127.0.0.1:1@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:1/callback#fragment",
        "http://127.0.0.1:123456/callback",
        "http://127.0.0.1:/callback",
        "http://localhost:1/callback",
        "https://127.0.0.1:1/callback",
        "HTTP://127.0.0.1:1/callback",
        "http://127.0.0.1:1/callback\n",
        "http://[::1]:1/callback",
        "",
    ],
)
def test_nothing_else_of_a_loopback_redirect_may_differ(uri):
    assert not NATIVE.allows_redirect(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://web.example/cb",
        "https://web.example/cb?x=1&y=2",
        "https://web.example:443/cb?x=1",
        "https://WEB.example/cb?x=1",
    ],
)
def test_a_web_redirect_must_be_the_registered_one_exactly(uri):
    assert WEB.allows_redirect("https://web.example/cb?x=1")
    assert not WEB.allows_redirect(uri)


@pytest.mark.parametrize(
    "uri", ["https://app.example/cb", "com.example.app:/callback", "http://localhost:3000", "http://127.0.0.1?x"]
)
def test_https_loopback_and_private_use_schemes_can_be_registered(uri):
    assert Client("c", "C", (uri,), (), ISSUER).allows_redirect(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/cb",
        "https://app.example/cb#f",
        "https://user@app.example/cb",
        "https:///cb",
        "https://app.example:99999/cb",
        "http://127.0.0.1:99999/cb",
        "http://[::1]:65536/cb",
        "http://localhost:70000",
        "https://app.example/a b",
        "javascript:alert(1)",
        "custom:/callback",
        "com.example.app://host/callback",
        "/callback",
    ],
)
def test_other_redirects_cannot_be_registered(uri):
    with pytest.raises(ValueError, match="redirect_uris"):
        Client("c", "C", (uri,), (), ISSUER)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"client_id": ""}, "client_id"),
        ({"name": ""}, "name"),
        ({"audience": ""}, "audience"),
        ({"redirect_uris": ()}, "redirect_uris"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "Bank\u202eknab"}, "name"),
        ({"scopes": ("two words",)}, "scopes"),
        ({"scopes": ("profile", "profile")}, "scopes"),
        ({"scopes": ('"',)}, "scopes"),
        ({"secret_sha256": "A" * 64}, "secret_sha256"),
        ({"secret_sha256": "plain secret"}, "secret_sha256"),
        ({"resources": ("api.example",)}, "resources"),
        ({"resources": ("https://api.example/#f",)}, "resources"),
        ({"identifies_as": ("",), "secret_sha256": "0" * 64}, "identifies_as"),
        ({"identifies_as": ("https://api.example/",)}, "secret_sha256"),
        ({"identifies_as": ("https://api.example/",), "redirect_uris": ()}, "secret_sha256"),
    ],
)
def test_a_client_that_could_not_be_trusted_is_refused_with_its_field(changes, problem):
    fields = {
        "client_id": "c",
        "name": "C",
        "redirect_uris": ("https://app.example/cb",),
        "scopes": (),
        "audience": ISSUER,
    }
    with pytest.raises(ValueError, match=problem):
        Client(**{**fields, **changes})


@pytest.mark.parametrize(
    "name",
    [
        "نرم\u200cافزار",  # noqa: RUF001 - Persian, which needs the zero width non-joiner
        "ශ්\u200dරී",  # Sinhala, with the zero width joiner
        "👩\u200d💻 app",
        "日本\u3000アプリ",
        "Größe №5",
        "עברית",
        "हिन्दी",
        "\U0001e900\U0001e901",  # Adlam
        "1",
    ],
)
def test_a_name_may_be_of_any_script(name):
    assert is_display_name(name)
    assert Client("c", name, ("https://app.example/cb",), (), ISSUER).name == name


@pytest.mark.parametrize(
    "character",
    [
        *"\x00\t\n\r\x0b\x0c\x1b\x7f\x85\x9f\u2028\u2029\ud800\udfff",
        *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ],
)
def test_a_name_has_no_control_characters(character):
    assert not is_display_name(f"a{character}b")


@pytest.mark.parametrize("name", ["", " ", "\u200c", "\u3000\u200d", "\u0301"])
def test_a_name_is_visible(name):
    assert not is_display_name(name)


def test_a_confidential_client_needs_its_secret_and_a_public_one_must_not_have_any():
    WEB.authenticate(SECRET)
    NATIVE.authenticate(None)
    for client, secret in ((WEB, None), (WEB, "wrong"), (WEB, ""), (NATIVE, SECRET)):
        with pytest.raises(InvalidClient):
            client.authenticate(secret)


def test_a_secret_matches_its_hash_alone():
    assert client_secrets.matches(SECRET, WEB.secret_sha256)
    assert not client_secrets.matches(SECRET + "x", WEB.secret_sha256)


def test_a_resource_is_the_client_s_own_or_refused():
    assert WEB.audience_for(None) == WEB.audience_for(ISSUER) == ISSUER
    with pytest.raises(InvalidTarget):
        WEB.audience_for("https://other.example")


API = "https://api.example/v1?x=1"


def test_a_resource_picks_the_audience_among_those_that_the_client_may_ask_for():
    client = replace(WEB, resources=(API, "urn:example:ledger"))
    assert [client.audience_for(one) for one in (None, ISSUER, API, "urn:example:ledger")] == [
        ISSUER, ISSUER, API, "urn:example:ledger",
    ]  # fmt: skip


def test_a_resource_is_compared_in_its_normal_form_and_the_audience_is_as_configured():
    client = replace(WEB, audience=f"{ISSUER}/", resources=("https://MCP.example", "https://mcp.example/a"))
    assert client.audience_for(ISSUER) == f"{ISSUER}/"
    assert client.audience_for("https://mcp.example:443/") == "https://MCP.example"
    assert client.audience_for("HTTPS://mcp.example/b/../%61") == "https://mcp.example/a"
    for other in ("https://mcp.example/a/", "http://mcp.example", "https://mcp.example/A"):
        with pytest.raises(InvalidTarget):
            client.audience_for(other)


@pytest.mark.parametrize(
    "resource", [f"{API}#f", "/v1", "api.example", "https://api.example/v1?x=2", "https://ä.example", " "]
)
def test_a_resource_that_is_none_or_another_s_is_an_invalid_target(resource):
    with pytest.raises(InvalidTarget):
        replace(WEB, resources=(API,)).audience_for(resource)


def test_a_resource_server_needs_no_redirect_uris_and_is_sent_no_answers():
    server = replace(WEB, redirect_uris=(), identifies_as=(API,))
    assert not server.allows_redirect("https://web.example/cb?x=1")
    assert not server.allows_redirect("")


def _basic(client_id, secret):
    from urllib.parse import quote_plus

    return "Basic " + base64.b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def test_a_client_is_known_by_its_parameters_or_by_http_basic():
    public = Parameters((("client_id", "native"),))
    assert token_request.authenticate_client(public, None, CLIENTS) is NATIVE
    posted = Parameters((("client_id", "web"), ("client_secret", SECRET)))
    assert token_request.authenticate_client(posted, None, CLIENTS) is WEB
    assert token_request.authenticate_client(Parameters(()), _basic("web", SECRET), CLIENTS) is WEB
    assert token_request.authenticate_client(Parameters((("client_id", "web"),)), _basic("web", SECRET), CLIENTS) is WEB


def _plain_basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


DOCUMENT_ID = "https://app.example/a+b%20c.json"


DOCUMENT = Client(DOCUMENT_ID, "App", ("https://app.example/cb",), (), ISSUER)


@pytest.mark.parametrize(
    ("pairs", "authorization_header", "client"),
    [
        ((), _basic("native", ""), NATIVE),
        ((), _plain_basic("native:"), NATIVE),
        ((("client_id", "native"),), _basic("native", ""), NATIVE),
        ((("client_id", "native"), ("client_secret", "")), None, NATIVE),
        ((("client_secret", ""),), _basic("native", ""), NATIVE),
        ((), _basic(DOCUMENT_ID, ""), DOCUMENT),
        ((), _plain_basic(f"{DOCUMENT_ID}:"), DOCUMENT),
        ((("client_id", DOCUMENT_ID),), _plain_basic(f"{DOCUMENT_ID}:"), DOCUMENT),
    ],
)
def test_an_empty_secret_is_no_secret(pairs, authorization_header, client):
    """RFC 6749 §2.3.1; requests-oauthlib sends HTTP Basic with it by default, and does not encode the id."""
    clients = {**CLIENTS, DOCUMENT_ID: DOCUMENT}
    assert token_request.authenticate_client(Parameters(pairs), authorization_header, clients) is client


@pytest.mark.parametrize(
    ("pairs", "authorization_header", "error"),
    [
        ((), None, InvalidClient),
        ((), _basic("web", ""), InvalidClient),
        ((), _basic("native", "x"), InvalidClient),
        ((), _plain_basic("https://app.example/c.json:x"), InvalidClient),
        ((), _plain_basic("https:x:"), InvalidClient),
        ((), _plain_basic(":"), InvalidClient),
        ((("client_id", "stranger"),), None, InvalidClient),
        ((("client_id", "web"),), None, InvalidClient),
        ((), _basic("web", "wrong"), InvalidClient),
        ((), "Bearer abc", InvalidClient),
        ((), "Basic !!!", InvalidClient),
        ((), "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), InvalidClient),
        ((), "Basic " + base64.b64encode(b"no colon").decode(), InvalidClient),
        ((("client_secret", SECRET),), _basic("web", SECRET), InvalidRequest),
        ((("client_id", "native"),), _basic("web", SECRET), InvalidRequest),
    ],
)
def test_a_client_that_does_not_prove_itself_is_refused(pairs, authorization_header, error):
    with pytest.raises(error):
        token_request.authenticate_client(Parameters(pairs), authorization_header, CLIENTS)


def test_every_error_has_a_code_of_its_own_and_a_description_that_rfc_6749_allows():
    classes = OAuthError.__subclasses__()
    assert len({error.code for error in classes}) == len(classes) >= 10
    assert [error.http_status for error in classes if error.http_status != 400] == [401]


EARLIER = "an-earlier-secret"


def test_two_secrets_are_accepted_while_a_client_moves_to_the_new_one():
    moving = replace(WEB, earlier_secret_sha256=client_secrets.hash_of(EARLIER))
    for secret in (SECRET, EARLIER):
        moving.authenticate(secret)
    for wrong in (None, "", "x", EARLIER + "x"):
        with pytest.raises(InvalidClient):
            moving.authenticate(wrong)
    with pytest.raises(InvalidClient):
        WEB.authenticate(EARLIER)


@pytest.mark.parametrize(("secret", "earlier"), [(SECRET, False), (EARLIER, True), ("x", False), (None, False)])
def test_a_client_that_still_uses_the_earlier_secret_is_recognized(secret, earlier):
    moving = replace(WEB, earlier_secret_sha256=client_secrets.hash_of(EARLIER))
    assert moving.used_earlier_secret(secret) is earlier
    assert not WEB.used_earlier_secret(secret)


def test_an_earlier_secret_has_the_form_of_a_hash_and_needs_a_present_one():
    with pytest.raises(ValueError, match="earlier_secret_sha256 must be"):
        replace(WEB, earlier_secret_sha256="short")
    with pytest.raises(ValueError, match="a public client has no secrets"):
        replace(WEB, secret_sha256=None, earlier_secret_sha256=client_secrets.hash_of(EARLIER))


def test_credentials_are_read_without_being_verified():
    form = Parameters.from_form("client_id=app-x&client_secret=s")
    assert token_request.client_credentials(form, None) == ("app-x", "s")
    assert token_request.client_credentials(Parameters.from_form(""), None) == (None, None)
