"""Who may sign in to the console: the settings, and what the service's settings must have for it."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.sign_in.settings import (
    CLIENT_SCOPES,
    LOOPBACK_REDIRECT,
    ClientFacts,
    Role,
    SignInSettings,
    read_sign_in,
    refuse_unusable_sign_in,
)

WORKING = {"client_id": "console", "operators": ["example:ann"], "viewers": ["example:bob"]}
FIT = ClientFacts((LOOPBACK_REDIRECT,), CLIENT_SCOPES, confidential=False, own_audience=False, synthetic=False)


def read(**console):
    return read_sign_in(SettingsReader("prod", {"console": console} if console else {}))


def test_without_the_table_there_is_no_sign_in():
    assert read() is None


def test_the_permitted_subjects_of_each_role_are_read():
    assert read(**WORKING) == SignInSettings("console", ("example:bob",), ("example:ann",))
    found = read(**WORKING, address="https://console.example.com", session_hours=1)
    assert (found.address, found.session_hours) == ("https://console.example.com", 1)


def test_the_redirect_uri_is_on_the_proxy_or_on_loopback_without_a_port():
    assert read(**WORKING).redirect_uri == "http://127.0.0.1/signed-in"
    assert read(**WORKING, address="https://c.example:8443").redirect_uri == "https://c.example:8443/signed-in"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"client_id": "a b"}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"operators": ["ann"]}, "operators"),
        ({"operators": [":ann"]}, "operators"),
        ({"operators": ["example:"]}, "operators"),
        ({"operators": ["example:a b"]}, "operators"),
        ({"operators": ["example:\x1b"]}, "operators"),
        ({"operators": ["example:" + "a" * 200]}, "operators"),
        ({"operators": ["example:ann", "example:ann"]}, "operators"),
        ({"operators": "example:ann"}, "operators"),
        ({"viewers": [5]}, "viewers"),
        ({"viewers": ["example:ann"]}, "viewers"),
        ({"viewers": [], "operators": []}, "operators"),
        ({"address": "http://console.example.com"}, "address"),
        ({"address": "https://console.example.com/"}, "address"),
        ({"session_hours": 0}, "session_hours"),
        ({"session_hours": 25}, "session_hours"),
        ({"session_hours": True}, "session_hours"),
        ({"admins": ["example:ann"]}, "admins"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(settings, field):
    with pytest.raises(Refused) as refused:
        read(**{**WORKING, **settings})
    assert refused.value.field == f"prod.console.{field}"


@pytest.mark.parametrize(
    ("subject", "scopes", "role"),
    [
        ("example:ann", ("console:viewer", "console:operator"), Role.OPERATOR),
        ("example:ann", ("console:operator",), Role.OPERATOR),
        ("example:ann", ("console:viewer",), Role.VIEWER),
        ("example:ann", ("openid", "profile"), None),
        ("example:bob", ("console:viewer", "console:operator"), Role.VIEWER),
        ("example:bob", ("console:operator",), Role.VIEWER),
        ("example:bob", (), None),
        ("example:eve", ("console:viewer", "console:operator"), None),
        ("other:ann", ("console:viewer", "console:operator"), None),
        ("EXAMPLE:ann", ("console:operator",), None),
    ],
)
def test_a_role_needs_the_settings_and_the_scope(subject, scopes, role):
    assert read(**WORKING).role_of(subject, scopes) is role


def refuse(client: ClientFacts | None = FIT, **changes):
    sign_in = read(**{**WORKING, **changes})
    clients = {"synthetic": FIT, **({"console": client} if client else {})}
    refuse_unusable_sign_in(sign_in, clients, ("example",), SettingsReader("prod", {}))


def facts(**changes):
    return ClientFacts(**{**vars(FIT), **changes})


def test_a_fit_client_is_accepted():
    refuse()
    refuse(facts(redirect_uris=("https://c.example/signed-in",)), address="https://c.example")


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (None, "synthetic"),
        (facts(confidential=True), "without a secret"),
        (facts(synthetic=True), "not the synthetic"),
        (facts(own_audience=True), "audience"),
        (facts(scopes=("profile", "console:viewer")), "console:operator"),
        (facts(redirect_uris=("http://127.0.0.1/callback",)), "http://127.0.0.1/signed-in"),
    ],
    ids=["missing", "confidential", "synthetic", "audience", "scope", "redirect"],
)
def test_a_client_that_cannot_sign_people_in_is_refused_with_what_it_lacks(client, words):
    with pytest.raises(Refused, match=words) as refused:
        refuse(client)
    assert refused.value.field == "prod.console.client_id"


@pytest.mark.parametrize("key", ["operators", "viewers"])
def test_a_subject_of_no_identity_provider_is_refused(key):
    with pytest.raises(Refused, match="example") as refused:
        refuse(**{key: ["exmaple:dan"]})
    assert refused.value.field == f"prod.console.{key}"
