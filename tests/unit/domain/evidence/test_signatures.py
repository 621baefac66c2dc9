"""Signed entries and heads: what is not signed by a published key of the environment is named."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    HTML_FILE,
    REPORT_FILE,
    ChainEntry,
    ChainHead,
    EvidenceFile,
    entry_file,
    place_entry,
    read_entry,
)
from orchestrator.domain.evidence.signatures import (
    PublishedKeys,
    head_file,
    is_signed,
    keys_document,
    newest_head,
    read_head,
    read_keys,
    second_place_faults,
    sign_head,
    signature_faults,
)
from tests.samples import NOW
from tests.unit.domain.evidence.signing import FIRST, FOREIGN, KEYS, SECOND, TestKey

FILES = (EvidenceFile(REPORT_FILE, "a", "0" * 64, 1), EvidenceFile(HTML_FILE, "b", "1" * 64, 1))


def new(number: int, environment: str = "test") -> ChainEntry:
    return ChainEntry(0, environment, f"dr-{number}", "drill", "SUCCEEDED", NOW, FILES, "")


def chain(*keys: TestKey | None, environment: str = "test") -> list[ChainEntry]:
    """Entries that were signed by these keys; None for one that is older than signatures."""
    entries: list[ChainEntry] = []
    for number, key in enumerate(keys, start=1):
        head = ChainHead(entries[-1].number, entries[-1].hash) if entries else ChainHead()
        entry = new(number, environment)
        entries.append(key.placed(head, entry) if key else place_entry(head, entry))
    return entries


def texts(entries: list[ChainEntry]) -> list[bytes]:
    return [entry_file(entry) for entry in entries]


def said(entries: list[ChainEntry], keys: PublishedKeys = KEYS) -> list[str]:
    return [f"{one.where}: {one.what}" for one in signature_faults(texts(entries), keys)]


def heads(entries: list[ChainEntry], key: TestKey = FIRST) -> list[bytes]:
    return [head_file(sign_head(entry, key.sign)) for entry in entries]


def second(kept: list[bytes], entries: list[ChainEntry]) -> list[str]:
    return [f"{one.where}: {one.what}" for one in second_place_faults(kept, texts(entries), KEYS)]


@pytest.mark.parametrize("keys", [(), (FIRST,), (FIRST, FIRST, SECOND), (None, None, FIRST), (SECOND, SECOND)], ids=len)
def test_what_published_keys_signed_has_no_fault(keys):
    assert said(chain(*keys)) == []


def test_a_signed_entry_is_read_back_as_it_was_written():
    (entry,) = chain(FIRST)

    assert read_entry(entry_file(entry)) == entry
    assert is_signed(entry, KEYS)


def test_an_entry_from_before_signatures_keeps_its_bytes():
    (entry,) = chain(None)

    assert set(json.loads(entry_file(entry))) & {"key_id", "signature"} == set()
    assert not is_signed(entry, KEYS)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ((None, None), "entry 2 (dr-2): no entry is signed: record one"),
        ((FIRST, None), "entry 2 (dr-2): it has no signature: it was forged"),
        ((FIRST, FOREIGN), "entry 2 (dr-2): it names the key"),
        ((SECOND, FIRST), "entry 2 (dr-2): it is signed by key"),
    ],
)
def test_an_entry_that_no_valid_key_signed_is_named(keys, fault):
    (found,) = said(chain(*keys))

    assert found.startswith(fault)


@pytest.mark.parametrize("field", ["environment", "recovery", "kind", "outcome", "hash", "previous_hash"])
def test_a_change_of_any_field_breaks_the_signature(field):
    (entry,) = chain(FIRST)
    changed = replace(entry, **{field: "other"})

    (found,) = said([changed])

    assert "not of test" in found if field == "environment" else "its signature is not of key" in found
    assert not is_signed(changed, KEYS)


def test_the_signature_of_another_published_key_is_not_that_of_the_one_it_names():
    (entry,) = chain(FIRST)

    (found,) = said([replace(entry, key_id=SECOND.public.kid)])

    assert "its signature is not of key" in found


def test_an_entry_of_another_environment_is_named_although_it_is_signed():
    (entry,) = chain(FIRST, environment="other")

    assert said([entry]) == ["entry 1 (dr-1): it is of 'other', not of test"]


@pytest.mark.parametrize("field", ["key_id", "signature"])
@pytest.mark.parametrize("value", [1, ["x"], None, {}])
def test_a_signature_that_is_no_text_is_no_entry_and_no_head(field, value):
    (entry,) = chain(FIRST)
    for text, read in ((entry_file(entry), read_entry), (head_file(sign_head(entry, FIRST.sign)), read_head)):
        document = canonical_json({**json.loads(text), field: value})
        with pytest.raises(Refused):
            read(document)


def test_what_cannot_be_read_is_left_to_the_chain():
    assert signature_faults([b"{}", *texts(chain(FIRST))], KEYS) == ()


def test_the_second_place_agrees_with_the_chain_that_it_saw_grow():
    entries = chain(FIRST, FIRST, FIRST)

    assert second(heads(entries), entries) == []
    assert second(heads(entries[2:]), entries) == [], "it may be younger than the chain"
    assert second([*heads(entries), *heads(entries)], entries) == [], "the same head may be put twice"
    assert second([], chain(None, None)) == [], "a chain from before signatures has no head there"
    assert second([], []) == []


@pytest.mark.parametrize(
    ("kept", "fault"),
    [
        (heads, "the second place: missing at the end: entry 3 to 4, which it knows"),
        (lambda entries: heads(entries[:1]), "the second place: it lacks the head of entry 2: verify again"),
        (lambda _: [], "the second place: it lacks the head of entry 2: verify again"),
        (lambda entries: [*heads(entries[:2]), b"{}"], "the second place: 2 bytes: it is not a signed head"),
        (
            lambda entries: [*heads(entries[:2]), *heads(entries[2:3], FOREIGN)],
            "the second place: its head 3: its sign",
        ),
        (
            lambda entries: [*heads(entries[:2]), head_file(replace(sign_head(entries[1], FIRST.sign), signature=""))],
            "the second place: its head 2: it has no signature",
        ),
        (
            lambda entries: [
                *heads(entries[:2]),
                head_file(sign_head(replace(entries[1], environment="other"), FIRST.sign)),
            ],
            "the second place: its head 2: it is of 'other', not of test",
        ),
        (
            lambda entries: [
                *heads(entries[1:2]),
                head_file(sign_head(replace(entries[0], hash="0" * 64), FIRST.sign)),
            ],
            "the second place: it has another entry 1, with hash 000",
        ),
    ],
)
def test_a_difference_to_the_second_place_is_named(kept, fault):
    entries = chain(FIRST, FIRST, FIRST, FIRST)

    (found,) = second(kept(entries), entries[:2])

    assert found.startswith(fault)


def test_the_signature_of_an_entry_is_none_of_a_head():
    (entry,) = chain(FIRST)
    head = replace(sign_head(entry, FIRST.sign), signature=entry.signature)

    assert "its signature is not of key" in second([head_file(head)], [entry])[0]


def test_the_newest_genuine_head_is_found_among_others():
    entries = chain(FIRST, FIRST, FIRST)
    kept = [b"", *heads(entries[2:], FOREIGN), *heads(entries[:2])]

    assert newest_head(kept, KEYS).head == ChainHead(2, entries[1].hash)
    assert newest_head(reversed(kept), KEYS).number == 2
    assert newest_head([], KEYS) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b"null", b"[" * 100_000, b'{"number": 1}'],
    ids=["empty", "list", "object", "null", "deep", "fields"],
)
def test_what_is_no_head_is_refused(text):
    with pytest.raises(Refused, match="it is not a signed head"):
        read_head(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\n",
        lambda text: text.replace(b'"number":1', b'"number":1.0'),
        lambda text: text.replace(b'"number":1', b'"number":true'),
    ],
)
def test_a_head_is_read_byte_by_byte(change):
    (text,) = heads(chain(FIRST))
    with pytest.raises(Refused, match="head"):
        read_head(change(text))


def test_the_published_file_is_a_jwk_set_and_is_read_back():
    text = keys_document(KEYS)

    assert read_keys(text) == KEYS
    assert [(one["kty"], one["crv"], one["alg"], one["kid"]) for one in json.loads(text)["keys"]] == [
        ("EC", "P-256", "ES256", key.kid) for key in KEYS.keys
    ]


def published(**changes: object) -> bytes:
    document = json.loads(keys_document(KEYS))
    document["keys"][0] |= changes
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "give the file that"),
        (b"[]", "give the file that"),
        (b'{"environment": "test"}', "give the file that"),
        (b'{"environment": "test", "keys": []}', "it has no key"),
        (published(kid=SECOND.public.kid), "its thumbprint"),
        (published(kty="RSA"), "is not of P-256"),
        (published(crv="P-384"), "is not of P-256"),
        (published(x="AA"), "it is no point"),
        (published(y="="), "it is no base64url"),
        (published(y=1), "give the file that"),
    ],
)
def test_a_file_that_has_no_keys_is_refused(text, problem):
    with pytest.raises(Refused, match=problem):
        read_keys(text)
