"""The functions' settings: what is wrong is refused when the function loads, by the variable's name."""

from __future__ import annotations

import json

import pytest

from service import settings
from service.settings import SettingInvalid

CLIENT = {"client_id": "c", "name": "C", "redirect_uris": ["https://c.example/cb"], "scopes": ["profile"]}
GOOD = {
    "ENVIRONMENT": "prod",
    "ISSUER": "https://auth.example",
    "STATE_TABLE": "state",
    "TOKENS_TABLE": "tokens",
    "CLIENTS": json.dumps([CLIENT]),
    "RELEASE": json.dumps({"commit": "a", "build": "b", "configuration": "c"}),
    "PLATFORMS": json.dumps({"p": {"url": "https://p.example", "title": "P"}}),
    "SIGNING_KEY_ID": "key",
    "SOURCE_REQUESTS_PER_SECOND": "20",
    "SOURCE_BURST_REQUESTS": "100",
}


def test_good_settings_are_read():
    read = settings.load(
        {**GOOD, "AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_LAMBDA_FUNCTION_NAME": "ib-oauth-token-prod"}, "token"
    )
    assert (read.environment, read.function, read.version, read.function_name) == (
        "prod",
        "token",
        "7",
        "ib-oauth-token-prod",
    )
    assert read.clients["c"].audience == "https://auth.example"
    assert read.release.commit == "a"
    assert not read.local


def test_outside_lambda_the_version_is_latest():
    assert settings.load(GOOD, "token").version == "$LATEST"


@pytest.mark.parametrize(
    "variable", ["ENVIRONMENT", "ISSUER", "STATE_TABLE", "TOKENS_TABLE", "CLIENTS", "RELEASE", "SOURCE_BURST_REQUESTS"]
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_variable_is_named(variable, value):
    variables = {name: text for name, text in GOOD.items() if name != variable}
    if value is not None:
        variables[variable] = value
    with pytest.raises(SettingInvalid, match=f"{variable} is required") as refusal:
        settings.load(variables, "token")
    assert refusal.value.variable == variable


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENVIRONMENT", "Production!"),
        ("ISSUER", "http://auth.example"),
        ("ISSUER", "http://127.0.0.1:8000"),
        ("ISSUER", "https://auth.example/"),
        ("ISSUER", "https://auth.example/stage"),
        ("ISSUER", "https://auth.example?x=1"),
        ("ISSUER", "https://user@auth.example"),
        ("ISSUER", "https://[bad"),
        ("ISSUER", "auth.example"),
        ("CLIENTS", "no json"),
        ("CLIENTS", "{}"),
        ("CLIENTS", json.dumps([CLIENT, CLIENT])),
        ("CLIENTS", json.dumps([{**CLIENT, "redirect_uris": ["http://c.example/cb"]}])),
        ("CLIENTS", json.dumps([{"client_id": "c"}])),
        ("CLIENTS", json.dumps([{**CLIENT, "redirect_uris": []}])),
        ("CLIENTS", json.dumps([{**CLIENT, "resources": "https://api.example/"}])),
        ("CLIENTS", json.dumps([{**CLIENT, "identifies_as": ["https://api.example/"]}])),
        ("CLIENTS", json.dumps(["c"])),
        ("CLIENTS", json.dumps([7])),
        ("CLIENTS", json.dumps([{**CLIENT, "client_id": "https://c.example/client.json"}])),
        ("CLIENT_DOCUMENTS", "true"),
        ("CLIENT_DOCUMENTS", ""),
        ("REGISTRATION", "1"),
        ("SELF_DESCRIBED_CLIENT_SCOPES", "profile  email"),
        ("RELEASE", "[]"),
        ("SOURCE_REQUESTS_PER_SECOND", "many"),
        ("SOURCE_REQUESTS_PER_SECOND", "0"),
        ("SOURCE_BURST_REQUESTS", "nan"),
        ("SOURCE_BURST_REQUESTS", "inf"),
        *(
            ("REFRESH_GRACE_SECONDS", value)
            for value in ("", "-1", "61", "1.5", "ten", "nan", "\N{ARABIC-INDIC DIGIT ONE}")
        ),
        ("RELEASE", json.dumps({"commit": "a"})),
    ],
)
def test_a_wrong_value_is_refused_by_the_variable_s_name(variable, value):
    with pytest.raises(SettingInvalid, match=f"^{variable} ") as refusal:
        settings.load({**GOOD, variable: value}, "token")
    assert refusal.value.variable == variable


