"""What of the standby region's ledger is copied into the home region's, and under which keys."""

import pytest

from orchestrator.domain.failover.back.history import (
    LEDGER_KINDS,
    Comparison,
    KindCount,
    Placement,
    compare_item,
    copied_key,
    copy_of,
    kind_of_item,
    report_history,
)


def item(pk, sk, body="{}", **attributes):
    return {"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": body}, **attributes}


@pytest.mark.parametrize(
    ("pk", "sk", "placement"),
    [
        ("deployment#d-1", "record", Placement.RECORD),
        ("deployment#d-1", "decision#000001", Placement.ENTRY),
        ("history", "2026-12-01T10:00:00+00:00#d-1", Placement.LIST),
        ("failover#fo-1", "record", Placement.RECORD),
        ("failover-approvals#fo-1", "ann", Placement.RECORD),
        ("incident#inc-1", "entry#000001", Placement.ENTRY),
        ("events", "2026-12-01T10:00:00+00:00#e-1", Placement.ENTRY),
        # what is valid once, what only its region may hold, and what is state
        ("failover#fo-1", "token", Placement.STAYS),
        ("deployment#d-1", "pause", Placement.STAYS),
        ("deployment#d-1", "hook#001", Placement.STAYS),
        ("recovery#r-1", "seeded-grants", Placement.STAYS),
        ("issuing-assignment", "assignment", Placement.STAYS),
        ("incident-register", "register", Placement.STAYS),
        ("clients", "client-1", Placement.STAYS),
        ("lock", "lock", Placement.STAYS),
        ("evidence", "link#000001", Placement.STAYS),
        ("copied#us-east-2#history", "2026-12-01T10:00:00+00:00#d-1", Placement.STAYS),
    ],
)
def test_each_kind_of_item_has_its_placement(pk, sk, placement):
    kind = kind_of_item(pk, sk)
    assert kind is not None
    assert kind.placement is placement


@pytest.mark.parametrize("key", [("deployment#d-1", "something-new"), ("history-2", "x"), ("", "")])
def test_an_item_of_no_kind_has_none(key):
    assert kind_of_item(*key) is None


def test_no_two_kinds_have_one_item_and_each_that_stays_has_its_reason():
    for kind in LEDGER_KINDS:
        example = (kind.pk.replace("*", "x"), kind.sk.replace("*", "x"))
        assert [one.name for one in LEDGER_KINDS if one.has(*example)] == [kind.name]
        assert bool(kind.why) == (kind.placement is Placement.STAYS)
    assert len({kind.name for kind in LEDGER_KINDS}) == len(LEDGER_KINDS)


def test_the_items_of_a_chain_are_in_one_partition_and_events_are_a_list():
    assert kind_of_item("deployment#d-1", "decision#000001").is_partition_of_record
    assert not kind_of_item("events", "e-1").is_partition_of_record


def test_a_copy_has_all_attributes_under_a_key_that_no_record_of_the_home_region_has():
    original = item("failover#fo-1", "record", record_version={"N": "7"})
    copy = copy_of(original, "us-east-2")
    assert copy == {**original, "pk": {"S": "copied#us-east-2#failover#fo-1"}}
    assert copied_key("us-east-2", "history") == "copied#us-east-2#history"


RECORD, ENTRY = kind_of_item("deployment#d-1", "record"), kind_of_item("events", "e-1")


@pytest.mark.parametrize(
    ("kind", "found", "comparison"),
    [
        (RECORD, None, Comparison.NEW),
        (RECORD, item("p", "s", "1"), Comparison.SAME),
        (RECORD, item("p", "s", "2"), Comparison.CHANGED),
        (ENTRY, item("p", "s", "2"), Comparison.DIFFERS),
        (ENTRY, item("p", "s", "1"), Comparison.SAME),
    ],
)
def test_a_record_that_was_written_again_has_changed_and_an_entry_must_not(kind, found, comparison):
    assert compare_item(kind, item("p", "s", "1"), found) is comparison


def test_a_report_counts_by_kind_and_names_what_differs_and_what_has_no_kind():
    compared = [
        (ENTRY, "events b", Comparison.DIFFERS),
        (ENTRY, "events a", Comparison.DIFFERS),
        (ENTRY, "events c", Comparison.SAME),
        (RECORD, "deployment#d-1 record", Comparison.NEW),
        (RECORD, "deployment#d-2 record", Comparison.CHANGED),
    ]
    report = report_history("us-east-2", compared, ["z", "y"], copied=True)
    assert report.counts == (KindCount("deployments", new=1, changed=1), KindCount("events", same=1, differ=2))
    assert report.differing == ("events a", "events b")
    assert report.unknown == ("y", "z")
    assert report.new == 1
    assert report.description == "1 records of us-east-2 were copied, 1 updated, 1 are there already, 2 differ"


def test_what_would_be_copied_is_described_as_such():
    report = report_history("us-east-2", [(RECORD, "deployment#d-1 record", Comparison.NEW)], copied=False)
    assert report.description == "1 records of us-east-2 would be copied, 0 updated, 0 are there already"
