"""The same functions over restored tables, by settings alone: what a drill serves, and what production makes of what it issues."""

from __future__ import annotations

import base64
import json

import pytest

from service.oauth.credentials import Kind, parse
from service.settings import SettingInvalid, read_platforms, read_published_keys
from tests.unit.service.conftest import ISSUER, Service
from tests.unit.service.test_settings import GOOD

DRILL_ISSUER = "https://dr-1.drill.invalid"
GRANT = {"client_id": "synthetic", "redirect_uri": "https://synthetic.invalid/callback"}


@pytest.fixture
def live(service):
    return service


@pytest.fixture
def drill(aws, live):
    """The service as a drill sets it up; the tables are the live ones, for who could tell?"""
    jwks = [{"x": jwk.x, "y": jwk.y} for jwk in live.keys.jwks]
    return Service(
        aws,
        {
            **live.variables,
            "ISSUER": DRILL_ISSUER,
            "SIGNING_KEY_ID": aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"),
            "KEYS_TABLE": "none",
            "PLATFORMS": "none",
            "LEAST_EPOCH": "1",
            "PUBLISHED_KEYS": json.dumps({"issuer": ISSUER, "keys": jwks}),
        },
    )


def synthetic_tokens(service):
    return service.redeem(service.synthetic_code(), **GRANT).json


def test_tables_that_are_not_sanitized_are_not_served(live, drill):
    tokens, code = synthetic_tokens(live), live.synthetic_code()
    drill.cookie = live.cookie
    assert drill.authorize(client="synthetic", redirect=GRANT["redirect_uri"]).status == 503
    assert drill.redeem(code, **GRANT).status == 503
    assert drill.refresh(tokens["refresh_token"], client_id="synthetic").status == 503
    assert drill.userinfo(tokens["access_token"]).status == 503
    deep = drill.call("public", "GET", "/health/deep")
    assert deep.json["checks"]["tokens_table_epoch"]["error"] == (
        "the tables have the revocation epoch 0, below 1: they are not sanitized"
    )
    drill.bump_epoch(1)
    assert drill.refresh(tokens["refresh_token"], client_id="synthetic").json["error"] == "invalid_grant"
    assert synthetic_tokens(drill)["token_type"] == "Bearer"


def test_a_login_and_a_code_of_before_come_to_nothing(live, drill):
    code = live.synthetic_code()
    transaction = live.transaction(client="synthetic", redirect=GRANT["redirect_uri"])
    drill.bump_epoch(1)
    assert drill.redeem(code, **GRANT).json["error"] == "invalid_grant"
    drill.cookie = live.cookie
    answer = drill.prove(transaction, drill_proof(drill, transaction))
    assert answer.status == 303
    assert drill.redeem(answer.redirect["code"], **GRANT).json["error"] == "invalid_grant"


def drill_proof(service, transaction):
    message = f"ib-oauth/synthetic/local/{transaction}".encode()
    made = service.aws.kms.generate_mac(
        KeyId=service.variables["SYNTHETIC_KEY_ID"], Message=message, MacAlgorithm="HMAC_SHA_256"
    )
    return base64.urlsafe_b64encode(made["Mac"]).rstrip(b"=").decode()


def test_nothing_that_a_drill_issues_is_anything_to_production(live, drill):
    drill.bump_epoch(1)
    tokens = synthetic_tokens(drill)
    assert drill.userinfo(tokens["access_token"]).status == 200
    assert live.userinfo(tokens["access_token"]).status == 401
    assert {jwk.thumbprint for jwk in drill.keys.jwks}.isdisjoint(jwk.thumbprint for jwk in live.keys.jwks)


def test_a_token_of_before_is_distinguished_from_a_forgery_by_the_published_keys(aws, live, drill):
    """It proves whose it is, and is refused for what it is: giving it up ends its grant, a forged one ends nothing."""
    drill.bump_epoch(1)
    live.bump_epoch(1)
    tokens = synthetic_tokens(live)
    family = parse(tokens["refresh_token"], Kind.REFRESH).family
    assert drill.userinfo(tokens["access_token"]).status == 200
    forged = Service(
        aws, {**live.variables, "SIGNING_KEY_ID": aws.new_key("ECC_NIST_P256", "SIGN_VERIFY"), "KEYS_TABLE": "none"}
    )
    forged_token = synthetic_tokens(forged)["access_token"]
    assert drill.userinfo(forged_token).status == 401
    revoked = drill.call("token", "POST", "/revoke", form={"client_id": "synthetic", "token": tokens["access_token"]})
    assert revoked.status == 200
    dead, _ = drill.store.read_family_and_epoch(family, synthetic=True)
    assert dead.revoked_because is not None


def test_a_drill_s_own_key_makes_no_token_of_the_published_issuer(aws, live, drill):
    """Each issuer's keys count for its own tokens only."""
    drill.bump_epoch(1)
    posing = Service(aws, {**drill.variables, "ISSUER": ISSUER})
    assert drill.userinfo(synthetic_tokens(posing)["access_token"]).status == 401


def test_no_request_leaves_for_a_platform_where_there_are_none(live, drill, monkeypatch):
    drill.bump_epoch(1)
    monkeypatch.setattr("service.login.identity_provider.fetch", lambda *_: pytest.fail("a request left"))
    page = drill.authorize()
    assert page.status == 200
    assert 'name="platform"' not in page.body
    transaction = page.body.partition('name="transaction" value="')[2].partition('"')[0]
    for decision in ({}, {"decision": "allow"}):
        form = {"transaction": transaction, "platform": "demo", **decision}
        assert drill.call("authorize", "POST", "/login", form=form, headers={"cookie": drill.cookie}).status == 400


def test_tokens_of_the_synthetic_identity_last_five_minutes_and_its_login_outlasts_a_restore(live):
    tokens = synthetic_tokens(live)
    assert tokens["expires_in"] == 300
    live.now += 11 * 3600
    assert live.refresh(tokens["refresh_token"], client_id="synthetic").status == 200


def test_platforms_may_be_none_and_are_not_forgotten_silently():
    assert read_platforms({"PLATFORMS": "none"}, local=False) == {}
    for value in ("", "{}"):
        with pytest.raises(SettingInvalid, match=r"^PLATFORMS "):
            read_platforms({"PLATFORMS": value}, local=False)


@pytest.mark.parametrize(
    "value", ["", "[]", "{}", '{"issuer": "i"}', '{"issuer": "i", "keys": [{"x": "x"}]}', '{"issuer": "i", "keys": 1}']
)
def test_published_keys_that_are_none_are_refused(value):
    with pytest.raises(SettingInvalid, match=r"^PUBLISHED_KEYS "):
        read_published_keys({"PUBLISHED_KEYS": value})


def test_without_published_keys_there_is_no_other_issuer():
    assert read_published_keys(GOOD) is None


@pytest.mark.parametrize("value", ["", "-1", "x", "1.5"])
def test_an_epoch_that_is_none_is_refused(aws, variables, value):
    with pytest.raises(SettingInvalid, match=r"^LEAST_EPOCH "):
        Service(aws, {**variables, "LEAST_EPOCH": value})
