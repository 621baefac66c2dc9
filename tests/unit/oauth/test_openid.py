"""What OpenID Connect adds to requests, tokens, metadata and registrations, held against Authlib and joserfc."""

from __future__ import annotations

import base64
import json

import pytest
from authlib.oidc.core.grants.util import create_half_hash
from authlib.oidc.discovery import OpenIDProviderMetadata
from hypothesis import given
from hypothesis import strategies as st

from service.oauth import authorization, metadata
from service.oauth.client_metadata import ClientDescription, parse_document, parse_registration, to_client
from service.oauth.clients import Client
from service.oauth.errors import InvalidClientMetadata, InvalidRequest, InvalidScope, OAuthError
from service.oauth.openid import client_members, id_tokens, requests
from service.oauth.openid.id_tokens import IdToken
from service.oauth.parameters import Parameters

ISSUER = "https://auth.example"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CLIENT = Client("native", "Native", ("http://127.0.0.1/callback",), ("profile", "email"), ISSUER)
ID_TOKEN = IdToken(
    issuer=ISSUER, subject="demo:1", client_id="native", auth_time=990, nonce="n-1", access_token="a.b.c",
    issued_at=1000, expires_at=1600,
)  # fmt: skip


def requested(**changes):
    """The authorization request with these parameters, as it is read."""
    sent = {
        "response_type": "code", "client_id": "native", "redirect_uri": "http://127.0.0.1:1/callback",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    parameters = Parameters((name, value) for name, value in sent.items() if value is not None)
    return authorization.parse_request(parameters, authorization.parse_return_address(parameters, {"native": CLIENT}))


def refused(**changes):
    with pytest.raises(OAuthError) as refusal:
        requested(**changes)
    return refusal.value


# Scopes


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        ("openid", ("openid",)),
        ("openid profile", ("openid", "profile")),
        ("email openid", ("email", "openid")),
        ("openid profile email offline_access address phone", ("openid", "profile", "email")),
        ("openid offline_access", ("openid",)),
        ("profile", ("profile",)),
        (None, ("profile", "email")),
    ],
)
def test_every_client_may_ask_for_openid_and_gets_it_only_then(scope, granted):
    assert requested(scope=scope).scope == granted


@pytest.mark.parametrize("scope", ["openid admin", "profile offline_access", "openid  profile", "address"])
def test_what_neither_the_client_has_nor_openid_explains_is_refused(scope):
    with pytest.raises(InvalidScope):
        requested(scope=scope)


def test_a_client_that_is_configured_with_openid_or_an_empty_scope_keeps_what_it_has():
    assert requests.narrow_scope(None, ("openid", "profile")) == ("openid", "profile")
    assert requests.narrow_scope("profile openid", ("profile", "openid")) == ("profile", "openid")
    assert requests.narrow_scope("openid offline_access", ("offline_access",)) == ("openid", "offline_access")


# Parameters


@pytest.mark.parametrize("nonce", ["n", 'ü "\\', "a" * requests.MAX_NONCE_CHARACTERS])
def test_the_nonce_of_an_openid_request_is_kept_as_it_is(nonce):
    assert requested(scope="openid", nonce=nonce).openid_nonce == nonce


def test_an_openid_request_may_have_no_nonce():
    assert requested(scope="openid").openid_nonce is None


@pytest.mark.parametrize(
    "parameters",
    [{}, {"prompt": "login"}, {"prompt": "consent select_account"}, {"max_age": "0"}, {"max_age": "86400"},
     {"display": "popup"}, {"ui_locales": "xx"}, {"claims_locales": "xx"}, {"acr_values": "urn:gold"},
     {"login_hint": "ada"}, {"claims": '{"userinfo":{}}'}],
)  # fmt: skip
def test_what_every_login_does_anyway_and_hints_are_accepted(parameters):
    assert requested(scope="openid", **parameters).scope == ("openid",)


