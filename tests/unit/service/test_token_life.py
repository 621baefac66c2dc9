"""Giving tokens up, asking whether they live, and whom they are for: /revoke, /introspect, and resource indicators."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.oauth import tokens as access_tokens
from tests.unit.service.conftest import CLIENTS, ISSUER, SECRET, Service

API, OTHER_API = "https://api.example/", "https://other.example/"
WEB_REDIRECT = "https://web.example/cb?x=1"
HASH = hashlib.sha256(SECRET.encode()).hexdigest()
WEB = {"client_id": "web", "client_secret": SECRET}
API_SERVER = {"client_id": "api", "client_secret": SECRET}
SYNTHETIC = {"client_id": "synthetic", "redirect_uri": "https://synthetic.invalid/callback"}


def configured():
    """The clients of all tests, of which `web` may request an API, in addition to the API itself and another."""
    web = {"resources": [API]}
    return [
        *({**one, **(web if one["client_id"] == "web" else {})} for one in CLIENTS),
        {"client_id": "api", "name": "API", "scopes": [], "secret_sha256": HASH, "identifies_as": [API]},
        {"client_id": "other-api", "name": "Other", "scopes": [], "secret_sha256": HASH, "identifies_as": [OTHER_API]},
    ]


@pytest.fixture
def service(aws, variables):
    return Service(aws, {**variables, "CLIENTS": json.dumps(configured())})


def tokens_of_web(service, **query):
    code = service.code(client="web", redirect=WEB_REDIRECT, **query)
    answer = service.redeem(code, redirect_uri=WEB_REDIRECT, **WEB)
    assert answer.status == 200, answer.body
    return answer.json


def revoke(service, token, **form):
    return service.call("token", "POST", "/revoke", form={"client_id": "native", "token": token, **form})


def introspect(service, token, **form):
    return service.call("token", "POST", "/introspect", form={"token": token, **form})


def lives(service, tokens, client=None):
    """Whether a grant can still be used, by either of its tokens."""
    refreshed = service.refresh(tokens["refresh_token"], **(client or {})).status == 200
    assert refreshed is (service.userinfo(tokens["access_token"]).status == 200)
    return refreshed


# Revocation


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "something_else"])
def test_giving_up_either_token_ends_the_grant_whatever_the_hint(service, kind, hint):
    tokens = service.redeem(service.code()).json
    answer = revoke(service, tokens[kind], **({"token_type_hint": hint} if hint else {}))
    assert (answer.status, answer.header("cache-control")) == (200, "no-store")
    assert not lives(service, tokens)
    (family,) = [item for item in service.aws.items(service.variables["TOKENS_TABLE"]) if "refresh_hash" in item]
    assert family["revoked_because"] == {"S": "request"}


def test_giving_up_a_token_of_an_earlier_generation_ends_the_grant(service):
    first = service.redeem(service.code()).json
    second = service.refresh(first["refresh_token"]).json
    assert revoke(service, first["refresh_token"]).status == 200
    assert not lives(service, second)


def test_giving_up_twice_is_the_same_as_once_and_the_first_cause_stays(service):
    tokens = service.redeem(service.code()).json
    answers = [revoke(service, tokens["refresh_token"]) for _ in range(2)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, "{}")}
    assert not lives(service, tokens)


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_the_token_of_another_client_is_answered_alike_and_lives_on(service, kind):
    tokens = service.redeem(service.code()).json
    foreign = revoke(service, tokens[kind], **WEB)
    assert (foreign.status, foreign.body) == (200, "{}")
    assert lives(service, tokens)


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_a_token_of_the_synthetic_identity_is_no_other_client_s_to_revoke(service, kind):
    ours = service.redeem(service.synthetic_code(), **SYNTHETIC).json
    assert revoke(service, ours[kind]).status == 200
    assert revoke(service, ours[kind].replace("ibrs_", "ibr_")).status == 200
    assert lives(service, ours, SYNTHETIC)


def test_the_synthetic_identity_gives_up_its_own(service):
    ours = service.redeem(service.synthetic_code(), **SYNTHETIC).json
    assert revoke(service, ours["refresh_token"], client_id="synthetic").status == 200
    assert not lives(service, ours, SYNTHETIC)


def test_an_expired_access_token_ends_nothing_any_more(service):
    tokens = service.redeem(service.code()).json
    service.now += 600
    assert revoke(service, tokens["access_token"]).status == 200
    assert service.refresh(tokens["refresh_token"]).status == 200


def test_a_token_with_another_signature_ends_nothing(service):
    tokens, others = service.redeem(service.code()).json, service.redeem(service.code()).json
    signed, other = (one["access_token"].rpartition(".") for one in (tokens, others))
    assert revoke(service, f"{signed[0]}.{other[2]}").status == 200
    assert lives(service, tokens)


@pytest.mark.parametrize("token", ["x", "ibr_" + "a" * 22 + "." + "b" * 43, "a.b.c", "ibc_" + "a" * 43])
def test_a_token_that_never_was_is_answered_like_one_that_was(service, token):
    assert (revoke(service, token).status, revoke(service, token).body) == (200, "{}")


@pytest.mark.parametrize("path", ["/revoke", "/introspect"])
@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ([("client_id", "web"), ("client_secret", SECRET)], 400, "invalid_request"),
        ([("client_id", "web"), ("client_secret", SECRET), ("token", "")], 400, "invalid_request"),
        ([("client_id", "web"), ("client_secret", SECRET), ("token", "a"), ("token", "b")], 400, "invalid_request"),
        ([("client_id", "web"), ("client_secret", "wrong"), ("token", "a")], 401, "invalid_client"),
        ([("client_id", "web"), ("token", "a")], 401, "invalid_client"),
        ([("client_id", "stranger"), ("token", "a")], 401, "invalid_client"),
        ([("token", "a")], 401, "invalid_client"),
    ],
)
def test_a_client_that_sends_a_wrong_request_is_refused_as_at_the_token_endpoint(service, path, form, status, error):
    answer = service.call("token", "POST", path, form=form)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert (answer.header("www-authenticate") is not None) is (status == 401)


def test_a_client_proves_itself_by_http_basic_too(service):
    tokens = tokens_of_web(service)
    basic = {"authorization": "Basic " + base64.b64encode(f"web:{quote(SECRET)}".encode()).decode()}
    form = {"token": tokens["refresh_token"]}
    assert service.call("token", "POST", "/introspect", form=form, headers=basic).json["active"] is True
    assert service.call("token", "POST", "/revoke", form=form, headers=basic).status == 200
    assert introspect(service, tokens["refresh_token"], **WEB).json == {"active": False}


# Introspection


def test_a_client_may_introspect_its_own_tokens(service):
    tokens = tokens_of_web(service)
    claims = access_tokens.parse_unverified(tokens["access_token"]).claims
    introspected = introspect(service, tokens["access_token"], **WEB)
    assert introspected.json == {
        "active": True, "token_type": "Bearer",
        **{name: claims[name] for name in ("scope", "client_id", "sub", "aud", "iss", "iat", "exp", "jti")},
    }  # fmt: skip
    assert introspected.header("cache-control") == "no-store"
    refresh = introspect(service, tokens["refresh_token"], **WEB).json
    assert (refresh["active"], refresh["client_id"], refresh["aud"]) == (True, "web", ISSUER)
    assert refresh["exp"] > claims["exp"]
    assert "token_type" not in refresh


def test_a_resource_server_may_introspect_tokens_that_are_for_it_and_no_others(service):
    for_api, for_us = tokens_of_web(service, resource=API), tokens_of_web(service)
    assert introspect(service, for_api["access_token"], **API_SERVER).json["aud"] == API
    for token in (for_us["access_token"], for_api["refresh_token"]):
        assert introspect(service, token, **API_SERVER).json == {"active": False}
    other = {**API_SERVER, "client_id": "other-api"}
    assert introspect(service, for_api["access_token"], **other).json == {"active": False}


def test_a_public_client_may_not_ask(service):
    tokens = service.redeem(service.code()).json
    answer = introspect(service, tokens["access_token"], client_id="native")
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.strategy("Application Security: Token security")
def test_a_token_that_does_not_count_is_inactive_and_nothing_more_is_returned(service):
    tokens = tokens_of_web(service)
    later = service.refresh(tokens["refresh_token"], **WEB).json
    inactive = {"active": False}
    # An earlier refresh token: asking about it is no use of it, so the grant lives on.
    assert introspect(service, tokens["refresh_token"], **WEB).json == inactive
    assert introspect(service, later["refresh_token"], **WEB).json["active"] is True
    for token in ("x", "a.b.c", "ibr_" + "a" * 22 + "." + "b" * 43, later["access_token"][:-2] + "AA"):
        assert introspect(service, token, **WEB).json == inactive
    service.now += 600
    assert introspect(service, later["access_token"], **WEB).json == inactive
    latest = service.refresh(later["refresh_token"], **WEB).json
    service.bump_epoch(1)
    assert [introspect(service, token, **WEB).json for token in (latest["access_token"], latest["refresh_token"])] == [
        inactive, inactive,
    ]  # fmt: skip


def test_tokens_of_a_revoked_grant_are_inactive(service):
    tokens = tokens_of_web(service)
    assert revoke(service, tokens["refresh_token"], **WEB).status == 200
    for kind in ("access_token", "refresh_token"):
        assert introspect(service, tokens[kind], **WEB).json == {"active": False}


def test_tokens_of_a_client_that_is_gone_are_inactive(aws, variables):
    before = Service(aws, {**variables, "CLIENTS": json.dumps(configured())})
    token = tokens_of_web(before, resource=API)["access_token"]
    without = [one for one in configured() if one["client_id"] != "web"]
    after = Service(aws, {**variables, "CLIENTS": json.dumps(without)})
    assert introspect(before, token, **API_SERVER).json["active"] is True
    assert introspect(after, token, **API_SERVER).json == {"active": False}


def with_scopes(aws, variables, *scopes):
    """The service of a release in whose settings the client `web` has these scopes."""
    clients = [{**one, **({"scopes": list(scopes)} if one["client_id"] == "web" else {})} for one in configured()]
    return Service(aws, {**variables, "CLIENTS": json.dumps(clients)})


def test_a_refresh_gives_no_scope_that_the_client_has_lost_since_the_login(aws, variables):
    before = with_scopes(aws, variables, "profile", "email")
    tokens = tokens_of_web(before, scope="openid profile email")
    after = with_scopes(aws, variables, "email")
    narrowed = after.refresh(tokens["refresh_token"], **WEB).json
    assert narrowed["scope"] == "openid email"
    assert access_tokens.parse_unverified(narrowed["access_token"]).claims["scope"] == "openid email"
    refused = after.refresh(narrowed["refresh_token"], scope="profile", **WEB)
    assert (refused.status, refused.json["error"]) == (400, "invalid_scope")
    again = before.refresh(narrowed["refresh_token"], **WEB).json
    assert again["scope"] == "openid profile email", "the grant itself is what the user agreed to"


def test_a_client_that_lost_every_scope_of_a_grant_is_refused_and_the_grant_lives_on(aws, variables):
    before = with_scopes(aws, variables, "profile", "email")
    tokens = tokens_of_web(before, scope="profile")
    refused = with_scopes(aws, variables, "email").refresh(tokens["refresh_token"], **WEB)
    assert (refused.status, refused.json["error"]) == (400, "invalid_scope")
    assert lives(before, tokens, WEB)


def test_introspection_is_for_servers_and_no_page_may_read_it(service, monkeypatch):
    def without_cors(answer):
        return [name for name in answer.headers if name.lower().startswith("access-control")] == []

    assert without_cors(introspect(service, "x", **WEB))
    assert without_cors(introspect(service, "x", client_id="native"))
    preflight = service.call("token", "OPTIONS", "/introspect")
    assert (preflight.status, preflight.header("allow")) == (405, "POST")
    assert without_cors(preflight)
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchGetItem")
    token = tokens_of_web(service)["refresh_token"]
    monkeypatch.setattr(service.aws.dynamodb, "batch_get_item", _raiser(throttled))
    failed = introspect(service, token, **WEB)
    assert (failed.status, failed.header("retry-after"), failed.json["error"]) == (503, "1", "temporarily_unavailable")
    assert without_cors(failed)


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
@pytest.mark.parametrize("operation", ["batch_get_item", "update_item"])
def test_a_store_that_fails_leaves_the_token_and_says_when_to_try_again(service, kind, operation):
    tokens = service.redeem(service.code()).json
    with pytest.MonkeyPatch.context() as patch:
        error = ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "Operation")
        patch.setattr(service.aws.dynamodb, operation, _raiser(error))
        answer = revoke(service, tokens[kind])
    assert (answer.status, answer.header("retry-after"), answer.header("access-control-allow-origin")) == (
        503,
        "1",
        "*",
    )
    assert lives(service, tokens)


def _raiser(error):
    def fail(**_):
        raise error

    return fail


# Resource indicators


def test_a_token_for_an_api_is_no_key_to_the_person(service):
    tokens = tokens_of_web(service, resource=API)
    assert access_tokens.parse_unverified(tokens["access_token"]).claims["aud"] == API
    refused = service.userinfo(tokens["access_token"])
    assert (refused.status, 'error="invalid_token"' in refused.header("www-authenticate")) == (401, True)
    assert service.userinfo(tokens_of_web(service)["access_token"]).status == 200


@pytest.mark.parametrize("resource", [OTHER_API, f"{API}#here", "api.example", "/"])
def test_a_resource_that_is_not_the_client_s_is_reported_to_it(service, resource):
    answer = service.authorize(client="web", redirect=WEB_REDIRECT, resource=resource)
    assert (answer.status, answer.redirect["error"], answer.redirect["iss"]) == (303, "invalid_target", ISSUER)


def test_a_code_is_redeemed_for_the_resource_it_was_made_for_and_another_does_not_burn_it(service):
    code = service.code(client="web", redirect=WEB_REDIRECT, resource=API)
    for resource in (ISSUER, OTHER_API, "x"):
        refused = service.redeem(code, redirect_uri=WEB_REDIRECT, resource=resource, **WEB)
        assert (refused.status, refused.json["error"]) == (400, "invalid_target")
    assert service.redeem(code, redirect_uri=WEB_REDIRECT, resource=API, **WEB).status == 200


def test_a_refresh_is_for_the_resource_that_was_granted_and_another_does_not_end_the_grant(service):
    tokens = tokens_of_web(service, resource=API)
    for resource in (ISSUER, OTHER_API):
        assert service.refresh(tokens["refresh_token"], resource=resource, **WEB).json["error"] == "invalid_target"
    again = service.refresh(tokens["refresh_token"], resource=API, **WEB)
    assert access_tokens.parse_unverified(again.json["access_token"]).claims["aud"] == API


@pytest.mark.parametrize(
    ("resource", "audience"),
    [
        (f"{ISSUER}/", ISSUER),
        (f"{ISSUER}:443", ISSUER),
        (f"{ISSUER}/userinfo", ISSUER),
        (API.replace("https://", "HTTPS://"), API),
    ],
)
def test_a_resource_may_be_named_in_every_equivalent_form_and_the_audience_is_as_configured(
    service, resource, audience
):
    code = service.code(client="web", redirect=WEB_REDIRECT, resource=resource)
    tokens = service.redeem(code, redirect_uri=WEB_REDIRECT, resource=resource, **WEB).json
    assert access_tokens.parse_unverified(tokens["access_token"]).claims["aud"] == audience
    again = service.refresh(tokens["refresh_token"], resource=resource, **WEB).json
    assert access_tokens.parse_unverified(again["access_token"]).claims["aud"] == audience
    assert (service.userinfo(again["access_token"]).status == 200) is (audience == ISSUER)


def test_one_grant_is_for_one_resource(service):
    tokens = tokens_of_web(service, resource=API)
    form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens["refresh_token"]),
        ("resource", API),
        ("resource", API),
    ]
    twice = service.call("token", "POST", "/token", form=[*form, *WEB.items()])
    assert (twice.status, twice.json["error"]) == (400, "invalid_request")
    assert service.refresh(tokens["refresh_token"], **WEB).status == 200


def test_a_resource_server_without_logins_is_sent_no_user(service):
    answer = service.authorize(client="api", redirect=API)
    assert (answer.status, answer.header("location")) == (400, None)


# Metadata of the protected resource


def test_a_client_finds_its_way_from_the_challenge_to_the_endpoints(service):
    challenge = service.call("public", "GET", "/userinfo").header("www-authenticate")
    address = challenge.rpartition('resource_metadata="')[2].rstrip('"')
    resource = service.call("public", "GET", address.removeprefix(ISSUER)).json
    assert resource["resource"] == f"{ISSUER}/userinfo"  # the address that was asked (RFC 9728 §3.3)
    (server,) = resource["authorization_servers"]
    found = service.call("public", "GET", f"{server.removeprefix(ISSUER)}/.well-known/oauth-authorization-server").json
    assert found["revocation_endpoint"] == f"{ISSUER}/revoke"
    assert found["introspection_endpoint"] == f"{ISSUER}/introspect"
    for path in ("/revoke", "/introspect", "/token"):
        assert service.call("token", "POST", path).status == 401
    assert service.call("public", "GET", resource["jwks_uri"].removeprefix(ISSUER)).json["keys"]


def test_every_refusal_of_userinfo_says_where_the_metadata_are(service):
    token = service.redeem(service.code()).json["access_token"]
    refusals = [
        service.call("public", "GET", "/userinfo"),
        service.call("public", "GET", "/userinfo", query={"access_token": token}),
        service.userinfo("not-a-token"),
        service.call("public", "GET", "/userinfo", headers={"Authorization": "bearer a b"}),
    ]
    assert [refusal.status for refusal in refusals] == [401, 400, 401, 400]
    for refusal in refusals:
        assert f'resource_metadata="{ISSUER}/.well-known/oauth-protected-resource/userinfo"' in refusal.header(
            "www-authenticate"
        )
        assert refusal.json.keys() == {"error", "error_description"}
        assert "x-amzn-Remapped-WWW-Authenticate" in refusal.header("access-control-expose-headers")


# Whatever comes


_TEXT = st.text(max_size=80)
_TOKENS = st.one_of(
    _TEXT,
    st.from_regex(r"ib[rclx]s?_([A-Za-z0-9_-]{22}\.)?[A-Za-z0-9_-]{43}", fullmatch=True),
    st.lists(st.binary(max_size=60).map(lambda octets: base64.urlsafe_b64encode(octets).rstrip(b"=").decode()), max_size=4).map(".".join),
)  # fmt: skip


@given(
    path=st.sampled_from(["/revoke", "/introspect"]),
    token=_TOKENS,
    extra=st.lists(st.tuples(st.sampled_from(["token", "token_type_hint", "client_id", "client_secret", "x"]), _TEXT), max_size=3),
    authorization=st.one_of(st.none(), _TEXT, _TEXT.map(lambda text: f"Basic {text}")),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_is_sent_is_a_failure_of_ours(service, path, token, extra, authorization):
    headers = {} if authorization is None else {"authorization": authorization}
    form = [*WEB.items(), ("token", token), *extra]
    answer = service.call("token", "POST", path, form=form, headers=headers)
    assert answer.status in {200, 400, 401}
    assert (
        answer.json in ({}, {"active": False}) if answer.status == 200 else answer.json["error"].startswith("invalid_")
    )
