"""Parameters, scopes, clients, authorization and token requests."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.oauth import authorization, pkce, scopes, token_request
from service.oauth.authorization import ReturnAddress
from service.oauth.clients import Client
from service.oauth.errors import (
    AccessDenied,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    RequestNotSupported,
    RequestUriNotSupported,
    UnsupportedGrantType,
    UnsupportedResponseType,
    UntrustedRequest,
)
from service.oauth.parameters import MAX_CHARACTERS, MAX_PARAMETERS, Parameters

ISSUER = "https://auth.example"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
SECRET = "correct horse: battery+staple%"
NATIVE = Client(
    "native", "Native", ("http://127.0.0.1/callback", "http://[::1]:8000/cb?x=1"), ("profile", "email"), ISSUER
)
WEB = Client(
    "web", "Web", ("https://web.example/cb?x=1",), ("profile",), ISSUER, hashlib.sha256(SECRET.encode()).hexdigest()
)
CLIENTS = {client.client_id: client for client in (NATIVE, WEB)}
GOOD = {
    "response_type": "code",
    "client_id": "native",
    "redirect_uri": "http://127.0.0.1:9999/callback",
    "scope": "email profile",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def _parameters(**changes):
    return Parameters((name, value) for name, value in {**GOOD, **changes}.items() if value is not None)


def _read(parameters):
    return authorization.parse_request(parameters, authorization.parse_return_address(parameters, CLIENTS))


# Parameters


def test_a_parameter_without_a_value_counts_as_left_out():
    assert Parameters.from_form("scope=&state=s").optional("scope") is None


def test_a_repeated_parameter_is_refused_when_it_is_read_and_when_any_is():
    parameters = Parameters.from_lists({"scope": ["a", "b"], "state": ["s"]})
    with pytest.raises(InvalidRequest, match="scope is repeated"):
        parameters.required("scope")
    with pytest.raises(InvalidRequest, match="a parameter is repeated"):
        parameters.reject_repeated()
    assert parameters.required("state") == "s"


def test_a_missing_parameter_is_named():
    with pytest.raises(InvalidRequest, match="code is required"):
        Parameters(()).required("code")


@pytest.mark.parametrize(
    "body",
    [
        "&".join(f"p{number}=v" for number in range(MAX_PARAMETERS + 1)),
        f"state={'a' * MAX_CHARACTERS}",
        f"state={'%61' * (MAX_CHARACTERS + 1)}",
    ],
)
def test_too_much_is_refused_before_it_is_looked_at(body):
    with pytest.raises(InvalidRequest, match="too many"):
        Parameters.from_form(body)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ude00\ud83d"])
def test_what_could_be_neither_stored_nor_sent_on_is_refused(text):
    with pytest.raises(InvalidRequest, match="not Unicode text"):
        Parameters.from_lists({"state": [text]})
    with pytest.raises(InvalidRequest, match="not Unicode text"):
        Parameters.from_form(f"state={text}")


@pytest.mark.parametrize("form", ["state=%ED%A0%80", "state=%FF", "state=%F0%9F%92%A3", "state=%00"])
def test_octets_that_are_no_text_are_replaced_and_every_text_is_read(form):
    assert Parameters.from_form(form).required("state").encode()


def test_as_much_as_is_allowed_is_read():
    assert Parameters.from_form(f"state={'%61' * (MAX_CHARACTERS - 5)}").required("state") == "a" * (MAX_CHARACTERS - 5)


# PKCE


def test_the_example_of_rfc_7636_holds():
    assert pkce.challenge_of(VERIFIER) == CHALLENGE
    assert pkce.matches_challenge(VERIFIER, CHALLENGE)


@pytest.mark.parametrize(
    "verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "!", "ü" * 43, VERIFIER[:-1] + "a", VERIFIER + "\n"]
)
def test_what_is_not_the_verifier_does_not_prove(verifier):
    assert not pkce.matches_challenge(verifier, CHALLENGE)


@given(st.text(alphabet="abcXYZ019-._~", min_size=43, max_size=128))
def test_a_verifier_proves_its_challenge_and_no_other(verifier):
    assert pkce.matches_challenge(verifier, pkce.challenge_of(verifier))
    assert not pkce.matches_challenge(verifier, CHALLENGE)


# Scopes


def test_a_scope_keeps_its_order_and_counts_a_word_once():
    assert scopes.parse("b a b") == ("b", "a")


@pytest.mark.parametrize("text", [" ", "a  b", 'a"', "a\\b", "ä", "a\nb"])
def test_a_malformed_scope_is_refused(text):
    with pytest.raises(InvalidScope, match="malformed"):
        scopes.parse(text)


def test_no_requested_scope_is_everything_allowed():
    assert scopes.narrow(None, ("a", "b")) == ("a", "b")
    assert scopes.narrow("b", ("a", "b")) == ("b",)


def test_a_grant_keeps_what_its_client_may_still_have():
    assert scopes.still_allowed(("profile", "email"), ("email", "profile", "more")) == ("profile", "email")
    assert scopes.still_allowed(("profile", "email"), ("email",)) == ("email",)
    assert scopes.still_allowed((), ()) == ()
    with pytest.raises(InvalidScope, match="none of the granted scopes"):
        scopes.still_allowed(("profile",), ("email",))


@pytest.mark.parametrize(
    ("requested", "allowed", "said"),
    [
        ("a c", ("a", "b"), "the scope c is not allowed: request a b"),
        ("openid profile", ("profile",), "the scope openid is not allowed: request profile"),
        ("x y", ("y",), "the scope x is not allowed: request y"),
        ("profile", (), "the scope profile is not allowed: request no scope"),
        ("w" * 100, ("a",), f"the scope {'w' * 64} is not allowed: request a"),
    ],
)
def test_more_than_allowed_is_refused_and_the_word_is_named_with_the_remedy(requested, allowed, said):
    with pytest.raises(InvalidScope) as refusal:
        scopes.narrow(requested, allowed)
    assert refusal.value.description == said
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", refusal.value.description)  # RFC 6749 §5.2


# The authorization request


def test_a_good_request_is_read():
    request = _read(_parameters())
    assert request.back == ReturnAddress(NATIVE, "http://127.0.0.1:9999/callback", "s")
    assert (request.scope, request.audience, request.code_challenge) == (("email", "profile"), ISSUER, CHALLENGE)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "stranger"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/"},
    ],
)
def test_an_unknown_client_or_redirect_is_never_answered_at_the_redirect(changes):
    with pytest.raises(UntrustedRequest):
        authorization.parse_return_address(_parameters(**changes), CLIENTS)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_or_redirect_is_not_believed(name):
    lists = {key: [value] for key, value in GOOD.items()} | {name: [GOOD[name], GOOD[name]]}
    with pytest.raises(UntrustedRequest):
        authorization.parse_return_address(Parameters.from_lists(lists), CLIENTS)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, InvalidRequest),
        ({"response_type": "token"}, UnsupportedResponseType),
        ({"response_mode": "fragment"}, InvalidRequest),
        ({"code_challenge": None}, InvalidRequest),
        ({"code_challenge": "short"}, InvalidRequest),
        ({"code_challenge_method": None}, InvalidRequest),
        ({"code_challenge_method": "plain"}, InvalidRequest),
        ({"scope": "profile admin"}, InvalidScope),
        ({"resource": "https://other.example"}, InvalidTarget),
        ({"request": "jwt"}, RequestNotSupported),
        ({"request_uri": "https://client.example/request"}, RequestUriNotSupported),
    ],
)
def test_what_else_is_wrong_is_reported_at_the_redirect(changes, error):
    with pytest.raises(error):
        _read(_parameters(**changes))


def test_response_mode_query_and_a_missing_scope_are_fine():
    assert _read(_parameters(response_mode="query", scope=None)).scope == ("profile", "email")


@pytest.mark.parametrize("name", ["state", "scope", "code_challenge", "unknown"])
def test_a_repeated_parameter_is_reported_at_the_redirect(name):
    lists = {key: [value] for key, value in GOOD.items()} | {name: ["a", "b"]}
    parameters = Parameters.from_lists(lists)
    back = authorization.parse_return_address(parameters, CLIENTS)
    assert back.state == (None if name == "state" else "s")
    with pytest.raises(InvalidRequest):
        authorization.parse_request(parameters, back)


@given(st.text(min_size=1))
def test_an_answer_gives_the_state_back_as_it_came(state):
    back = ReturnAddress(WEB, "https://web.example/cb?x=1", state)
    answered = dict(
        parse_qsl(urlsplit(back.success("the-code", ISSUER)).query, strict_parsing=True, errors="surrogatepass")
    )
    assert answered == {"x": "1", "code": "the-code", "iss": ISSUER, "state": state}


def test_an_error_names_the_issuer_too_and_invents_no_state():
    location = ReturnAddress(NATIVE, "http://127.0.0.1:1/callback", None).failure(AccessDenied("no"), ISSUER)
    assert location.startswith("http://127.0.0.1:1/callback?")
    answered = dict(parse_qsl(urlsplit(location).query))
    assert answered == {"error": "access_denied", "error_description": "no", "iss": ISSUER}


def test_the_host_of_a_private_use_scheme_is_the_scheme():
    client = Client("c", "C", ("com.example.app:/cb",), (), ISSUER)
    assert ReturnAddress(client, "com.example.app:/cb", None).host == "com.example.app"
    assert ReturnAddress(WEB, "https://web.example/cb?x=1", None).host == "web.example"


@pytest.mark.parametrize(
    ("client", "redirect_uri", "here"),
    [
        (NATIVE, "http://127.0.0.1:1/callback", True),
        (NATIVE, "com.example.app:/cb", True),
        (WEB, "https://web.example/cb?x=1", False),
    ],
)
def test_a_person_learns_whether_the_answer_stays_on_their_computer(client, redirect_uri, here):
    assert ReturnAddress(client, redirect_uri, None).on_this_computer is here


# The token request


def test_a_token_request_may_repeat_the_resource_that_was_granted_and_name_no_other():
    form = "grant_type=refresh_token&refresh_token=t&resource=urn%3Aapi"
    assert token_request.parse_grant(Parameters.from_form(form)).resource == "urn:api"
    code = "grant_type=authorization_code&code=c&redirect_uri=r&code_verifier=v&resource=urn%3Aapi"
    assert token_request.parse_grant(Parameters.from_form(code)).resource == "urn:api"
    token_request.check_resource("urn:api", "urn:api", WEB)
    token_request.check_resource("URN:api", "urn:api", WEB)
    token_request.check_resource(None, "urn:api", WEB)
    with pytest.raises(InvalidTarget):
        token_request.check_resource("urn:other", "urn:api", WEB)
    named = replace(WEB, audience_names=(f"{ISSUER}/userinfo",))
    token_request.check_resource(f"{ISSUER}/userinfo", ISSUER, named)
    with pytest.raises(InvalidTarget):  # another audience does not have the names of the client's own
        token_request.check_resource(f"{ISSUER}/userinfo", "urn:api", named)


def test_one_grant_is_for_one_resource():
    form = "grant_type=refresh_token&refresh_token=t&resource=urn%3Aa&resource=urn%3Ab"
    with pytest.raises(InvalidRequest):
        token_request.parse_grant(Parameters.from_form(form))


def test_a_shown_token_is_read_whatever_it_is_hinted_to_be():
    assert token_request.parse_token(Parameters.from_form("token=t&token_type_hint=saml2")) == "t"
    for form in ("token_type_hint=access_token", "token=t&token=u", "token=t&token_type_hint=a&token_type_hint=b"):
        with pytest.raises(InvalidRequest):
            token_request.parse_token(Parameters.from_form(form))


def test_both_grants_are_read():
    form = "grant_type=authorization_code&code=c&redirect_uri=r&code_verifier=v"
    assert token_request.parse_grant(Parameters.from_form(form)) == token_request.CodeGrant("c", "r", "v")
    form = "grant_type=refresh_token&refresh_token=t"
    assert token_request.parse_grant(Parameters.from_form(form)) == token_request.RefreshGrant("t", None)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("", InvalidRequest),
        ("grant_type=password", UnsupportedGrantType),
        ("grant_type=authorization_code&redirect_uri=r&code_verifier=v", InvalidRequest),
        ("grant_type=authorization_code&code=c&code_verifier=v", InvalidRequest),
        ("grant_type=authorization_code&code=c&redirect_uri=r", InvalidRequest),
        ("grant_type=refresh_token", InvalidRequest),
        ("grant_type=refresh_token&refresh_token=a&refresh_token=b", InvalidRequest),
    ],
)
def test_an_incomplete_token_request_is_refused(form, error):
    with pytest.raises(error):
        token_request.parse_grant(Parameters.from_form(form))