@pytest.mark.parametrize(
    ("parameters", "code", "named"),
    [
        ({"prompt": "none"}, "login_required", "prompt"),
        ({"prompt": "none login"}, "invalid_request", "prompt"),
        ({"prompt": "create"}, "invalid_request", "prompt"),
        ({"prompt": "NONE"}, "invalid_request", "prompt"),
        ({"max_age": "-1"}, "invalid_request", "max_age"),
        ({"max_age": "soon"}, "invalid_request", "max_age"),
        ({"max_age": "1.5"}, "invalid_request", "max_age"),
        ({"max_age": "\u0661"}, "invalid_request", "max_age"),
        ({"max_age": "1" * 10}, "invalid_request", "max_age"),
        ({"id_token_hint": "e.y.j"}, "invalid_request", "id_token_hint"),
        ({"registration": "{}"}, "registration_not_supported", "registration"),
        ({"request": "e.y.j"}, "request_not_supported", "request"),
        ({"request_uri": "https://c.example/r"}, "request_uri_not_supported", "request"),
        ({"response_type": "code id_token"}, "unsupported_response_type", "response_type"),
        ({"response_mode": "form_post"}, "invalid_request", "response_mode"),
        ({"nonce": "a" * (requests.MAX_NONCE_CHARACTERS + 1)}, "invalid_request", "nonce"),
    ],
)
def test_what_cannot_be_met_is_refused_by_its_name(parameters, code, named):
    refusal = refused(scope="openid", **parameters)
    assert (refusal.code, named in refusal.description) == (code, True)


def test_without_openid_its_parameters_mean_nothing_except_that_no_page_may_be_shown():
    request = requested(
        scope="profile", nonce="a" * 1000, max_age="x", id_token_hint="e.y.j", registration="{}", prompt="x"
    )
    assert (request.scope, request.openid_nonce) == (("profile",), None)
    assert refused(scope="profile", prompt="none").code == "login_required"


# ID tokens


def decoded(signed):
    return [json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))) for part in signed.split(b".")]


def test_an_id_token_says_who_logged_in_when_and_to_whom():
    header, claims = decoded(id_tokens.signing_input(ID_TOKEN, "k"))
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "k"}
    assert claims == {
        "iss": ISSUER, "sub": "demo:1", "aud": "native", "exp": 1600, "iat": 1000, "auth_time": 990, "nonce": "n-1",
        "at_hash": id_tokens.access_token_hash("a.b.c"),
    }  # fmt: skip


def test_an_id_token_without_a_nonce_has_no_such_claim():
    without = IdToken(**{**vars(ID_TOKEN), "nonce": None})
    assert "nonce" not in decoded(id_tokens.signing_input(without, "k"))[1]


@given(st.text(st.characters(codec="ascii")))
def test_the_hash_of_an_access_token_is_the_one_that_authlib_makes(access_token):
    assert id_tokens.access_token_hash(access_token).encode() == create_half_hash(access_token, "ES256")


# Discovery


def test_authlib_finds_the_discovery_document_valid_but_for_the_algorithm_that_is_not_signed_with():
    document = OpenIDProviderMetadata(metadata.openid_configuration(ISSUER, {"profile", "email"}))
    for name in document.REGISTRY_KEYS:
        if name != "id_token_signing_alg_values_supported":
            getattr(document, f"validate_{name}")()
    assert document["id_token_signing_alg_values_supported"] == ["ES256"]
    assert document["scopes_supported"] == ["email", "openid", "profile"]
    required = {
        "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
        "subject_types_supported", "id_token_signing_alg_values_supported",
    }  # fmt: skip
    assert required <= document.keys()


def test_what_is_not_supported_although_its_default_says_so_is_named():
    document = metadata.openid_configuration(ISSUER, ())
    assert document["request_uri_parameter_supported"] is False
    assert document["claims_parameter_supported"] is False
    assert set(document["claims_supported"]) >= decoded(id_tokens.signing_input(ID_TOKEN, "k"))[1].keys()
    assert "none" not in document["id_token_signing_alg_values_supported"]


