"""Managed clients in a failover: which records are missing, and what applying records changes."""

import pytest

from orchestrator.domain.failover.managed_clients import (
    AppliedClients,
    ClientCopies,
    clients_problem,
    compare_items,
    records_to_copy,
)
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.unit.domain.failover.world import HOME, STANDBY

REMOVED = client("removed", 3, removed=True, disabled_at=NOW)


@pytest.mark.parametrize(
    ("record", "revision", "changed", "newer"),
    [
        (client("a", 2), 2, (), ()),
        (client("a", 2), 1, ("app-a",), ()),
        (client("a", 2), None, ("app-a",), ()),
        (client("a", 2), 3, (), ("app-a",)),
        (REMOVED, None, (), ()),
        (REMOVED, 3, ("app-removed",), ()),
        (REMOVED, 2, ("app-removed",), ()),
        (REMOVED, 4, ("app-removed",), ()),
        (client("off", 2, disabled_at=NOW), 3, ("app-off",), ()),
    ],
)
def test_an_item_is_changed_unless_it_is_as_recorded_or_newer_than_a_record_that_enables_it(
    record, revision, changed, newer
):
    assert compare_items([record], [revision]) == AppliedClients(1, changed, newer)


def test_what_an_earlier_attempt_changed_is_still_reported():
    earlier = AppliedClients(2, ("app-a",), ("app-n",), ("app-a",))
    now = AppliedClients(3, ("app-b",), ("app-n",), ("app-b", "app-a"))
    assert now.with_earlier(earlier) == AppliedClients(3, ("app-a", "app-b"), ("app-n",), ("app-a", "app-b"))
    assert now.with_earlier(None) == now


def test_what_was_changed_is_described_in_words():
    assert AppliedClients(2).description == "2 managed clients are as the ledger has them, changed: none"
    assert AppliedClients(2, ("app-a", "app-b"), ("app-n",), ("app-a",)).description == (
        "2 managed clients are as the ledger has them, changed: app-a, app-b; newer than the ledger's record, and left as"
        " they are: app-n; records brought from the other ledger: app-a"
    )


def test_records_that_are_missing_or_differ_are_copied():
    same, older, other = client("same"), client("older", 2), client("other", contacts=("a@app.example",))
    there = [same, client("older"), client("other"), client("only-there")]
    assert records_to_copy([same, older, other, client("new")], there) == (older, other, client("new"))


def problem(at_home, copies=(), unread=""):
    return clients_problem(ClientCopies(tuple(at_home), tuple(copies), unread), HOME, STANDBY)


def test_a_standby_region_with_every_record_has_no_problem():
    assert problem([]) == ""
    assert problem([client("a", 2)], [client("a", 2), client("only-there")]) == ""


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
