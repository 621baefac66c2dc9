"""Managed clients in a failover: which records are missing, and what applying records changes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.clients.client import Action, Change, Status
from orchestrator.domain.failover.managed_clients import (
    AppliedClients,
    ClientCopies,
    ClientItem,
    ComingRecords,
    clients_problem,
    compare_items,
    disabled_records,
    records_to_bring,
    records_to_copy,
    replaced_revision,
)
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.unit.domain.failover.world import HOME, STANDBY

REMOVED = client("removed", 3, removed=True, disabled_at=NOW)
OFF_2 = client("a", 2, disabled_at=NOW, action=Action.DISABLE, changed=Change("ann", "attacked", NOW))
GONE_3 = client("a", 3, disabled_at=NOW, removed=True)
NEWER_SECRET = client("a", 2, secret_sha256="2" * 64)
ENABLED_SINCE = client("a", 3, action=Action.ENABLE, changed=Change("bob", "fixed", NOW + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("record", "item", "found"),
    [
        (client("a", 2), ClientItem(2), {}),
        (client("a", 2), ClientItem(1), {"changed": ("app-a",)}),
        (client("a", 2), None, {"created": ("app-a",)}),
        (client("a", 2), ClientItem(3), {"newer": ("app-a",)}),
        (client("a", 2), ClientItem(3, disabled=True), {"disabled": ("app-a",)}),
        (client("a", 2), ClientItem(3, secrets=("2" * 64, None)), {"disabled": ("app-a",)}),
        (client("a", 2, secret_sha256="1" * 64), ClientItem(3, secrets=("1" * 64, None)), {"newer": ("app-a",)}),
        (client("a", 2, secret_sha256="1" * 64), ClientItem(3, secrets=("1" * 64, "0")), {"disabled": ("app-a",)}),
        (REMOVED, None, {}),
        (REMOVED, ClientItem(3), {"changed": ("app-removed",)}),
        (REMOVED, ClientItem(2), {"changed": ("app-removed",)}),
        (REMOVED, ClientItem(4), {"changed": ("app-removed",)}),
        (client("a", 2, disabled_at=NOW), ClientItem(3), {"changed": ("app-a",)}),
        (client("a", 2, disabled_at=NOW), ClientItem(3, disabled=True), {"changed": ("app-a",)}),
    ],
)
def test_an_item_gets_its_recorded_state_unless_it_is_newer(record, item, found):
    assert compare_items([record], [item]) == AppliedClients(1, **found)


def test_a_newer_item_that_is_disabled_or_has_another_secret_gets_a_record_above_it_that_disables():
    change = Change("failover fo-1", "its item was newer than its record", NOW)
    records = [client("off", 2), client("leaked", secret_sha256="1" * 64), client("as"), client("new"), client("more")]
    items = [ClientItem(5, disabled=True), ClientItem(2, secrets=("2" * 64, None)), ClientItem(1), None, ClientItem(2)]
    found = disabled_records(records, items, change)
    assert {name: (one.revision, one.status, one.changed) for name, one in found.items()} == {
        "app-off": (6, Status.DISABLED, change),
        "app-leaked": (3, Status.DISABLED, change),
    }
    assert [replaced_revision(record, item) for record, item in zip(records, items, strict=True)] == [0] * 5
    assert replaced_revision(found["app-off"], items[0]) == 5


def test_what_an_earlier_attempt_changed_is_still_reported():
    earlier = AppliedClients(2, ("app-a",), ("app-n",), ("app-a",), ("app-k",), ("app-c",), ("app-d",))
    now = AppliedClients(3, ("app-b",), ("app-n",), ("app-b", "app-a"))
    assert now.with_earlier(earlier) == AppliedClients(
        3, ("app-a", "app-b"), ("app-n",), ("app-a", "app-b"), ("app-k",), ("app-c",), ("app-d",)
    )
    assert now.with_earlier(None) == now


def test_what_was_changed_is_described_in_words():
    assert AppliedClients(2).description == "2 managed clients are as the ledger has them, changed: none"
    assert AppliedClients(
        2, ("app-a", "app-b"), ("app-n",), ("app-a",), ("app-k",), ("app-c",), ("app-d",)
    ).description == (
        "2 managed clients are as the ledger has them, changed: app-a, app-b; created from a record alone: app-c; disabled,"
        " because their newer items were disabled or had another secret than the ledger's record: app-d; newer than the ledger's record, and left as"
        " they are: app-n; records brought from the other ledger: app-a; disabled or removed here, and not in the other"
        " ledger, and left so: app-k"
    )


def test_records_that_are_missing_or_differ_are_copied():
    same, older, other = client("same"), client("older", 2), client("other", contacts=("a@app.example",))
    there = [same, client("older"), client("other"), client("only-there")]
    assert records_to_copy([same, older, other, client("new")], there) == (older, other, client("new"))


@pytest.mark.parametrize(
    ("here", "coming", "written", "kept"),
    [
        (None, client("a", 2), client("a", 2), False),
        (client("a", 2), client("a", 2), None, False),
        (client("a", 3), client("a", 2), client("a", 2), False),
        (OFF_2, client("a"), None, True),
        (OFF_2, NEWER_SECRET, replace(OFF_2, revision=3, secret_sha256="2" * 64), True),
        (OFF_2, replace(NEWER_SECRET, revision=7), replace(OFF_2, revision=8, secret_sha256="2" * 64), True),
        (OFF_2, client("a", 3, disabled_at=NOW), client("a", 3, disabled_at=NOW), False),
        (OFF_2, ENABLED_SINCE, ENABLED_SINCE, False),
        (OFF_2, replace(ENABLED_SINCE, changed=OFF_2.changed), replace(OFF_2, revision=4), True),
        (OFF_2, client("a", 3, removed=True), client("a", 3, removed=True), False),
        (GONE_3, client("a"), None, True),
        (GONE_3, ENABLED_SINCE, replace(GONE_3, revision=4), True),
        (GONE_3, client("a", 4, removed=True), client("a", 4, removed=True), False),
    ],
)
def test_a_ledger_takes_the_other_regions_record_unless_its_own_refuses_the_client(here, coming, written, kept):
    found = records_to_bring([coming], [here, client("only-here")] if here else [])
    assert found == ComingRecords((written,) if written else (), ("app-a",) if kept else ())
    now_here = written or here
    again = records_to_bring([coming], [now_here])
    assert again.records == (), "a repetition writes nothing"


def problem(at_home, copies=(), unread=""):
    return clients_problem(ClientCopies(tuple(at_home), tuple(copies), unread), HOME, STANDBY)


def test_a_standby_region_with_every_record_has_no_problem():
    assert problem([]) == ""
    assert problem([client("a", 2)], [client("a", 2), REMOVED]) == ""


def test_a_client_that_only_the_standby_region_has_is_named_because_a_failover_would_create_it():
    text = problem([client("a", 2)], [client("a", 2), client("planted", disabled_at=NOW), client("evil")])
    assert text == (
        f"managed clients recorded only in {STANDBY}, which a failover would create: app-planted, app-evil: find out who"
        " wrote them (docs/runbooks/region-failover.md#clients-that-only-the-standby-region-has)"
    )
    assert "; managed clients recorded only in" in problem([client("a", 2)], [client("evil")])


def test_each_client_whose_record_is_missing_is_named_with_both_revisions_and_the_remedy():
    text = problem([client("off", 2, disabled_at=NOW), client("new")], [client("off")])
    assert text == (
        f"managed clients of which {STANDBY} has not the record of {HOME}: app-off (disabled, revision 2; there revision 1),"
        " app-new (enabled, revision 1; there no record): `orchestrator clients reapply` brings them over"
    )


def test_of_many_only_the_first_are_named():
    assert "app-2 (enabled, revision 1; there no record) and 2 more: " in problem([client(str(n)) for n in range(5)])


def test_records_that_cannot_be_compared_are_no_pass():
    assert problem([], unread="Unreachable: no") == (
        "the records of managed clients could not be compared: Unreachable: no"
    )
