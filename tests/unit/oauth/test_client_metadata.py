"""What a client says about itself: believed as far as it can be checked, and refused by a reason that quotes nothing of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.oauth import client_metadata, logins
from service.oauth.client_metadata import (
    ClientDescription,
    is_document_id,
    parse_document,
    parse_registration,
    to_client,
)
from service.oauth.clients import is_display_name
from service.oauth.errors import InvalidClientMetadata, InvalidRedirectUri

ID = "https://app.example/oauth/client.json"
ISSUER = "https://auth.example"
DOCUMENT = {"client_id": ID, "client_name": "An app", "redirect_uris": ["https://app.example/cb"]}


@pytest.mark.parametrize(
    "client_id",
    [
        ID,
        "https://app.example/a",
        "https://a-b.app.example/~me/a%20b;v=1",
        "https://app.example/...",
        "https://a.b/a//b",
    ],
)
def test_an_https_address_with_a_path_names_a_document(client_id):
    assert is_document_id(client_id, loopback_allowed=False)
    assert is_document_id(client_id, loopback_allowed=True)


@pytest.mark.parametrize(
    "client_id",
    [
        "native",
        "",
        "http://app.example/a",
        "https://app.example",
        "https://app.example/",
        "https://app.example/a?x=1",
        "https://app.example/a#f",
        "https://user@app.example/a",
        "https://user:pass@app.example/a",
        "https://app.example:443/a",
        "https://app.example:8443/a",
        "https://App.example/a",
        "HTTPS://app.example/a",
        "https://app.example/a/../b",
        "https://app.example/./b",
        "https://app.example/%2e%2E/b",
        "https://app.example/a/.",
        "https://app.example\\a/b",
        "https://app.example/a b",
        "https://app.example/a\n",
        "https://app.example/é",
        "https://bücher.example/a",
        "https://localhost/a",
        "https://[::1]/a",
        "https://.example/a",
        "https://app.example/" + "a" * client_metadata.MAX_ID_CHARACTERS,
        "http://127.0.0.1.evil.example/a",
        "http://127.0.0.1@evil.example/a",
        "http://127.0.0.1/",
        "http://127.0.0.1",
        "http://127.0.0.2/a",
        "http://10.0.0.1/a",
    ],
)
def test_nothing_else_does(client_id):
    assert not is_document_id(client_id, loopback_allowed=False)
    assert not is_document_id(client_id, loopback_allowed=True)


@pytest.mark.parametrize("client_id", ["http://127.0.0.1:8000/a", "http://localhost/a", "http://[::1]:9/a.json"])
def test_loopback_does_where_that_is_allowed_alone(client_id):
    assert is_document_id(client_id, loopback_allowed=True)
    assert not is_document_id(client_id, loopback_allowed=False)


def test_a_document_is_read():
    document = {
        **DOCUMENT,
        "scope": "profile email",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "logo_uri": "https://app.example/logo.png",
        "contacts": 7,
    }
    assert parse_document(ID, document) == ClientDescription(
        "An app", ("https://app.example/cb",), ("profile", "email")
    )


def test_a_document_need_not_say_more_than_its_redirects():
    document = {"client_id": ID, "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"]}
    assert parse_document(ID, document) == ClientDescription(None, ("http://127.0.0.1/cb", "com.example.app:/cb"), None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "https://app.example/oauth/client.jso"}, "client_id"),
        ({"client_id": ID.upper()}, "client_id"),
        ({"client_id": ID + "/"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_id": [ID]}, "client_id"),
        ({"client_secret": "x"}, "client_secret"),
        ({"client_secret": None}, "client_secret"),
        ({"client_secret_expires_at": 0}, "client_secret"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": None}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": ["none"]}, "token_endpoint_auth_method"),
        ({"response_types": ["token"]}, "response_types"),
        ({"response_types": "code"}, "response_types"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"grant_types": {}}, "grant_types"),
        ({"client_name": ""}, "client_name"),
        ({"client_name": "  "}, "client_name"),
        ({"client_name": 7}, "client_name"),
        ({"client_name": "x" * 65}, "client_name"),
        ({"client_name": "Bank\u202eknab"}, "client_name"),
        ({"client_name": "a\nb"}, "client_name"),
        ({"client_name": "a\u2028b"}, "client_name"),
        ({"client_name": "a\ud800b"}, "client_name"),
        ({"client_name": "\u200c"}, "client_name"),
        ({"scope": ["profile"]}, "scope"),
        ({"scope": 'pro"file'}, "scope"),
        ({"scope": "x" * 513}, "scope"),
    ],
)
def test_a_document_that_cannot_be_believed_is_refused_by_its_member(changes, said):
    with pytest.raises(InvalidClientMetadata, match=said) as refusal:
        parse_document(ID, {**DOCUMENT, **changes})
    assert "knab" not in refusal.value.description
    assert refusal.value.code == "invalid_client_metadata"


@pytest.mark.parametrize("document", [None, [], [DOCUMENT], "text", 7, True])
def test_a_document_is_an_object(document):
    with pytest.raises(InvalidClientMetadata, match="object"):
        parse_document(ID, document)


@pytest.mark.parametrize(
    "redirect_uris",
    [
        None,
        [],
        "https://app.example/cb",
        [7],
        ["http://app.example/cb"],
        ["https://app.example/cb#f"],
        ["https://app.example/cb", "javascript:alert(1)"],
        ["data:text/html,x"],
        ["https://user@app.example/cb"],
        ["https://app.example;script-src/cb"],
        ["https://app.example,evil/cb"],
        ["https://app.example/é"],
        ["https://app.example/\x00"],
        ['https://app.example/"'],
        ["https://app.example/<b>"],
        ["https://*/cb"],
        ["https://app.example/" + "a" * 500],
        ["https://app.example/cb"] * 11,
        [{}],
    ],
)
def test_redirects_that_could_not_be_configured_cannot_be_described_either(redirect_uris):
    with pytest.raises(InvalidRedirectUri, match="redirect_uris") as refusal:
        parse_document(ID, {**DOCUMENT, "redirect_uris": redirect_uris})
    assert refusal.value.code == "invalid_redirect_uri"


def test_a_registration_without_a_method_gets_a_secret():
    assert parse_registration({"redirect_uris": ["https://a.example/cb"]}).authentication == "client_secret_basic"


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_a_registration_may_choose_how_it_proves_itself(method):
    metadata = {"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": method}
    assert parse_registration(metadata).authentication == method


@pytest.mark.parametrize("method", ["private_key_jwt", "", None, 7, ["none"], {}])
def test_a_registration_cannot_choose_what_there_is_not(method):
    with pytest.raises(InvalidClientMetadata, match="token_endpoint_auth_method"):
        parse_registration({"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": method})


def test_a_client_gets_what_it_asks_for_of_what_such_clients_may():
    asks = ClientDescription("An app", ("https://app.example/cb",), ("email", "admin"))
    client = to_client(ID, asks, ("profile", "email"), ISSUER)
    assert (client.client_id, client.name, client.scopes, client.audience) == (ID, "An app", ("email",), ISSUER)
    assert client.secret_sha256 is None
    assert not client.synthetic
    assert client.self_described
    assert to_client("c", asks, (), ISSUER, secret_sha256="a" * 64).secret_sha256 == "a" * 64


def test_a_client_that_does_not_say_gets_all_that_such_clients_may_and_is_called_by_its_id():
    client = to_client(ID, ClientDescription(None, ("https://app.example/cb",), None), ("profile", "email"), ISSUER)
    assert (client.name, client.scopes) == (ID, ("profile", "email"))


def test_of_a_client_with_a_document_its_host_is_known():
    described = ClientDescription("Your bank", ("https://elsewhere.example/cb",), None)
    assert to_client(ID, described, (), ISSUER).verified_host == "app.example"
    assert to_client("registered", described, (), ISSUER).verified_host is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["client_name", "redirect_uris", "scope", "grant_types", "response_types", "token_endpoint_auth_method", "x"]
)


@given(st.dictionaries(MEMBERS, JSON))
def test_whatever_a_document_says_it_is_a_sound_client_or_refused_with_a_reason(changes):
    try:
        described = parse_document(ID, {**DOCUMENT, **changes})
    except (InvalidClientMetadata, InvalidRedirectUri) as error:
        described, reason = None, error.description
    if described is None:
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", reason)
        return
    client = to_client(ID, described, ("profile",), ISSUER)
    assert set(client.scopes) <= {"profile"}
    assert all(client.allows_redirect(uri) for uri in described.redirect_uris)
    assert is_display_name(client.name)


@given(st.text(alphabet=st.sampled_from("htps:/.aA01%2eE@?#\\[]-é \n"), max_size=40))
def test_no_spelling_of_an_id_hides_another_address(rest):
    client_id = f"https://app.example/{rest}"
    if is_document_id(client_id, loopback_allowed=False):
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(client_id)
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "app.example", "", "")
        assert not {".", ".."} & set(unquote(parts.path).split("/"))


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("", 300),
        ("no-store", 300),
        ("max-age=0", 300),
        ("max-age=299", 300),
        ("max-age=3600", 3600),
        ("public, Max-Age=3600", 3600),
        ("public,max-age=3600, must-revalidate", 3600),
        ("max-age=999999999", 86400),
        ("max-age=9999999999999999", 300),
        ("max-age=-5", 300),
        ("s-maxage=7200", 300),
        ("x-max-age=7200", 300),
    ],
)
def test_a_document_is_fresh_for_as_long_as_its_server_wishes_within_bounds(cache_control, seconds):
    described = ClientDescription(None, ("https://app.example/cb",), None)
    kept = client_metadata.cache_document(described, cache_control, 1000)
    assert (kept.description, kept.fresh_until) == (described, 1000 + seconds)
    assert kept.expires_at == kept.fresh_until + logins.LIFETIME_SECONDS  # the login that began last may still end
    assert (kept.is_fresh(kept.fresh_until - 1), kept.is_fresh(kept.fresh_until)) == (True, False)
    assert (kept.is_usable(kept.expires_at - 1), kept.is_usable(kept.expires_at)) == (True, False)


def test_a_server_says_whether_clients_may_describe_themselves():
    off = client_metadata.metadata_fields(ISSUER, documents=False, registration=False)
    assert off == {"client_id_metadata_document_supported": False}
    on = client_metadata.metadata_fields(ISSUER, documents=True, registration=True)
    assert on == {"client_id_metadata_document_supported": True, "registration_endpoint": f"{ISSUER}/register"}
