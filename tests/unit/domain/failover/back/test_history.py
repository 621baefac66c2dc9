"""What of the standby region's ledger is copied into the home region's, and under which keys."""

import json
from dataclasses import fields

import pytest

from orchestrator.domain.deployment.record import Deployment
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
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.recovery.record import Recovery


def item(pk, sk, body="{}", **attributes):
    return {"pk": {"S": pk}, "sk": {"S": sk}, "body": {"S": body}, **attributes}


@pytest.mark.parametrize(
    ("pk", "sk", "placement"),
    [
        ("deployment#d-1", "record", Placement.RECORD),
        ("deployment#d-1", "decision#000001", Placement.ENTRY),
        ("history", "2026-12-01T10:00:00+00:00#d-1", Placement.LIST),
        ("failover#fo-1", "record", Placement.RECORD),
        ("failover-approvals#fo-1", "ann", Placement.ENTRY),
        ("deployment#d-1", "refused", Placement.ENTRY),
        ("recovery#r-1", "refused", Placement.ENTRY),
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
        assert kind.placement is not Placement.LIST or "*" not in kind.pk, "a list is read by its partition key"
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
        (RECORD, item("p", "s"), Comparison.SAME),
        (RECORD, item("p", "s", '{"reason": "x"}'), Comparison.CHANGED),
        (ENTRY, item("p", "s", '{"reason": "x"}'), Comparison.DIFFERS),
        (ENTRY, item("p", "s"), Comparison.SAME),
    ],
)
def test_a_record_that_was_written_again_has_changed_and_an_entry_must_not(kind, found, comparison):
    assert compare_item(kind, item("p", "s"), found) is comparison


ENDED = {"id": "x", "requested_by": "ann", "ended_at": "2026-12-01T10:00:00Z", "phase": "ENDED", "outcome": "SUCCEEDED"}
RECOVERY, FAILOVER = kind_of_item("recovery#r-1", "record"), kind_of_item("failover#fo-1", "record")
COMMAND = kind_of_item("deployment#d-1", "command")


@pytest.mark.parametrize(
    ("kind", "before", "changes", "comparison"),
    [
        (RECORD, ENDED, {"requested_by": "bob"}, Comparison.DIFFERS),
        (RECORD, ENDED, {"outcome": "ROLLED_BACK", "reason": "x"}, Comparison.DIFFERS),
        (RECORD, ENDED, {"ended_at": None}, Comparison.DIFFERS),
        (RECORD, ENDED | {"ended_at": None}, {"requested_by": "bob"}, Comparison.CHANGED),
        # a deployment is rolled back after its end, or it was when it was copied
        (RECORD, ENDED, {"rollback": {}, "phase": "ROLLING_BACK", "fencing_token": 2}, Comparison.CHANGED),
        (RECORD, ENDED, {"rollback": {}, "requested_by": "bob"}, Comparison.DIFFERS),
        (RECORD, ENDED | {"rollback": {}, "phase": "ROLLING_BACK"}, {"phase": "ENDED"}, Comparison.CHANGED),
        # a drill is cleaned up after its end, and a cancelled way back reopens the tables
        (RECOVERY, ENDED, {"cleaned_at": "2026-12-01T11:00:00Z"}, Comparison.CHANGED),
        (RECOVERY, ENDED, {"outcome": "FAILED"}, Comparison.DIFFERS),
        (RECOVERY, ENDED, {"rollback": {}}, Comparison.DIFFERS),
        (FAILOVER, ENDED, {"reopened_at": "2026-12-01T11:00:00Z"}, Comparison.CHANGED),
        (FAILOVER, ENDED, {"reopened_at": "2026-12-01T11:00:00Z", "reason": "x"}, Comparison.DIFFERS),
        # a later version of the software writes a field that the record did not have
        (FAILOVER, ENDED, {"reopened_at": "2026-12-01T11:00:00Z", "clients": None}, Comparison.CHANGED),
        (COMMAND, {"request": "promote"}, {"request": "abort"}, Comparison.CHANGED),
    ],
)
def test_a_record_that_has_ended_changes_only_as_its_kind_does_after_its_end(kind, before, changes, comparison):
    found, wanted = (item("p", "s", json.dumps(body)) for body in (before, before | changes))
    assert compare_item(kind, wanted, found) is comparison


@pytest.mark.parametrize("damaged", ["{", "[]", "", "[" * 200_000])
def test_a_record_that_is_no_object_differs_from_its_copy(damaged):
    for found, wanted in ((damaged, "{}"), ("{}", damaged)):
        assert compare_item(RECORD, item("p", "s", wanted), item("p", "s", found)) is Comparison.DIFFERS


@pytest.mark.parametrize(
    ("name", "record"),
    [("deployments", Deployment), ("recoveries", Recovery), ("failovers", Failover)],
)
def test_what_changes_after_the_end_of_a_record_are_fields_of_it(name, record):
    (kind,) = (kind for kind in LEDGER_KINDS if kind.name == name)
    assert kind.after_end
    assert set(kind.after_end) <= {field.name for field in fields(record)}
    assert "ended_at" in {field.name for field in fields(record)}


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
    assert report.updated == ("deployment#d-2 record",)
    assert report.unknown == ("y", "z")
    assert report.new == 1
    assert report.description == "1 records of us-east-2 were copied, 1 updated, 1 are there already, 2 differ"


def test_what_would_be_copied_is_described_as_such():
    report = report_history("us-east-2", [(RECORD, "deployment#d-1 record", Comparison.NEW)], copied=False)
    assert report.description == "1 records of us-east-2 would be copied, 0 updated, 0 are there already"
