"""The settings of the status page: read, refused, and passed to functions as they were read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.schema import Findings, SettingsReader
from orchestrator.domain.status_page.overrides import STATES
from orchestrator.domain.status_page.settings import (
    DEFAULT_COMPONENTS,
    Component,
    StatusPageSettings,
    decode_status_page,
    encode_status_page,
    read_status_page,
)

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
FULL = {
    "enabled": True,
    "title": "Example status",
    "address": "https://status.example.com/login",
    "account": "210987654321",
    "region": "eu-central-1",
    "domain": "status.example.com",
    "certificate_arn": CERTIFICATE,
    "published_from": "SEV1",
    "subscribers": {
        "sender": "status@example.com",
        "identity_arn": "arn:aws:ses:eu-central-1:210987654321:identity/example.com",
    },
    "components": [
        {"id": "all", "name": "All", "functions": ["authorize", "token", "public"]},
        {"id": "login", "name": "Login", "text": "Logging in", "functions": ["authorize"]},
    ],
}


def read(**table):
    return read_status_page(SettingsReader("prod", {"status_page": table}))


def test_without_a_table_the_page_is_off_and_has_the_default_components():
    assert read_status_page(SettingsReader("prod", {})) == StatusPageSettings()
    assert read() == StatusPageSettings()
    assert not read().enabled
    assert read().components == DEFAULT_COMPONENTS
    assert read().public_address == ""


def test_every_setting_is_read_and_passed_on_as_it_was_read():
    page = read(**FULL)
    assert page.published_from is IncidentSeverity.SEV1
    assert page.components[0] == Component("all", "All", "", ("authorize", "token", "public"))
    assert page.public_address == "https://status.example.com/login"
    assert replace(page, address="").public_address == "https://status.example.com"
    assert page.subscribers is not None
    assert page.subscribers.sender == "status@example.com"
    assert decode_status_page(encode_status_page(page)) == page
    assert decode_status_page(encode_status_page(StatusPageSettings())) == StatusPageSettings()
    assert encode_status_page(StatusPageSettings()) == "{}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"domain": "status.example.com"}, "prod.status_page.certificate_arn"),
        ({"certificate_arn": CERTIFICATE}, "prod.status_page.domain"),
        ({"address": "http://status.example.com"}, "give an https address"),
        ({"address": "https://status.example.com/"}, "give an https address"),
        ({"account": "12"}, "12 digits"),
        ({"components": []}, "give 1 to 12"),
        ({"components": [FULL["components"][1]] * 2}, "an id of its own"),
        ({"components": [{"id": "a", "name": "A", "functions": ["login"]}]}, "give some of authorize, token, public"),
        ({"components": [{"id": "../a", "name": "A", "functions": ["token"]}]}, "lower-case letters"),
        ({"colour": "red"}, "known keys are"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_field_and_a_remedy(changes, message):
    with pytest.raises(Refused, match=message):
        read(**changes)


def test_one_reading_reports_every_wrong_setting():
    findings = Findings()
    with pytest.raises(Refused):
        read_status_page(
            SettingsReader(
                "prod", {"status_page": {"account": "1", "colour": "red", "components": []}}, observer=findings
            )
        )
    assert [str(error).split(":")[0] for error in findings.errors]


def test_the_guide_names_the_states_and_components_of_an_override():
    guide = (Path(__file__).resolve().parents[4] / "docs/guides/status-page.md").read_text(encoding="utf-8")
    rows = {row.split(" | ")[0].strip("| `"): row for row in guide.splitlines() if row.startswith("| `")}
    assert rows["STATE"] == f"| `STATE` | {', '.join(f'`{state}`' for state in STATES)} |"
    assert ", ".join(f"`{one.id}`" for one in DEFAULT_COMPONENTS) in rows["COMPONENT"]
