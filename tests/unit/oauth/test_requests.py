"""Parameters, scopes, clients, authorization and token requests."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.oauth import authorization, client_secrets, pkce, scopes, token_request
from service.oauth.authorization import ReturnAddress
from service.oauth.clients import Client, is_display_name
from service.oauth.errors import (
    AccessDenied,
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
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


# Clients


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
