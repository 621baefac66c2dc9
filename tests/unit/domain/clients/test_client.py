"""Changes of managed clients: what is refused, and what each change leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.clients import client as clients
from orchestrator.domain.clients.client import Action, Change, EndedGrants, Limits, Status, Wanted
from orchestrator.domain.errors import Refused

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
CHANGE = Change("ann", "a reason", NOW)
LIMITS = Limits(frozenset({"web"}), frozenset({"profile", "email"}), frozenset({"https://api.example/"}))
WANTED = Wanted("app-orders", "Orders", ("https://o.example/cb",), ("profile",), (), ("a@o.example",))
HOUR = timedelta(hours=1)


def added(secret="1" * 64):
    return clients.new_client(WANTED, LIMITS, secret, CHANGE)


def later(seconds=0.0, **hours):
    return Change("bob", "another reason", NOW + timedelta(seconds=seconds, **hours))


def test_a_new_client_is_enabled_at_revision_1_with_its_secret():
    client = added()
    assert (client.status, client.revision, client.action) == (Status.ENABLED, 1, Action.ADD)
    assert (client.secret_since, client.is_public, client.overlaps(NOW)) == (NOW, False, False)
    assert added(None).is_public
    assert added(None).secret_since is None


def test_values_that_are_listed_twice_are_kept_once():
    wanted = replace(WANTED, redirect_uris=WANTED.redirect_uris * 2, scopes=("email", "profile", "email"))
    client = clients.new_client(wanted, LIMITS, None, CHANGE)
    assert (client.redirect_uris, client.scopes) == (WANTED.redirect_uris, ("email", "profile"))


@pytest.mark.parametrize(
    ("field", "value", "option", "remedy"),
    [
        ("client_id", "web", "CLIENT", "a configured client"),
        ("client_id", "orders", "CLIENT", "app- and words"),
        ("client_id", "app-" + "a" * 61, "CLIENT", "at most 64"),
        ("name", "", "--name", "1 to 64 visible"),
        ("name", "x" * 65, "--name", "1 to 64 visible"),
        ("name", "\u202eO", "--name", "consent page"),
        ("redirect_uris", (), "--redirect-uri", "give 1 to 10"),
        ("redirect_uris", ("https://a.example/",) * 11, "--redirect-uri", "give 1 to 10"),
        ("redirect_uris", ("http://a.example/",), "--redirect-uri", "give an https address"),
        ("redirect_uris", ("https://a.example/" + "x" * 512,), "--redirect-uri", "at most 512"),
        ("scopes", (), "--scope", "at least one"),
        ("scopes", ("admin",), "--scope", "email, profile"),
        ("resources", ("https://b.example/",), "--resource", "https://api.example/"),
        ("contacts", ("a",), "--contact", "an e-mail address"),
        ("contacts", ("a@o.example\n",), "--contact", "an e-mail address"),
        ("contacts", ("a@o.example",) * 6, "--contact", "at most 5"),
    ],
)
def test_each_invalid_field_is_refused_with_its_option_and_a_remedy(field, value, option, remedy):
    with pytest.raises(Refused, match=remedy) as refusal:
        clients.new_client(replace(WANTED, **{field: value}), LIMITS, None, CHANGE)
    assert refusal.value.field == option


def test_an_environment_without_resources_says_so():
    with pytest.raises(Refused, match="there are none"):
        clients.new_client(replace(WANTED, resources=("urn:x",)), replace(LIMITS, resources=frozenset()), None, CHANGE)


def test_a_rotation_keeps_the_present_secret_for_the_overlap():
    client = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    assert (client.secret_sha256, client.earlier_secret_sha256, client.revision) == ("2" * 64, "1" * 64, 2)
    assert client.overlaps(NOW + HOUR - timedelta(seconds=1))
    assert not client.overlaps(NOW + HOUR)


def test_after_an_overlap_the_next_rotation_keeps_the_secret_of_then():
    client = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    client = clients.rotate_secret(client, "3" * 64, HOUR, later(hours=1))
    assert (client.secret_sha256, client.earlier_secret_sha256) == ("3" * 64, "2" * 64)


def test_a_lost_new_secret_is_replaced_and_the_one_in_use_is_kept():
    client = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    client = clients.rotate_secret(client, "3" * 64, HOUR, later(60), discard_new=True)
    assert (client.secret_sha256, client.earlier_secret_sha256) == ("3" * 64, "1" * 64)
    assert client.earlier_secret_until == NOW + timedelta(seconds=60) + HOUR


def test_a_rotation_without_overlap_leaves_one_secret():
    client = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    client = clients.rotate_secret(client, "3" * 64, timedelta(0), later(60))
    assert (client.secret_sha256, client.earlier_secret_sha256, client.overlaps(NOW)) == ("3" * 64, None, False)


def test_rotations_that_would_surprise_are_refused():
    with pytest.raises(Refused, match="public"):
        clients.rotate_secret(added(None), "2" * 64, HOUR, later())
    with pytest.raises(Refused, match="no overlap is running"):
        clients.rotate_secret(added(), "2" * 64, HOUR, later(), discard_new=True)
    rotated = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    with pytest.raises(Refused, match="wait until then"):
        clients.rotate_secret(rotated, "3" * 64, HOUR, later(60))


def test_disabling_again_changes_nothing():
    client = clients.disable(added(), later())
    assert (client.status, client.disabled_at, client.action) == (Status.DISABLED, NOW, Action.DISABLE)
    assert clients.disable(client, later(60)) == client


def test_a_client_is_enabled_or_removed_only_a_minute_after_it_was_disabled():
    client = clients.disable(added(), later())
    for change in (clients.enable, clients.remove):
        with pytest.raises(Refused, match="is enabled"):
            change(added(), later())
        with pytest.raises(Refused, match="wait 60 s"):
            change(client, later(59.9))
    assert clients.enable(client, later(60)).status is Status.ENABLED


def test_what_is_left_of_a_removed_client_has_no_person_and_no_secret():
    rotated = clients.rotate_secret(added(), "2" * 64, HOUR, later())
    client = clients.remove(clients.disable(rotated, later()), later(60))
    assert (client.status, client.contacts) == (Status.REMOVED, ())
    assert client.secret_sha256 is client.earlier_secret_sha256 is client.secret_since is None
    for change in (
        lambda: clients.rotate_secret(client, "3" * 64, HOUR, later()),
        lambda: clients.disable(client, later()),
        lambda: clients.enable(client, later(999)),
        lambda: clients.remove(client, later(999)),
        lambda: clients.with_contacts(client, (), later()),
    ):
        with pytest.raises(Refused, match="this one was removed"):
            change()


def test_contacts_are_replaced():
    client = clients.with_contacts(added(), ("b@o.example", "c@o.example"), later())
    assert (client.contacts, client.action) == (("b@o.example", "c@o.example"), Action.CONTACTS)


@pytest.mark.parametrize(
    ("text", "overlap"), [("24h", 24 * HOUR), ("30m", HOUR / 2), ("7d", timedelta(days=7)), ("0h", timedelta(0))]
)
def test_an_overlap_is_a_number_of_minutes_hours_or_days(text, overlap):
    assert clients.parse_overlap(text) == overlap


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "31d", "99999d", "1w", "24h ", "٣h"])
def test_any_other_overlap_is_refused(text):
    with pytest.raises(Refused, match="at most 30d"):
        clients.parse_overlap(text)


def test_numbers_of_ended_grants_are_added_up():
    assert EndedGrants(1, 2) + EndedGrants(3, 4) == EndedGrants(4, 6)
    assert EndedGrants().is_empty
    assert not EndedGrants(0, 1).is_empty