@pytest.mark.parametrize(
    ("variables", "seconds"), [({}, 0), *(({"REFRESH_GRACE_SECONDS": f"{s}"}, s) for s in (0, 10, 60))]
)
def test_the_grace_period_is_off_in_a_configuration_of_before_it_existed(variables, seconds):
    assert settings.load({**GOOD, **variables}, "token").refresh_grace_seconds == seconds


def test_the_local_environment_alone_may_have_a_loopback_issuer_with_a_path():
    issuer = "http://127.0.0.1:4566/_aws/execute-api/id/local"
    assert settings.load({**GOOD, "ENVIRONMENT": "local", "ISSUER": issuer}, "token").issuer == issuer
    with pytest.raises(SettingInvalid, match="ISSUER must be https"):
        settings.load({**GOOD, "ENVIRONMENT": "local", "ISSUER": "http://auth.example"}, "token")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{}",
        "[]",
        '{"p": {}}',
        '{"p": "https://p.example"}',
        '{"p": {"url": "http://10.0.0.1", "title": "P"}}',
        '{"p": {"url": "https://p.example", "title": "P", "shows_login_context": 1}}',
    ],
)
def test_wrong_platforms_are_refused(value):
    with pytest.raises(SettingInvalid, match=r"^PLATFORMS "):
        settings.read_platforms({"PLATFORMS": value}, local=False)


def test_platforms_are_read_by_name():
    assert settings.read_platforms(GOOD, local=False)["p"].host == "p.example"


@pytest.mark.parametrize("shows", [True, False])
def test_a_platform_may_show_for_whom_a_login_is(shows):
    entry = json.dumps({"p": {"url": "https://p.example", "title": "P", "shows_login_context": shows}})
    assert settings.read_platforms({"PLATFORMS": entry}, local=False)["p"].shows_login_context is shows
    assert not settings.read_platforms(GOOD, local=False)["p"].shows_login_context


def test_clients_without_configuration_are_off_unless_they_are_on():
    off = settings.load(GOOD, "token").self_described
    assert (off.documents, off.registration, off.scopes) == (False, False, ())
    on = {"CLIENT_DOCUMENTS": "on", "REGISTRATION": "on", "SELF_DESCRIBED_CLIENT_SCOPES": "profile email"}
    read = settings.load({**GOOD, **on}, "token").self_described
    assert (read.documents, read.registration, read.scopes) == (True, True, ("profile", "email"))


def test_only_the_hash_of_the_registration_token_is_in_the_variables():
    assert settings.read_registration_token_hash({"REGISTRATION_TOKEN_SHA256": "a" * 64}) == "a" * 64
    with pytest.raises(SettingInvalid, match="64 lower-case hexadecimal digits"):
        settings.read_registration_token_hash({"REGISTRATION_TOKEN_SHA256": "the token itself"})


def test_an_issuer_may_have_the_path_of_its_environments_own_stage_and_no_other():
    address = "https://n4h948fv4c.execute-api.us-west-1.amazonaws.com"

    assert settings.load({**GOOD, "ENVIRONMENT": "qa", "ISSUER": f"{address}/qa"}, "token").issuer == f"{address}/qa"
    with pytest.raises(SettingInvalid, match="ISSUER must not have a path except that of the API's stage"):
        settings.load({**GOOD, "ENVIRONMENT": "qa", "ISSUER": f"{address}/prod"}, "token")
