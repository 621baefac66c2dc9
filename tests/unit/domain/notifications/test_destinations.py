"""Destinations in the settings: read strictly, written into a variable without a secret, and selected for each event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.notifications.destinations import (
    ADDRESSES,
    KINDS,
    MAX_DESTINATIONS,
    PAGERS,
    DestinationKind,
    decode_destinations,
    destinations_of,
    encode_destinations,
    read_destinations,
)
from orchestrator.domain.notifications.notification import Audience, EventKind, Severity, Transition
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader
from tests.unit.domain.notifications.test_delivery import notification

SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/chat-AbCdEf"
CHAT = {"name": "chat", "kind": "slack", "secret": SECRET, "minimum_severity": "info", "audiences": ["operators"]}
PAGER = {**CHAT, "name": "pager", "kind": "pagerduty", "minimum_severity": "error"}
GITHUB = {**CHAT, "name": "github", "kind": "github", "repository": "owner/name"}


def read(*tables):
    return read_destinations(SettingsReader("prod", {"notifications": list(tables)}))


def test_a_destination_is_read_with_its_defaults():
    chat, pager, github = read(CHAT, PAGER, GITHUB)
    assert (chat.events, chat.address, chat.repository, chat.pages) == (KINDS, "", "", False)
    assert (pager.address, pager.pages) == (ADDRESSES[DestinationKind.PAGERDUTY], True)
    assert (github.events, github.repository) == ((EventKind.DEPLOYMENT, EventKind.ROLLBACK), "owner/name")
    assert read() == ()


@pytest.mark.parametrize("kind", DestinationKind)
def test_every_kind_can_be_written_into_a_variable_and_read_again(kind):
    table = {**CHAT, "kind": kind, "minimum_severity": "error"}
    if kind is DestinationKind.EMAIL:
        table = {**table, "to": ["ops@example.com"]}
        del table["secret"]
    table |= {"repository": "owner/name"} if kind is DestinationKind.GITHUB else {}
    table |= {"address": "https://api.eu.example.com/"} if kind in ADDRESSES else {}
    table |= {"webhook_secret": f"{CHAT['secret']}-2"} if kind in PAGERS else {}
    destinations = read(table, {**table, "name": "few", "events": ["rollback"]})
    assert decode_destinations(encode_destinations(destinations)) == destinations
    assert destinations[0].address == ("https://api.eu.example.com" if kind in ADDRESSES else "")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "No"}, "prod.notifications[0].name: 'No' is refused: give a name of up to 32"),
        ({"kind": "irc"}, "prod.notifications[0].kind: 'irc' is refused: give one of slack, teams"),
        ({"secret": "https://hooks.slack.com/x"}, "prod.notifications[0].secret: 'https://hooks.slack.com/x' is refused: give the ARN"),
        ({"minimum_severity": "sev1"}, "minimum_severity: 'sev1' is refused: give one of info, warning, error, critical"),
        ({"audiences": []}, "audiences: [] is refused: give a list out of operators, clients, security"),
        ({"audiences": ["owners"]}, "audiences: ['owners'] is refused"),
        ({"audiences": ["clients", "clients"]}, "audiences: ['clients', 'clients'] is refused"),
        ({"events": ["test"]}, "events: ['test'] is refused: give a list out of deployment, rollback, recovery, freeze, alarm, incident"),
        ({"url": "https://x.example"}, "prod.notifications[0].url: 'https://x.example' is refused: remove it; known keys are"),
        ({"address": "https://x.example"}, "prod.notifications[0].address: 'https://x.example' is refused: remove it"),
        ({"repository": "owner/name"}, "repository: 'owner/name' is refused: remove it"),
        ({"kind": "pagerduty"}, "minimum_severity: 'info' is refused: give one of warning, error, critical"),
        ({**PAGER, "audiences": ["operators", "clients"]}, "a pager is for operators and security"),
        ({**PAGER, "address": "events.eu.pagerduty.com"}, "address: 'events.eu.pagerduty.com' is refused: give the https address"),
        ({**GITHUB, "repository": "name"}, "repository: 'name' is refused: give owner/name"),
        ({**GITHUB, "events": ["alarm"]}, "events: ['alarm'] is refused: give a list out of deployment, rollback, each once"),
    ],
)  # fmt: skip
def test_a_wrong_destination_is_refused_with_its_field_value_and_remedy(changes, said):
    with pytest.raises(EnvironmentRefused) as refused:
        read({**CHAT, **changes})
    assert said in str(refused.value)


def test_names_are_different_and_there_are_not_too_many():
    with pytest.raises(EnvironmentRefused, match=r"notifications\[1\]\.name: 'chat' is refused: give each"):
        read(CHAT, CHAT)
    with pytest.raises(EnvironmentRefused, match=r"prod\.notifications: '11 destinations' is refused: give at most 10"):
        read(*({**CHAT, "name": f"n{number}"} for number in range(MAX_DESTINATIONS + 1)))


def names(what, *tables, only=""):
    return [one.name for one in destinations_of(what, read(*tables), only)]


def test_a_destination_gets_what_is_severe_enough_for_its_audience_and_of_its_kinds():
    what = notification(Transition.TRIGGER, severity=Severity.WARNING)
    assert names(what, CHAT, PAGER) == ["chat"]
    assert names(replace(what, severity=Severity.ERROR), CHAT, PAGER) == ["chat", "pager"]
    assert names(replace(what, audience=Audience.SECURITY), CHAT) == []
    assert names(what, {**CHAT, "events": ["rollback"]}) == []


@pytest.mark.parametrize("kind", [EventKind.INCIDENT, EventKind.DEPLOYMENT, EventKind.ROLLBACK])
def test_an_end_goes_wherever_something_more_severe_may_be_open(kind):
    ending = notification(Transition.RESOLVE, kind=kind, severity=Severity.INFO)
    severe = {**CHAT, "name": "severe", "minimum_severity": "error"}
    assert names(ending, CHAT, PAGER, severe) == ["chat", "pager", "severe"]
    assert names(replace(ending, only_pagers=True), CHAT, PAGER, severe) == ["pager"]
    assert names(ending, {**severe, "events": ["freeze"]}, {**severe, "name": "c", "audiences": ["clients"]}) == []
    assert names(replace(ending, transition=Transition.UPDATE), CHAT, PAGER, severe) == ["chat"]


def test_the_end_of_a_state_that_no_chat_needs_goes_to_pagers_and_github():
    ending = notification(Transition.RESOLVE, kind=EventKind.DEPLOYMENT, severity=Severity.INFO, only_states=True)
    assert names(ending, CHAT, PAGER, GITHUB) == ["pager", "github"]
    assert names(replace(ending, only_pagers=True), CHAT, PAGER, GITHUB) == ["pager"]


def test_a_test_reaches_each_destination_once_or_the_one_that_is_named():
    both = {**PAGER, "audiences": ["security", "operators"], "events": ["rollback"]}
    for audience, expected in ((Audience.OPERATORS, ["chat"]), (Audience.SECURITY, ["pager"])):
        what = notification(Transition.TRIGGER, kind=EventKind.TEST, severity=Severity.INFO, audience=audience)
        assert names(what, CHAT, both) == expected
        assert names(what, CHAT, both, only="pager") == [name for name in expected if name == "pager"]


def test_a_page_reaches_the_pagers_that_are_named_and_the_rest_of_its_incident_no_pager():
    page = notification(Transition.TRIGGER, kind=EventKind.INCIDENT, only_pagers=True)
    second = {**PAGER, "name": "second"}
    assert names(page, CHAT, PAGER, second) == ["pager", "second"]
    assert names(replace(page, only_destinations=("second",)), CHAT, PAGER, second) == ["second"]
    assert names(replace(page, only_pagers=False, not_pagers=True), CHAT, PAGER, second) == ["chat"]


def test_an_acknowledgement_reaches_a_pager_whatever_its_minimum_is():
    acknowledged = notification(Transition.ACKNOWLEDGE, kind=EventKind.INCIDENT, severity=Severity.WARNING)
    assert names(acknowledged, PAGER) == ["pager"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": []}, "notifications[0].to: [] is refused"),
        ({"to": ["Ops <ops@example.com>"]}, "notifications[0].to: 'Ops <ops@example.com>' is refused: give an e-mail"),
        ({"to": [f"a{number}@example.com" for number in range(11)]}, "to: '11 addresses' is refused: give at most 10"),
        ({"to": ["ops@example.com"], "secret": CHAT["secret"]}, "notifications[0].secret"),
    ],
)
def test_e_mail_names_its_readers_and_no_secret(changes, said):
    table = {**CHAT, "kind": "email", **changes}
    if "secret" not in changes:
        del table["secret"]
    with pytest.raises(EnvironmentRefused) as refused:
        read(table)
    assert said in str(refused.value)
