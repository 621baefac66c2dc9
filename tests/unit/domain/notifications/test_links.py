"""The address of a link is in each provider's message as a button or a line, and in no other message."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from orchestrator.domain.notifications.destinations import DestinationKind
from orchestrator.domain.notifications.notification import (
    Audience,
    EventKind,
    Notification,
    Severity,
    Transition,
)
from orchestrator.domain.notifications.providers.dispatch import next_request
from orchestrator.domain.notifications.providers.email import notification_mail
from tests.fakes.notification_providers import Providers
from tests.samples import NOW

ADDRESS = "https://ack.example.com/incidents/acknowledgement?token=a.b"
PAGE = Notification(
    "incident:inc-1:1:1-1", "2-trigger", Transition.TRIGGER, EventKind.INCIDENT, Severity.ERROR, Audience.OPERATORS,
    "test", "test: SEV2 incident pages ann", NOW, address=ADDRESS,
)  # fmt: skip
PROVIDERS = Providers(datetime.now)
BY_REQUEST = {
    one.kind: one for one in PROVIDERS.destinations() if one.kind not in {DestinationKind.GITHUB, DestinationKind.EMAIL}
}


def body_of(kind, notification):
    destination = BY_REQUEST[kind]
    secret = PROVIDERS.get_secret_value(SecretId=destination.secret)["SecretString"]
    return next_request(notification, destination, secret, NOW, [], local=True).body.decode()


@pytest.mark.parametrize("kind", sorted(BY_REQUEST))
def test_a_message_with_a_link_has_its_address_once_and_another_has_none(kind):
    assert body_of(kind, PAGE).count(ADDRESS) == 1
    assert "acknowledge" not in body_of(kind, replace(PAGE, address="")).lower()


def test_an_e_mail_has_the_address_on_a_line_of_its_own():
    assert f"Acknowledge: {ADDRESS}" in notification_mail(PAGE, ["ann@example.com"]).text.splitlines()
    assert "Acknowledge" not in notification_mail(replace(PAGE, address=""), ["ann@example.com"]).text


def test_a_notification_does_not_show_its_address():
    assert "token" not in repr(PAGE)
