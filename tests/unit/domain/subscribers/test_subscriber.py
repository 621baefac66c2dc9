"""Who a subscriber is, and what a form asks for."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.status_page.settings import DEFAULT_COMPONENTS
from orchestrator.domain.subscribers.subscriber import (
    Channel,
    Wish,
    confirmed,
    masked,
    read_form,
    requested,
    subscriber_id,
)
from tests.samples import NOW
from tests.unit.domain.subscribers.samples import subscriber

FORM = "application/x-www-form-urlencoded"
KEY = b"k" * 32


def form(content_type=FORM, local=False, **fields):
    return read_form(content_type, urlencode(fields, doseq=True).encode(), DEFAULT_COMPONENTS, local=local)


def test_a_form_has_one_address_and_the_components_in_the_page_s_order():
    assert form(email=" Reader@Example.ORG ", component=["tokens", "login"]) == Wish(
        Channel.EMAIL, "Reader@example.org", ("login", "tokens")
    )
    assert form(webhook="https://h.example.net/x") == Wish(Channel.WEBHOOK, "https://h.example.net/x", ())
    assert form(f"{FORM}; charset=UTF-8", email="a@example.org", webhook="").channel is Channel.EMAIL


def test_who_wants_all_components_also_gets_those_that_the_page_gets_later():
    assert form(email="a@example.org", component=[one.id for one in DEFAULT_COMPONENTS]).components == ()


def test_a_webhook_of_this_machine_is_for_the_local_cloud_alone():
    assert form(local=True, webhook="http://127.0.0.1:8000/x").address == "http://127.0.0.1:8000/x"
    with pytest.raises(Refused, match=r"webhook: '23 characters' is refused"):
        form(webhook="http://127.0.0.1:8000/x")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        (FORM, b"email=" + b"a" * 5000),
        (FORM, b"\xff"),
        (FORM, b"email"),
        (FORM, b"&".join(b"component=login" for _ in range(60))),
    ],
)
def test_what_is_no_form_is_refused(content_type, body):
    with pytest.raises(Refused, match="form: "):
        read_form(content_type, body, DEFAULT_COMPONENTS, local=False)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "address: .*0 addresses.* give an e-mail address"),
        ({"email": "a@example.org", "webhook": "https://h.example.net/"}, "address: .*2 addresses"),
        ({"email": "a@example.org", "component": "engine"}, "component: .*1 of them.* choose out of login"),
    ],
)
def test_a_form_with_another_number_of_addresses_or_an_unknown_component_is_refused(fields, said):
    with pytest.raises(Refused, match=said):
        form(**{"component": "login", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"email": f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.com"},
        {"email": "a b@example.org"},
        {"email": "@example.org"},
        {"webhook": f"https://h.example.net/{'x' * 500}"},
        {"webhook": "ftp://h.example.net/"},
    ],
)
def test_a_refusal_quotes_no_address(fields):
    with pytest.raises(Refused) as refused:
        form(**fields)
    assert not any(value in str(refused.value) for value in fields.values())


def test_the_id_of_an_address_is_the_same_each_time_and_names_no_one():
    one = subscriber_id(Channel.EMAIL, "a@example.org", KEY)
    assert one == subscriber_id(Channel.EMAIL, "a@example.org", KEY)
    others = {
        subscriber_id(Channel.WEBHOOK, "a@example.org", KEY),
        subscriber_id(Channel.EMAIL, "b@example.org", KEY),
        subscriber_id(Channel.EMAIL, "a@example.org", b"x" * 32),
    }
    assert len({one, *others}) == 4
    assert len(one) == 32


def test_a_request_waits_for_a_day_and_a_confirmation_keeps_since_when_a_subscriber_is_one():
    pending = requested(Wish(Channel.EMAIL, "a@example.org", ("login",)), KEY, NOW)
    assert pending.expires_at - pending.requested_at == timedelta(hours=24)
    assert confirmed(pending, None, NOW).confirmed_at == NOW
    earlier = subscriber(confirmed_at=NOW - timedelta(days=3))
    assert confirmed(pending, earlier, NOW).confirmed_at == earlier.confirmed_at


def test_operators_see_enough_to_recognize_an_address():
    assert masked("reader@example.org") == "r…@example.org"
    assert masked("https://hooks.example.net/secret?key=1") == "https://hooks.example.net/…"
    assert masked("http://127.0.0.1:8080/hook") == "http://127.0.0.1:8080/…"
