"""Managed clients in a failover: which records are missing."""

from orchestrator.domain.failover.managed_clients import (
    ClientCopies,
    clients_problem,
    records_to_copy,
)
from tests.samples import NOW
from tests.samples import managed_client as client
from tests.unit.domain.failover.world import HOME, STANDBY


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
