"""The ledger's items of the evidence: each follows from the entries, and what does not is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.evidence.chain import (
    HTML_FILE,
    REPORT_FILE,
    ChainEntry,
    ChainHead,
    EvidenceFile,
    entry_file,
    place_entry,
)
from orchestrator.domain.evidence.ledger_items import (
    LedgerItem,
    entries_of,
    entry_sort_key,
    head_body,
    head_of,
    item_faults,
    newest_successes,
    record_faults,
)
from tests.samples import NOW

REPORTS = {"a": b'{"recovery":{"fault":null}}', "b": b'{"recovery":{"fault":"items-lost"}}', "c": b"[]", "d": b"["}


def chain() -> list[ChainEntry]:
    """A drill that succeeded, one with an injected fault, a restore that failed, and two whose report is unreadable."""
    entries: list[ChainEntry] = []
    kinds = (("drill", "SUCCEEDED", "a"), ("drill", "SUCCEEDED", "b"), ("restore", "FAILED", "a"))
    for number, (kind, outcome, report) in enumerate(
        (*kinds, ("restore", "SUCCEEDED", "c"), ("restore", "SUCCEEDED", "d"), ("restore", "SUCCEEDED", "gone")),
        start=1,
    ):
        files = (EvidenceFile(REPORT_FILE, report, "0" * 64, 1), EvidenceFile(HTML_FILE, "page", "1" * 64, 1))
        head = ChainHead(entries[-1].number, entries[-1].hash) if entries else ChainHead()
        entries.append(place_entry(head, ChainEntry(0, "test", f"dr-{number}", kind, outcome, NOW, files, "")))
    return entries


ENTRIES = chain()
SUCCESSES = {"drill": ENTRIES[0]}


def item(sort_key: str, body: str, **others: str) -> LedgerItem:
    return LedgerItem(sort_key, {"body": body, **others})


def items() -> dict[str, LedgerItem]:
    newest = ENTRIES[-1]
    found = [item(entry_sort_key(entry.number), entry_file(entry).decode()) for entry in ENTRIES]
    found += [item(f"recovery#{entry.recovery}", str(entry.number)) for entry in ENTRIES]
    found.append(item("success#drill", entry_file(ENTRIES[0]).decode()))
    found.append(item("head", head_body(ChainHead(newest.number, newest.hash)), newest=newest.hash))
    return {one.sort_key: one for one in found}


def said(changed: dict[str, LedgerItem]) -> list[str]:
    return [f"{one.where}: {one.what}" for one in item_faults(list(changed.values()), SUCCESSES)]


def test_items_that_follow_from_the_entries_have_no_fault():
    assert said(items()) == []
    assert list(item_faults([], {})) == []


def test_entries_are_read_in_the_order_of_their_keys_and_the_head_as_it_is():
    shuffled = list(reversed(items().values()))

    assert entries_of(shuffled) == [entry_file(entry) for entry in ENTRIES]
    assert head_of(shuffled) == ChainHead(6, ENTRIES[-1].hash)
    assert head_of([]) == ChainHead()


def test_a_success_is_the_newest_without_an_injected_fault_whose_report_can_be_read():
    assert newest_successes(ENTRIES, lambda file: REPORTS.get(file.key)) == SUCCESSES
    nameless = replace(ENTRIES[0], files=())
    assert newest_successes([nameless], lambda file: REPORTS.get(file.key)) == {}


def removed(*keys):
    return lambda found: [found.pop(key) for key in keys]


def put(*changed):
    return lambda found: found.update({one.sort_key: one for one in changed})


NEWEST = ENTRIES[-1]
HEAD = head_body(ChainHead(6, NEWEST.hash))
CHANGED_HEAD = "head: its body is not a number and a hash as we write them: it was changed"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (removed("recovery#dr-2"), "recovery#dr-2: it is missing"),
        (removed("success#drill"), "success#drill: it is missing"),
        (put(item("recovery#dr-2", "3")), "recovery#dr-2: it does not name the entry"),
        (put(item("recovery#dr-2", "02")), "recovery#dr-2: it does not name the entry"),
        (put(LedgerItem("recovery#dr-2", {})), "recovery#dr-2: it does not name the entry"),
        (put(item("recovery#dr-9", "2")), "recovery#dr-9: it does not name the entry"),
        (put(item("success#drill", entry_file(ENTRIES[1]).decode())), "success#drill: it is not the newest entry"),
        (put(item("success#restore", "{}")), "success#restore: it is not the newest entry"),
        (
            put(item("success#drill", entry_file(ENTRIES[0]).decode(), expires_at="1")),
            "success#drill: it has a time to",
        ),
        (put(item("recovery#dr-2", "2", owner="me")), "recovery#dr-2: it has attributes that we never write: owner"),
        (put(item("other", "1")), "other: it is no item of the evidence"),
        (put(item("link#000009", entry_file(ENTRIES[1]).decode())), "link#000009: it has entry 2"),
        (put(item("head", HEAD, newest="x")), "head: its attribute `newest` is not its hash"),
        (put(item("head", HEAD)), "head: its attribute `newest` is not its hash"),
        (put(item("head", entry_file(NEWEST).decode(), newest=NEWEST.hash)), CHANGED_HEAD),
        (put(item("head", HEAD.replace("}", ',"note":1}'), newest=NEWEST.hash)), CHANGED_HEAD),
        (put(item("head", HEAD.replace(",", ", "), newest=NEWEST.hash)), CHANGED_HEAD),
        (put(item("head", HEAD.replace("{", '{"number":5,'), newest=NEWEST.hash)), CHANGED_HEAD),
        (put(item("head", "[]", newest="x")), "head: it cannot be read"),
        (put(item("head", "[" * 100_000, newest="x")), "head: it cannot be read"),
        (put(item("head", '{"number": true, "hash": "x"}', newest="x")), "head: it cannot be read"),
        (put(item("head", '{"number": 1, "hash": 2}', newest="x")), "head: it cannot be read"),
    ],
)
def test_an_item_that_does_not_follow_from_the_entries_is_named(change, fault):
    changed = items()
    change(changed)

    (found,) = said(changed)

    assert found.startswith(fault)


def test_an_entry_that_cannot_be_read_is_left_to_the_chain():
    changed = items()
    put(item("link#000002", "{}"))(changed)

    assert said(changed) == ["recovery#dr-2: it does not name the entry of this recovery"]
    assert head_of([item("head", "{}")]) == ChainHead()


def test_a_record_whose_outcome_is_not_that_of_its_entry_is_named():
    outcomes = {"dr-1": "SUCCEEDED", "dr-2": None, "dr-3": "SUCCEEDED"}

    found = [f"{one.where}: {one.what}" for one in record_faults(ENTRIES, outcomes)]

    assert found == [
        "the record of dr-2: it cannot be read",
        "the record of dr-3: its outcome is 'SUCCEEDED', and FAILED in entry 3: it was changed",
    ]


def test_an_entry_without_a_record_has_no_fault():
    assert list(record_faults(ENTRIES, {})) == []
