"""Why a client cannot log in: each cause is found and has a remedy, and nothing secret is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.clients import client as clients
from orchestrator.domain.clients.client import Change, Limits, Wanted
from orchestrator.domain.clients.diagnosis import Configuration, InEffect, diagnose_client
from orchestrator.domain.clients.usage import Usage

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
URI = "https://o.example/cb"
MANAGED = clients.new_client(
    Wanted("app-a", "A", (URI,), ("profile",), (), ()),
    Limits(frozenset(), frozenset({"profile"}), frozenset()),
    "1" * 64,
    Change("ann", "new", NOW),
)
USED = Usage(requests=5, grants=2, by_route={"GET /authorize": 2, "POST /token": 3})
ON = InEffect(switched_on=True, revision=1)


def of(managed=MANAGED, **changes):
    known = Configuration("app-a", "managed", "A", (URI,), ("profile",), (), public=False, managed=managed)
    return replace(known, **changes)


def problems(client=None, effect=ON, usage=USED, now=NOW, requested=None):
    return [one.problem for one in diagnose_client(client or of(), effect, usage, now, requested)]


def remedies(client=None, effect=ON, usage=USED, now=NOW):
    return [one.remedy for one in diagnose_client(client or of(), effect, usage, now)]


def test_a_client_that_works_has_no_finding():
    assert problems() == []
    assert problems(of(None), InEffect(switched_on=False, revision=None)) == []
    assert problems(requested=URI) == []


def test_a_disabled_client_names_who_disabled_it_and_why():
    disabled = clients.disable(MANAGED, Change("bob", "it is attacked", NOW))
    (problem,) = problems(of(disabled), InEffect(switched_on=True, revision=2))
    assert "disable by bob at 2026-12-01 12:00 UTC: it is attacked" in problem
    found = problems(of(disabled), InEffect(switched_on=True, revision=2), replace(USED, errors={"invalid_client": 3}))
    assert found[-1] == "invalid_client (3): the client is disabled"


def test_a_removed_client_is_replaced_by_another_one():
    removed = clients.remove(
        clients.disable(MANAGED, Change("bob", "r", NOW)), Change("bob", "r", NOW + timedelta(minutes=1))
    )
    assert remedies(of(removed), InEffect(switched_on=True, revision=None)) == [
        "orchestrator clients add, with another id"
    ]


@pytest.mark.parametrize("revision", [None, 3])
def test_a_state_that_did_not_arrive_is_found(revision):
    (problem,) = problems(effect=InEffect(switched_on=True, revision=revision))
    assert f"revision {revision}, and the ledger has 1" in problem
    assert remedies(effect=InEffect(switched_on=True, revision=revision)) == ["orchestrator clients reapply --reason …"]


def test_an_environment_without_managed_clients_is_named():
    assert "has no managed clients" in problems(effect=InEffect(switched_on=False, revision=1))[0]


def test_redirect_mismatches_are_counted_and_the_requested_uri_is_compared():
    usage = replace(USED, errors={"redirect_mismatch": 4})
    assert problems(usage=usage)[0].startswith("redirect_mismatch (4)")
    assert URI in remedies(usage=usage)[0]
    assert "registered: none" in remedies(of(redirect_uris=()), usage=usage)[0]
    assert "a slash at the end" in problems(requested=f"{URI}/")[0]


def test_failed_authentications_have_the_likeliest_cause():
    usage = replace(USED, errors={"invalid_client": 2})
    assert "wrong or missing" in problems(usage=usage)[0]
    assert "wrong or missing" in problems(of(None), usage=usage)[0]
    assert "it is public, and sent a secret" in problems(of(public=True), usage=usage)[0]
    rotated = clients.rotate_secret(MANAGED, "2" * 64, timedelta(hours=1), Change("ann", "r", NOW))
    effect = InEffect(switched_on=True, revision=2)
    after = NOW + timedelta(hours=2)
    assert "the earlier secret ended" in problems(of(rotated), effect, usage, after)[0]
    assert "wrong or missing" in problems(of(rotated), effect, usage, NOW + timedelta(days=9))[0]
    assert "wrong or missing" in problems(of(rotated), effect, usage, NOW)[0]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("invalid_grant", "expired"),
        ("invalid_scope", "scope"),
        ("server_error", "this is ours"),
        ("unknown_client", "know"),
    ],
)
def test_each_code_says_what_it_means(code, text):
    found = problems(usage=replace(USED, errors={code: 7, "http 404": 1}))
    assert len(found) == 1
    assert found[0].startswith(f"{code} (7): ")
    assert text in found[0]


def test_the_earlier_secret_in_use_is_a_warning_before_it_ends():
    rotated = clients.rotate_secret(MANAGED, "2" * 64, timedelta(hours=1), Change("ann", "r", NOW))
    usage = replace(USED, earlier_secret_requests=3)
    effect = InEffect(switched_on=True, revision=2)
    assert problems(of(rotated), effect, usage) == [
        "3 requests used the earlier secret, which ends at 2026-12-01 13:00 UTC"
    ]
    assert problems(of(rotated), effect, usage, NOW + timedelta(hours=1)) == []


def test_a_client_that_never_arrives_and_one_that_never_redeems_are_distinguished():
    assert problems(usage=Usage())[0].startswith("no request of this client")
    assert problems(usage=Usage(requests=2, by_route={"GET /authorize": 2}))[0].startswith("logins began")
    assert problems(usage=Usage(errors={"http 404": 1})) == []


def test_nothing_secret_is_said():
    rotated = clients.rotate_secret(MANAGED, "2" * 64, timedelta(hours=1), Change("ann", "r", NOW))
    codes = dict.fromkeys(("invalid_client", "redirect_mismatch", "invalid_grant"), 1)
    findings = diagnose_client(
        of(rotated), InEffect(switched_on=False, revision=None), replace(USED, errors=codes), NOW, "x"
    )
    assert len(findings) == 6
    assert not [one for one in findings if "1" * 64 in repr(one) or "2" * 64 in repr(one)]
