"""The evidence chain of an environment: each recovery's entry names its evidence files and the previous entry.

A changed byte, a missing report, a replaced report, or a changed order breaks the chain at a place that `verify_chain`
names. The ledger also holds the newest entry (the head), so that no entry can be dropped at the end. A completely
forged chain matches the head only if the ledger was forged too; its entries lack our signatures (`signatures.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256

from orchestrator.domain.configuration.normalization import canonical_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.hash_chain import GENESIS_HASH, entry_hash
from orchestrator.domain.untrusted_json import problem_of
from orchestrator.domain.verdict import Json

REPORT_FILE, HTML_FILE = "bundle.json", "page.html"
KNOWN_HEAD = "the given head"
"""The place of a fault that a head from another channel shows."""


@dataclass(frozen=True)
class EvidenceFile:
    """One file of an evidence report.

    Attributes:
        key: its key in the archive.
        sha256: hash of its bytes.
    """

    name: str
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ChainEntry:
    """One recovery's entry in the chain.

    Attributes:
        number: from 1.
        outcome: SUCCEEDED, FAILED or REFUSED, as in the report.
        hash: hash of all other fields and `previous_hash`, without the signature.
        key_id: thumbprint of the key that signed the entry; empty in entries that are older than signatures.
        signature: ES256 over all other fields, in base64url.
    """

    number: int
    environment: str
    recovery: str
    kind: str
    outcome: str
    recorded_at: datetime
    files: tuple[EvidenceFile, ...]
    previous_hash: str
    hash: str = ""
    key_id: str = ""
    signature: str = ""

    @property
    def title(self) -> str:
        """The name of the entry in faults."""
        return f"entry {self.number} ({self.recovery})"


@dataclass(frozen=True)
class ChainHead:
    """The newest entry, as the ledger holds it; number 0 if there is none."""

    number: int = 0
    hash: str = GENESIS_HASH


@dataclass(frozen=True)
class ChainFault:
    """A fault of a chain, and its place: ``entry 3 (dr-…)``, ``entry 3 (dr-…) page.html``, ``the head``."""

    where: str
    what: str


ReadFile = Callable[[EvidenceFile], bytes | None]
"""Reads a file of an evidence report; None if it does not exist."""


def place_entry(head: ChainHead, entry: ChainEntry) -> ChainEntry:
    """Return an entry with its number and hashes, placed after the head."""
    placed = replace(entry, number=head.number + 1, previous_hash=head.hash, hash="", signature="")
    return replace(placed, hash=_hash(placed))


def entry_file(entry: ChainEntry) -> bytes:
    """Serialize an entry as the file that is stored."""
    return canonical_json(_body(entry))


def read_entry(text: bytes) -> ChainEntry:
    """Read an entry from its file, byte by byte as it was stored.

    Raises:
        Refused: it is not an entry, or is not serialized as we serialize it.
    """
    try:
        document = json.loads(text)
        files = tuple(EvidenceFile(**file) for file in document["files"])
        entry = ChainEntry(
            **{**document, "files": files, "recorded_at": datetime.fromisoformat(document["recorded_at"])}
        )
        serialized = entry_file(entry)
        require_text(entry.environment, entry.recovery, entry.kind, entry.outcome, entry.previous_hash, entry.hash)
        require_text(
            entry.key_id, entry.signature, *(text for file in files for text in (file.name, file.key, file.sha256))
        )
        require_whole_numbers(entry.number, *(file.size_bytes for file in files))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(
            "entry", f"{len(text)} bytes", f"it is not an entry of an evidence chain: {problem_of(error)}"
        ) from error
    if serialized != text:
        raise Refused("entry", entry.title, "its bytes differ from the serialized entry: it was changed")
    return entry


def verify_chain(entries: Sequence[bytes], read: ReadFile, head: ChainHead | None) -> tuple[ChainFault, ...]:
    """Check a chain from its first entry to its head. Empty if everything is as it was recorded.

    Args:
        entries: the entries' files, in stored order.
        read: reads the files that entries name.
        head: the newest entry according to the ledger or to a copy of it. Without it, missing entries at the end
            cannot be detected.
    """
    faults: list[ChainFault] = []
    before: ChainHead | None = ChainHead()
    for position, text in enumerate(entries, start=1):
        try:
            entry = _read_valid_entry(text)
        except Refused as error:
            faults.append(ChainFault(f"entry {position}", f"{error.value}: {error.remedy}"))
            before = None  # its fields are unreliable, so the order of the next entry is not checked
            continue
        faults += _order_faults(entry, before, position) if before else []
        faults += _file_faults(entry, read)
        before = ChainHead(entry.number, entry.hash)
    if head is not None and before is not None:
        faults += _head_faults(before, head)
    return tuple(faults)


def known_head_faults(entries: Sequence[bytes], known: ChainHead) -> tuple[ChainFault, ...]:
    """Check that a chain continues the one whose head a reader knows from another channel.

    The known head may be older than the chain's: the hash of its entry covers all entries before. It says nothing about
    later entries.

    Args:
        entries: the entries' files. `verify_chain` checks them.
        known: the head that the reader knows.
    """
    hashes = {0: GENESIS_HASH} | {entry.number: entry.hash for entry in readable_entries(entries)}
    newest = max(hashes)
    if known.number > newest:
        what = f"missing at the end: {entry_range(newest + 1, known.number)}"
    elif known.number not in hashes:
        what = f"entry {known.number} is missing or cannot be read, so it cannot be compared"
    elif hashes[known.number] != known.hash:
        what = f"entry {known.number} has the hash {hashes[known.number]} instead of {known.hash}: it is another chain"
    else:
        return ()
    return (ChainFault(KNOWN_HEAD, what),)


def readable_entries(entries: Iterable[bytes]) -> Iterator[ChainEntry]:
    """Yield the entries that can be read. `verify_chain` reports the others."""
    for text in entries:
        try:
            yield read_entry(text)
        except Refused:
            continue


def entry_range(first: int, last: int) -> str:
    """Return the entries from a number to another as a fault names them. A forged number may be very large."""
    return f"entry {first}" if first == last else f"entry {first} to {last}"


def require_text(*values: object) -> None:
    """Raise TypeError unless all values are text: a decoded document may have any."""
    if not all(isinstance(value, str) for value in values):
        raise TypeError("a field that has to be text is none")


def require_whole_numbers(*values: object) -> None:
    """Raise TypeError unless all values are whole numbers: a decoded document may have any."""
    if not all(type(value) is int for value in values):
        raise TypeError("a number is no whole number")


def _read_valid_entry(text: bytes) -> ChainEntry:
    entry = read_entry(text)
    if entry.hash != _hash(entry):
        raise Refused("entry", entry.title, "its hash does not match its content: it was changed")
    return entry


def _order_faults(entry: ChainEntry, before: ChainHead, position: int) -> list[ChainFault]:
    if entry.number > before.number + 1:
        missing = entry_range(before.number + 1, entry.number - 1)
        return [ChainFault(entry.title, f"missing before it: {missing}")]
    if entry.number <= before.number:
        problem = f"it is at position {position}, after entry {before.number}: reordered or duplicated"
        return [ChainFault(entry.title, problem)]
    if entry.previous_hash != before.hash:
        return [ChainFault(entry.title, f"it does not continue entry {before.number}: one of the two was replaced")]
    return []


def _file_faults(entry: ChainEntry, read: ReadFile) -> list[ChainFault]:
    faults = []
    for file in entry.files:
        where, content = f"{entry.title} {file.name}", read(file)
        if content is None:
            faults.append(ChainFault(where, f"it is missing: {file.key}"))
        elif (digest := sha256(content).hexdigest()) != file.sha256:
            faults.append(
                ChainFault(where, f"its SHA-256 is {digest} instead of {file.sha256}: it was changed or replaced")
            )
    if {file.name for file in entry.files} != {REPORT_FILE, HTML_FILE}:
        faults.append(ChainFault(entry.title, f"it does not name {REPORT_FILE} and {HTML_FILE}"))
    return faults


def _head_faults(last: ChainHead, head: ChainHead) -> list[ChainFault]:
    if last.number < head.number:
        missing = entry_range(last.number + 1, head.number)
        return [ChainFault("the head", f"missing at the end: {missing}")]
    if last != head:
        return [
            ChainFault(
                "the head",
                f"the newest entry should be {head.number} with hash {head.hash}, but is {last.number} with {last.hash}",
            )
        ]
    return []


def _hash(entry: ChainEntry) -> str:
    return entry_hash(entry.previous_hash, _body(replace(entry, signature="")))


def _body(entry: ChainEntry) -> Mapping[str, Json]:
    body = {
        **asdict(entry),
        "files": [asdict(file) for file in entry.files],
        "recorded_at": entry.recorded_at.isoformat(),
    }
    # An entry that is older than signatures keeps its bytes.
    return {name: value for name, value in body.items() if value or name not in {"key_id", "signature"}}
