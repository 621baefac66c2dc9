"""The form and the links: double opt-in, one click to end it, one answer for every address, and nothing that is kept."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from tests.fakes.errors import client_error
from tests.fakes.subscribers import SubscriberWorld

MAIL, HOOK = "reader@example.org", "https://hooks.example.net/status?key=1"


@pytest.fixture
def world():
    return SubscriberWorld()


def items(world):
    return json.dumps(list(world.table.items.values()))


def test_an_address_is_subscribed_after_its_owner_confirmed_and_not_before(world):
    world.ask(email=MAIL, component=["login"])
    assert world.cloud.subscribers.list_subscribers() == []
    world.work()
    (mail,) = world.mailboxes.mails
    assert mail["Subject"] == "[Example status] Confirm your subscription"
    answer = world.request("POST", world.confirm_link({"email": MAIL}))
    assert (answer["statusCode"], "You are subscribed" in answer["body"]) == (200, True)
    (one,) = world.cloud.subscribers.list_subscribers()
    assert (one.address, one.components) == (MAIL, ("login",))
    assert world.cloud.subscribers.list_pending(world.clock.now()) == []


def test_opening_a_link_changes_nothing_because_scanners_do_it(world):
    world.ask(email=MAIL)
    world.work()
    before = items(world)
    for method in ("GET", "HEAD"):
        answer = world.request(method, world.confirm_link({"email": MAIL}))
        assert answer["statusCode"] == 200
    assert 'method="post"' in answer["body"]
    assert items(world) == before


def test_the_answer_is_the_same_byte_for_byte_whether_an_address_is_subscribed_or_not(world):
    world.subscribe(email=MAIL)
    known, unknown = world.ask(email=MAIL), world.ask(email="other@example.org")
    assert known == unknown
    assert MAIL not in known["body"]


def test_the_endpoint_does_the_same_for_every_address_so_that_its_time_names_none(world):
    calls = []
    for name in ("get_item", "put_item", "delete_item", "query"):
        original = getattr(world.table, name)
        setattr(
            world.table,
            name,
            lambda _original=original, _name=name, **params: calls.append(_name) or _original(**params),
        )
    world.subscribe(email=MAIL)
    found = []
    for address in (MAIL, "other@example.org"):
        calls.clear()
        sent = len(world.queue.bodies)
        world.ask(email=address)
        found.append((list(calls), len(world.queue.bodies) - sent))
    assert found == [(["put_item"], 1)] * 2


def test_a_post_to_the_link_of_a_message_ends_the_subscription_without_a_page_before_it(world):
    world.subscribe(email=MAIL)
    from tests.unit.domain.subscribers.samples import announcement

    world.announce(announcement(at=world.clock.now()))
    world.work()
    mail = world.mailboxes.to(MAIL)[-1]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.sub(r"\s", "", mail["List-Unsubscribe"]).strip("<>")
    assert link.startswith("https://status.example.com/subscriptions/unsubscribe?token=")
    assert world.request("GET", link)["statusCode"] == 200
    assert len(world.cloud.subscribers.list_subscribers()) == 1, "a scanner that opens it ends nothing"
    answer = world.request("POST", link, "List-Unsubscribe=One-Click")
    assert (answer["statusCode"], "You are unsubscribed" in answer["body"]) == (200, True)
    assert world.cloud.subscribers.list_subscribers() == []
    assert MAIL not in items(world)
    assert world.request("POST", link)["statusCode"] == 200, "a second click is harmless"


def test_what_is_left_after_the_end_of_a_subscription_names_no_one(world):
    world.subscribe(email=MAIL)
    subscriber = world.cloud.subscribers.list_subscribers()[0].id
    world.cloud.subscribers.erase(subscriber)
    kept = {key[0] for key in world.table.items}
    assert kept <= {"limit", "announced"}
    assert MAIL not in items(world)


def test_a_webhook_proves_itself_by_the_link_that_it_got_and_its_owner_gets_the_signing_secret(world):
    answer = world.subscribe(webhook=HOOK)
    assert "The webhook is subscribed" in answer["body"]
    assert re.search(r"whsec_[A-Za-z0-9+/=]{44}", answer["body"].replace("&#43;", "+"))


def test_an_address_that_is_not_confirmed_is_not_kept(world):
    world.ask(email=MAIL)
    world.work()
    link = world.confirm_link({"email": MAIL})
    (item,) = [one for key, one in world.table.items.items() if key[0] == "pending"]
    within = int(item["expires_at"]["N"]) - world.clock.now().timestamp()
    assert within <= 24 * 3600 + 2, "DynamoDB deletes it after this time"
    world.clock.advance(24 * 3600 + 1)
    assert world.request("POST", link)["statusCode"] == 400
    assert world.cloud.subscribers.list_pending(world.clock.now()) == []
    assert world.cloud.subscribers.list_subscribers() == []


def test_a_newer_request_replaces_an_older_one_and_its_link(world):
    world.ask(email=MAIL, component=["login"])
    world.work()
    old = world.confirm_link({"email": MAIL})
    world.clock.advance(60)
    world.ask(email=MAIL, component=["tokens"])
    world.work()
    assert world.request("POST", old)["statusCode"] == 410
    assert world.request("POST", world.confirm_link({"email": MAIL}))["statusCode"] == 200
    assert world.cloud.subscribers.list_subscribers()[0].components == ("tokens",)


def test_a_button_that_is_pressed_twice_shows_the_same_page(world):
    first = world.subscribe(webhook=HOOK)
    again = world.request("POST", world.confirm_link({"webhook": HOOK}))
    assert again == first


def test_a_subscriber_who_subscribes_again_changes_the_components_and_stays_subscribed_since_then(world):
    world.subscribe(email=MAIL)
    since = world.cloud.subscribers.list_subscribers()[0].confirmed_at
    world.clock.advance(3600)
    world.subscribe(email=MAIL, component=["login"])
    (one,) = world.cloud.subscribers.list_subscribers()
    assert (one.confirmed_at, one.components) == (since, ("login",))


def test_the_form_cannot_be_used_to_send_e_mail_to_others(world):
    for number in range(10):
        world.ask(email=MAIL)
        world.work()
        world.clock.advance(60 + number)
    assert len(world.mailboxes.to(MAIL)) == 3, "at most three a day"
    for number in range(300):
        world.ask(email=f"a{number}@example.org")
    world.work()
    assert len(world.mailboxes.mails) <= 200 + 3, "at most two hundred an hour"


def test_a_confirmation_that_fails_is_tried_again_and_a_repeated_message_sends_none(world):
    world.mailboxes.plan = [client_error("TooManyRequestsException")] * 2
    world.ask(email=MAIL)
    world.queue.put(world.queue.bodies[-1], world.clock.now() + timedelta(seconds=1))
    world.work()
    assert len(world.mailboxes.mails) == 1
    assert world.queue.dead == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "no address"}, "Give an e-mail address"),
        ({"email": "a@example.org\r\nBcc: b@example.org"}, "Give an e-mail address"),
        ({"webhook": "http://hooks.example.net/"}, "Give an https address"),
        ({"webhook": "https://169.254.169.254/latest"}, "Give an https address"),
        ({"webhook": "http://127.0.0.1:9001/"}, "Give an https address"),
        ({"email": MAIL, "webhook": HOOK}, "Give an e-mail address, or the address of a webhook"),
        ({}, "Give an e-mail address, or the address of a webhook"),
        ({"email": MAIL, "component": "nothing"}, "Choose out of login, tokens, user-data"),
    ],
)
def test_a_wrong_form_is_answered_with_what_to_do_and_stores_nothing(world, fields, said):
    answer = world.ask(**fields)
    assert answer["statusCode"] == 400
    assert said in answer["body"]
    assert (world.table.items, world.queue.bodies) == ({}, [])


@pytest.mark.parametrize("path", ["confirm", "unsubscribe"])
@pytest.mark.parametrize("token", ["", "x", "W10.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x" * 5000])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_that_is_not_ours_does_nothing(world, path, token, method):
    answer = world.request(method, f"/subscriptions/{path}?token={token}")
    assert (answer["statusCode"], "This link is not valid" in answer["body"]) == (400, True)


def test_a_link_of_one_purpose_is_not_valid_for_the_other(world):
    world.ask(email=MAIL)
    world.work()
    link = world.confirm_link({"email": MAIL}).replace("/confirm?", "/unsubscribe?")
    assert world.request("POST", link)["statusCode"] == 400


def test_every_answer_forbids_scripts_frames_and_caches(world):
    headers = world.ask(email=MAIL)["headers"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")


def test_what_does_not_answer_is_said_and_what_does_not_exist_too(world):
    world.table.put_item = lambda **_: (_ for _ in ()).throw(client_error("InternalServerError", status=500))
    answer = world.ask(email=MAIL)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "60")
    assert world.request("GET", "/subscriptions/other")["statusCode"] == 404
    assert world.request("DELETE", "/subscriptions/confirm")["statusCode"] == 404
