"""Links of one purpose each, and messages that have them."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.domain.signed_links import LinkRefused
from orchestrator.domain.subscribers.messages import (
    Site,
    announcement_mail,
    announcement_request,
    confirm_link,
    confirmation_mail,
    confirmation_request,
    read_confirmation,
    read_unsubscription,
    signing_secret,
    unsubscribe_link,
)
from orchestrator.domain.subscribers.subscriber import Channel, Wish, requested
from tests.samples import NOW
from tests.unit.domain.subscribers.samples import announcement

KEY = b"k" * 32
SITE = Site("Example status", "https://status.example.com", KEY)
PENDING = requested(Wish(Channel.EMAIL, "a@example.org", ()), KEY, NOW)


def token_of(link):
    return parse_qs(urlsplit(link).query)["token"][0]


def test_a_confirmation_names_its_request_and_lasts_a_day():
    token = token_of(confirm_link(PENDING, SITE))
    assert read_confirmation(token, [KEY], NOW) == (PENDING.id, PENDING.requested_at)
    with pytest.raises(LinkRefused):
        read_confirmation(token, [KEY], NOW + timedelta(hours=24))
    with pytest.raises(LinkRefused):
        read_confirmation(token, [b"x" * 32], NOW)
    with pytest.raises(LinkRefused):
        read_unsubscription(token, [KEY], NOW)


def test_a_link_that_ends_a_subscription_lasts_longer_than_a_year():
    token = token_of(unsubscribe_link(PENDING.id, SITE, NOW))
    assert read_unsubscription(token, [b"x" * 32, KEY], NOW + timedelta(days=399)) == PENDING.id
    with pytest.raises(LinkRefused):
        read_unsubscription(token, [KEY], NOW + timedelta(days=400))


def test_messages_have_what_a_reader_needs():
    mail = confirmation_mail(PENDING, SITE, NOW)
    assert confirm_link(PENDING, SITE) in mail.text
    assert json.loads(confirmation_request(PENDING, SITE, NOW).body)["data"]["confirm_url"] == confirm_link(
        PENDING, SITE
    )
    mail = announcement_mail(announcement(), PENDING.id, "a@example.org", SITE, NOW)
    assert mail.subject == "[Example status] Investigating: Problem with Login"
    assert mail.headers["List-Unsubscribe"] == f"<{unsubscribe_link(PENDING.id, SITE, NOW)}>"
    request = announcement_request(announcement(), PENDING.id, "https://h.example.net/", SITE, NOW)
    assert request.headers["webhook-id"] == announcement_request(
        announcement(), PENDING.id, "https://h.example.net/", SITE, NOW + timedelta(hours=1)
    ).headers["webhook-id"], "a repetition has the same id"  # fmt: skip
    assert signing_secret(PENDING.id, KEY) != signing_secret("0" * 32, KEY)
