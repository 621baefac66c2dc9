"""Notices to the developers of clients: who gets one, under which key, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from orchestrator.domain.clients.client import with_contacts
from orchestrator.domain.clients.notices import (
    Channel,
    all_recipients,
    destination_of,
    mail_of,
    new_notice,
    notification_of,
    recipients_of,
    recipients_of_one,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.notifications.destinations import DestinationKind
from tests.samples import NOW
from tests.unit.domain.clients.test_client import CHANGE, added

SILENT = replace(added(), contacts=())
ARN = "arn:aws:secretsmanager:us-west-1:123456789012:secret:orders-AbCdEf"
REACHED = replace(SILENT, contacts=("a@o.example", "b@o.example", "a@o.example"), webhook_secret=ARN)


def notice(**changes):
    fields = {"subject": "TLS 1.1 ends", "text": "Use TLS 1.2.", "deprecation": None, "key": None, **changes}
    return new_notice(fields["subject"], fields["text"], fields["deprecation"], fields["key"], NOW)


def test_a_client_has_each_address_once_and_its_webhook():
    found = recipients_of(REACHED)
    assert [(one.channel, one.address) for one in found] == [
        (Channel.EMAIL, "a@o.example"),
        (Channel.EMAIL, "b@o.example"),
        (Channel.WEBHOOK, ARN),
    ]
    assert len({one.name for one in found}) == 3
    assert not any("@" in one.name or "arn" in one.name for one in found), "records name no address"


def test_the_same_message_is_the_same_request_and_another_text_is_another_one():
    assert notice().key == notice().key
    keys = {notice().key, notice(text="x").key, notice(subject="x").key, notice(deprecation="2027-06-30").key}
    assert len(keys) == 4
    assert notice(key="tls-1.1").key == "tls-1.1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": " "}, "--subject: ' ' is refused: give 1 to 150 visible characters"),
        ({"subject": "a\nBcc: x"}, "--subject:"),
        ({"subject": "x" * 151}, "--subject:"),
        ({"text": "\n"}, "--text: '1 characters' is refused"),
        ({"text": "x" * 20_001}, "--text: '20001 characters' is refused"),
        ({"text": "\ud800"}, "--text:"),
        ({"key": "a b"}, "--key: 'a b' is refused: give at most 64"),
        ({"deprecation": "soon"}, "--deprecation: 'soon' is refused: give a day, such as 2027-06-30"),
        ({"deprecation": NOW.date().isoformat()}, "is refused: give a day in the future"),
    ],
)
def test_a_wrong_message_is_refused(changes, said):
    with pytest.raises(Refused) as refused:
        notice(**changes)
    assert said in str(refused.value)


def test_all_names_the_clients_that_would_get_nothing():
    silent, removed = replace(SILENT, client_id="app-silent"), replace(SILENT, removed=True)
    with pytest.raises(Refused, match=r"--all: 'without a contact: demo, app-silent' is refused: .*--reachable-only"):
        all_recipients([REACHED, silent, removed], ["demo"], reachable_only=False)
    found = all_recipients([REACHED, silent, removed], ["demo"], reachable_only=True)
    assert {one.client_id for one in found} == {REACHED.client_id}
    assert all_recipients([REACHED], [], reachable_only=False) == found
    with pytest.raises(Refused, match="no client has a contact"):
        all_recipients([silent], [], reachable_only=True)


def test_one_client_that_is_removed_or_has_no_contact_is_refused_with_the_command_that_gives_one():
    assert recipients_of_one(REACHED) == recipients_of(REACHED)
    with pytest.raises(Refused, match=r"has no contact' is refused: give one with `orchestrator clients contacts app-"):
        recipients_of_one(SILENT)
    with pytest.raises(Refused, match="this one was removed"):
        recipients_of_one(replace(REACHED, removed=True))


def test_a_webhook_is_the_arn_of_a_secret():
    assert with_contacts(SILENT, (), CHANGE, webhook_secret=ARN).webhook_secret == ARN
    assert with_contacts(REACHED, (), CHANGE).webhook_secret == ""
    with pytest.raises(Refused, match=r"--webhook-secret: .* is refused: give the ARN"):
        with_contacts(SILENT, (), CHANGE, webhook_secret="https://o.example")


def test_a_message_says_what_ends_when_and_why_its_reader_gets_it():
    what = notice(deprecation="2027-06-30")
    mail, _, hook = recipients_of(REACHED)
    sent = mail_of(what, mail, NOW)
    assert sent.to == ("a@o.example",)
    assert sent.text.startswith("Use TLS 1.2.\n\nThis ends on 30 June 2027.")
    assert "contact of the client app-" in sent.text
    assert "This ends" not in mail_of(notice(), mail, NOW).text
    found = notification_of(what, "prod", NOW)
    assert [(one.name, one.value) for one in found.figures] == [("deprecation", date(2027, 6, 30).isoformat())]
    assert notification_of(notice(), "prod", NOW).figures == ()
    assert destination_of(mail).kind is DestinationKind.EMAIL
    assert (destination_of(hook).kind, destination_of(hook).secret) == (DestinationKind.WEBHOOK, ARN)
