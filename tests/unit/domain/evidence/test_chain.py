"""The chain of evidence: whatever is done to it, `verify` says that it was done, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    HTML_FILE,
    REPORT_FILE,
    ChainEntry,
    ChainHead,
    EvidenceFile,
    entry_file,
    known_head_faults,
    place_entry,
    read_entry,
    verify_chain,
)
from orchestrator.domain.hash_chain import entry_hash
from tests.samples import NOW


@dataclass(frozen=True)
class Shelf:
    """Links in order, and the files that they name by key."""

    links: tuple[bytes, ...]
    files: dict[str, bytes]
    head: ChainHead | None

    def faults(self) -> list[tuple[str, str]]:
        return [
            (one.where, one.what) for one in verify_chain(self.links, lambda file: self.files.get(file.key), self.head)
        ]

    def places(self) -> list[str]:
        return [where for where, _ in self.faults()]


def made(recovery: str, files: dict[str, bytes]) -> ChainEntry:
    named = tuple(
        EvidenceFile(name, f"{recovery}/{name}", sha256(content).hexdigest(), len(content))
        for name, content in files.items()
    )
    return ChainEntry(0, "test", recovery, "drill", "SUCCEEDED", NOW, named, "")


def shelf(length: int = 3) -> Shelf:
    head, links, files = ChainHead(), [], {}
    for number in range(1, length + 1):
        recovery = f"dr-{number}"
        content = {REPORT_FILE: b'{"drill":%d}' % number, HTML_FILE: b"<p>%d</p>" % number}
        one = place_entry(head, made(recovery, content))
        head = ChainHead(one.number, one.hash)
        links.append(entry_file(one))
        files |= {f"{recovery}/{name}": text for name, text in content.items()}
    return Shelf(tuple(links), files, head)


def flipped(text: bytes, position: int, bits: int = 1) -> bytes:
    return text[:position] + bytes([text[position] ^ bits]) + text[position + 1 :]


def test_an_unchanged_chain_has_no_fault():
    assert shelf().faults() == []
    assert Shelf((), {}, ChainHead()).faults() == []


def test_a_link_is_read_back_as_it_was_written():
    one = place_entry(ChainHead(), made("dr-1", {REPORT_FILE: b"{}", HTML_FILE: b""}))

    assert read_entry(entry_file(one)) == one


@pytest.mark.parametrize("name", [REPORT_FILE, HTML_FILE])
def test_every_changed_byte_of_every_file_is_found_and_named(name):
    whole = shelf()
    key = f"dr-2/{name}"
    for position in range(len(whole.files[key])):
        for bits in (1, 0x20, 0x80):
            changed = replace(whole, files=whole.files | {key: flipped(whole.files[key], position, bits)})
            assert changed.places() == [f"entry 2 (dr-2) {name}"]


def test_every_changed_byte_of_every_link_is_found_and_named():
    whole = shelf()
    for number, text in enumerate(whole.links, start=1):
        for position in range(len(text)):
            links = list(whole.links)
            links[number - 1] = flipped(text, position)
            places = replace(whole, links=tuple(links)).places()
            assert places == [f"entry {number}"], (number, position)


@given(st.data())
def test_whatever_is_written_over_a_part_of_a_file_is_found(data):
    whole = shelf(2)
    key = data.draw(st.sampled_from(sorted(whole.files)))
    text = whole.files[key]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    put = data.draw(st.binary(max_size=4))
    changed = text[:start] + put + text[end:]

    assert (replace(whole, files=whole.files | {key: changed}).faults() == []) is (changed == text)


@given(st.permutations(range(4)))
def test_every_order_but_the_right_one_is_found(order):
    whole = shelf(4)

    faults = replace(whole, links=tuple(whole.links[index] for index in order)).faults()

    assert (faults == []) is (list(order) == [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("left_out", "where", "what"),
    [
        (0, "entry 2 (dr-2)", "missing before it: entry 1"),
        (1, "entry 3 (dr-3)", "missing before it: entry 2"),
        (2, "the head", "missing at the end: entry 3"),
    ],
)
def test_a_link_that_was_left_out_is_named(left_out, where, what):
    whole = shelf()

    assert replace(whole, links=whole.links[:left_out] + whole.links[left_out + 1 :]).faults() == [(where, what)]


def test_entries_that_were_left_out_are_named_as_a_range_however_many_they_are():
    whole = shelf(5)
    middle = replace(whole, links=(whole.links[0], whole.links[4]))
    assert middle.faults() == [("entry 5 (dr-5)", "missing before it: entry 2 to 4")]

    far = ChainHead(10**9, "f" * 64)
    assert replace(whole, head=far).faults() == [("the head", "missing at the end: entry 6 to 1000000000")]
    one = place_entry(ChainHead(10**9, "f" * 64), made("dr-far", {REPORT_FILE: b"{}", HTML_FILE: b""}))
    first, *_ = verify_chain([entry_file(one)], lambda _: b"{}", None)
    assert (first.where, first.what) == ("entry 1000000001 (dr-far)", "missing before it: entry 1 to 1000000000")


def hash_of(text: bytes) -> str:
    return read_entry(text).hash


def test_a_known_head_may_be_older_than_the_chain_that_continues_it():
    whole = shelf(5)
    known = [ChainHead(), *(ChainHead(number, hash_of(text)) for number, text in enumerate(whole.links, start=1))]

    assert [known_head_faults(whole.links, head) for head in known] == [()] * 6


@pytest.mark.parametrize("number", range(6))
def test_another_hash_at_the_number_of_a_known_head_is_another_chain(number):
    (fault,) = known_head_faults(shelf(5).links, ChainHead(number, "f" * 64))

    assert fault.where == "the given head"
    assert fault.what.startswith(f"entry {number} has the hash ")
    assert fault.what.endswith(f" instead of {'f' * 64}: it is another chain")


@pytest.mark.parametrize(("number", "missing"), [(6, "entry 6"), (10**9, "entry 6 to 1000000000")])
def test_a_known_head_beyond_the_chain_shows_that_its_end_is_missing(number, missing):
    (fault,) = known_head_faults(shelf(5).links, ChainHead(number, "f" * 64))

    assert (fault.where, fault.what) == ("the given head", f"missing at the end: {missing}")


def test_a_known_head_whose_entry_is_missing_or_unreadable_cannot_be_compared():
    whole = shelf(3)
    known = ChainHead(2, hash_of(whole.links[1]))
    for links in ((whole.links[0], whole.links[2]), (whole.links[0], b"{}", whole.links[2])):
        (fault,) = known_head_faults(links, known)
        assert fault.what == "entry 2 is missing or cannot be read, so it cannot be compared"


def test_without_a_head_nothing_can_be_missed_at_the_end():
    whole = shelf()

    assert replace(whole, links=whole.links[:2], head=None).faults() == []


def test_a_file_that_is_gone_is_named():
    whole = shelf()

    faults = replace(whole, files={key: text for key, text in whole.files.items() if key != "dr-3/page.html"}).faults()

    assert faults == [("entry 3 (dr-3) page.html", "it is missing: dr-3/page.html")]


def test_a_bundle_that_was_replaced_by_another_with_a_link_to_fit_breaks_the_chain_after_it():
    whole = shelf()
    first = read_entry(whole.links[0])
    other = {REPORT_FILE: b'{"drill":"better"}', HTML_FILE: b"<p>better</p>"}
    forged = place_entry(ChainHead(1, first.hash), made("dr-2", other))
    files = whole.files | {f"dr-2/{name}": text for name, text in other.items()}

    faults = replace(whole, links=(whole.links[0], entry_file(forged), whole.links[2]), files=files).faults()

    assert faults == [("entry 3 (dr-3)", "it does not continue entry 2: one of the two was replaced")]


def test_a_chain_that_was_made_up_anew_does_not_fit_the_head():
    whole, forged = shelf(), shelf(2)
    first = place_entry(ChainHead(), made("dr-x", {REPORT_FILE: b"{}", HTML_FILE: b""}))
    links = [entry_file(first)]
    last = first
    for number in (2, 3):
        last = place_entry(
            ChainHead(last.number, last.hash), made(f"dr-{number}", {REPORT_FILE: b"{}", HTML_FILE: b""})
        )
        links.append(entry_file(last))
    files = {
        f"{recovery}/{name}": text
        for recovery in ("dr-x", "dr-2", "dr-3")
        for name, text in ((REPORT_FILE, b"{}"), (HTML_FILE, b""))
    }

    faults = Shelf(tuple(links), files, whole.head).places()

    assert faults == ["the head"]
    assert replace(forged, head=whole.head).faults() == [("the head", "missing at the end: entry 3")]


def test_a_link_that_leaves_a_file_unnamed_is_found():
    one = place_entry(ChainHead(), made("dr-1", {REPORT_FILE: b"{}"}))

    assert Shelf((entry_file(one),), {"dr-1/bundle.json": b"{}"}, None).faults() == [
        ("entry 1 (dr-1)", "it does not name bundle.json and page.html")
    ]


def test_a_link_that_stands_there_twice_is_found():
    whole = shelf()

    assert replace(whole, links=(*whole.links[:2], whole.links[1], whole.links[2])).places() == ["entry 2 (dr-2)"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"files":[]}',
        b'{"files":[1]}',
        b"\xff",
        b"[" * 100_000,
        entry_file(place_entry(ChainHead(), made("d", {}))).replace(b'"d"', rb'"\ud800"'),
        entry_file(place_entry(ChainHead(), made("d", {}))) + b" ",
    ],
)
def test_what_is_no_link_of_ours_is_refused(text):
    with pytest.raises(Refused) as refused:
        read_entry(text)

    assert refused.value.field == "entry"


FIELDS = [field.name for field in fields(ChainEntry) if field.name not in {"files", "recorded_at"}]
OF_ANOTHER_TYPE = [
    (field, value)
    for field in FIELDS
    for value in (None, [1], 1.5, True, "3" if field == "number" else 3)
    if value or field not in {"key_id", "signature"}  # none of both is an entry that is older than signatures
]


@pytest.mark.parametrize(("field", "value"), OF_ANOTHER_TYPE)
def test_a_forged_entry_with_a_field_of_another_type_is_a_fault_and_no_crash(field, value):
    """A forger computes the hash anew, so that only the type is wrong."""
    forged = replace(place_entry(ChainHead(), made("d", {})), **{field: value})
    if field != "hash":
        body = json.loads(entry_file(replace(forged, signature="")))
        forged = replace(forged, hash=entry_hash(str(forged.previous_hash), body))

    (fault,) = verify_chain([entry_file(forged)], lambda _: b"", None)

    assert fault.where == "entry 1"


def test_a_link_says_what_it_is_of():
    link = json.loads(shelf(1).links[0])

    assert (link["number"], link["recovery"], link["outcome"], link["environment"]) == (1, "dr-1", "SUCCEEDED", "test")