# Clients that describe themselves

DESCRIBED = {"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}
ID = "https://app.example/client.json"
ACCEPTED = [
    {}, {"application_type": "web"}, {"application_type": "native"}, {"subject_type": "public"},
    {"id_token_signed_response_alg": "ES256"}, {"default_max_age": 0}, {"require_auth_time": True},
    {"require_auth_time": False}, {"default_acr_values": ["0"]}, {"initiate_login_uri": "https://app.example/go"},
    {"post_logout_redirect_uris": ["https://app.example/"]}, {"subject_type": None}, {"sector_identifier_uri": None},
    {"require_auth_time": None}, {"default_max_age": None},
]  # fmt: skip
REFUSED = [
    *[{name: "x"} for name in ("application_type", "subject_type", "id_token_signed_response_alg")],
    *[{name: ["ES256"]} for name in ("application_type", "subject_type", "id_token_signed_response_alg")],
    {"subject_type": "pairwise"}, {"id_token_signed_response_alg": "RS256"}, {"id_token_signed_response_alg": "none"},
    {"default_max_age": -1}, {"default_max_age": "60"}, {"default_max_age": True}, {"default_max_age": 1.5},
    {"require_auth_time": "true"}, {"require_auth_time": 0},
    *[{name: "RS256"} for name in (
        "id_token_encrypted_response_alg", "id_token_encrypted_response_enc", "userinfo_signed_response_alg",
        "userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc", "request_object_signing_alg",
        "request_object_encryption_alg", "request_object_encryption_enc", "sector_identifier_uri",
    )],
]  # fmt: skip
PARSERS = [parse_registration, lambda members: parse_document(ID, {**members, "client_id": ID})]


@pytest.mark.parametrize("parse", PARSERS, ids=["registration", "document"])
@pytest.mark.parametrize("members", ACCEPTED, ids=str)
def test_members_that_hold_for_every_client_are_accepted(parse, members):
    assert parse({**DESCRIBED, **members}) == ClientDescription(None, ("https://app.example/cb",), None)


@pytest.mark.parametrize("parse", PARSERS, ids=["registration", "document"])
@pytest.mark.parametrize("members", REFUSED, ids=str)
def test_members_that_ask_for_something_else_are_refused_by_their_name(parse, members):
    with pytest.raises(InvalidClientMetadata, match=next(iter(members))):
        parse({**DESCRIBED, **members})


@pytest.mark.parametrize(
    ("described", "granted"),
    [
        (None, ("profile", "email")),
        (("openid", "email", "admin"), ("openid", "email")),
        (("email",), ("email",)),
        ((), ()),
    ],
)
def test_a_client_that_describes_itself_with_openid_keeps_it(described, granted):
    description = ClientDescription("App", ("https://app.example/cb",), described)
    assert description.granted_scope(("profile", "email")) == granted
    assert to_client("c", description, ("profile", "email"), ISSUER).scopes == granted


def test_what_registrations_report_is_what_discovery_reports():
    document = metadata.openid_configuration(ISSUER, ())
    assert document["subject_types_supported"] == [client_members.CLIENT_FIELDS["subject_type"]]
    algorithm = client_members.CLIENT_FIELDS["id_token_signed_response_alg"]
    assert document["id_token_signing_alg_values_supported"] == [algorithm]


# The request as a form


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=8))
def test_a_form_s_parameters_survive_as_a_query(pairs):
    once = Parameters(pairs).format_query()
    assert once.isascii()
    assert Parameters.from_form(once).format_query() == once


def test_a_repeated_parameter_stays_repeated():
    with pytest.raises(InvalidRequest):
        Parameters.from_form(Parameters([("a", "1"), ("a", "2")]).format_query()).reject_repeated()
