"""The items of the evidence chain in the ledger, and what may be wrong with those that are not entries.

| sort key            | body                                                              |
|---------------------|-------------------------------------------------------------------|
| ``head``            | number and hash of the newest entry; ``newest`` repeats the hash  |
| ``link#000001`` …   | an entry                                                          |
| ``recovery#{id}``   | the number of a recovery's or a report's entry                    |
| ``success#{kind}``  | the newest entry of a success without an injected fault           |

Only entries are signed. All other items follow from them and from the evidence files, so each is compared with what it
has to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.chain import (
    REPORT_FILE,
    ChainEntry,
    ChainFault,
    ChainHead,
    ReadFile,
    entry_file,
    read_entry,
)
from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.untrusted_json import quoted

HEAD, ENTRY, RECOVERY, SUCCESS = "head", "link#", "recovery#", "success#"
BODY, NEWEST, EXPIRES = "body", "newest", "expires_at"


@dataclass(frozen=True)
class LedgerItem:
    """One item.

    Attributes:
        sort_key: its sort key.
        attributes: the text of all others, by name; empty for a value of another type, which we never write.
    """

    sort_key: str
    attributes: Mapping[str, str]

    @property
    def body(self) -> str:
        """The body; empty if it has none."""
        return self.attributes.get(BODY, "")


def entry_sort_key(number: int) -> str:
    """Return the sort key of an entry."""
    return f"{ENTRY}{number:06}"


def entries_of(items: Sequence[LedgerItem]) -> list[bytes]:
    """Return the entries' files in the order of their sort keys."""
    found = sorted((item for item in items if item.sort_key.startswith(ENTRY)), key=lambda item: item.sort_key)
    return [item.body.encode() for item in found]


def head_body(head: ChainHead) -> str:
    """Return the body of the head, byte by byte as the ledger stores it."""
    return json.dumps({"number": head.number, "hash": head.hash}, separators=(",", ":"), allow_nan=False)


def head_of(items: Sequence[LedgerItem]) -> ChainHead:
    """Return the head; number 0 if it is absent or cannot be read, which `item_faults` reports."""
    found = next((item for item in items if item.sort_key == HEAD), None)
    return (_head(found.body) if found else None) or ChainHead()


def newest_successes(entries: Sequence[ChainEntry], read: ReadFile) -> Mapping[str, ChainEntry]:
    """Return the newest entry of each kind of recovery that succeeded without an injected fault.

    Whether a fault was injected is in the report. A report that cannot be read counts as none; `verify_chain` reports
    it.
    """
    found: dict[str, ChainEntry] = {}
    for entry in reversed(entries):
        if entry.outcome == RecoveryOutcome.SUCCEEDED and entry.kind not in found and _without_fault(entry, read):
            found[entry.kind] = entry
    return found


def item_faults(items: Sequence[LedgerItem], successes: Mapping[str, ChainEntry]) -> Iterator[ChainFault]:
    """Yield the faults of the items that are no entries, and of the attributes and sort keys of all.

    Args:
        items: all items of the evidence.
        successes: as `newest_successes` returns them.
    """
    entries = {item.sort_key: entry for item in items if (entry := _entry(item)) is not None}
    expected = {f"{RECOVERY}{entry.recovery}": str(entry.number) for entry in entries.values()}
    expected |= {f"{SUCCESS}{kind}": entry_file(entry).decode() for kind, entry in successes.items()}
    for item in items:
        yield from _attribute_faults(item)
        entry = entries.get(item.sort_key)
        if entry and item.sort_key != entry_sort_key(entry.number):
            yield ChainFault(item.sort_key, f"it has entry {entry.number}, which belongs to another item")
        elif item.sort_key == HEAD:
            yield from _head_faults(item)
        elif not item.sort_key.startswith(ENTRY) and item.body != expected.get(item.sort_key):
            yield ChainFault(item.sort_key, _problem(item.sort_key))
    for key in sorted(expected.keys() - {item.sort_key for item in items}):
        yield ChainFault(key, "it is missing, so its entry is not found by it")


def record_faults(entries: Iterable[ChainEntry], outcomes: Mapping[str, str | None]) -> Iterator[ChainFault]:
    """Yield the faults of the recoveries' records whose outcome is not that of the signed entry.

    Args:
        entries: those that can be read.
        outcomes: outcome by recovery, of the records that have one; None for a record that cannot be read. A record of
            a dead execution has no outcome until the cleanup job completes it.
    """
    for entry in entries:
        outcome = outcomes.get(entry.recovery, entry.outcome)
        if outcome is None:
            yield ChainFault(f"the record of {entry.recovery}", "it cannot be read")
        elif outcome != entry.outcome:
            problem = f"its outcome is {quoted(outcome)}, and {entry.outcome} in entry {entry.number}: it was changed"
            yield ChainFault(f"the record of {entry.recovery}", problem)


def _attribute_faults(item: LedgerItem) -> Iterator[ChainFault]:
    if EXPIRES in item.attributes:
        yield ChainFault(item.sort_key, "it has a time to live, by which DynamoDB deletes it")
    others = item.attributes.keys() - {BODY, EXPIRES, *([NEWEST] if item.sort_key == HEAD else [])}
    if others:
        yield ChainFault(item.sort_key, f"it has attributes that we never write: {', '.join(sorted(others))}")


def _head_faults(item: LedgerItem) -> Iterator[ChainFault]:
    head = _head(item.body)
    if head is None:
        yield ChainFault(item.sort_key, "it cannot be read")
    elif item.body != head_body(head):
        yield ChainFault(item.sort_key, "its body is not a number and a hash as we write them: it was changed")
    elif item.attributes.get(NEWEST) != head.hash:
        yield ChainFault(item.sort_key, "its attribute `newest` is not its hash, so nothing more can be appended")


def _problem(sort_key: str) -> str:
    if sort_key.startswith(RECOVERY):
        return "it does not name the entry of this recovery"
    if sort_key.startswith(SUCCESS):
        return "it is not the newest entry of the chain that succeeded"
    return "it is no item of the evidence"


def _entry(item: LedgerItem) -> ChainEntry | None:
    if not item.sort_key.startswith(ENTRY):
        return None
    try:
        return read_entry(item.body.encode())
    except Refused:
        return None  # `verify_chain` reports it


def _head(text: str) -> ChainHead | None:
    try:
        document: Any = json.loads(text)
        head = ChainHead(document["number"], document["hash"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return head if type(head.number) is int and isinstance(head.hash, str) else None


def _without_fault(entry: ChainEntry, read: ReadFile) -> bool:
    report = next((file for file in entry.files if file.name == REPORT_FILE), None)
    try:
        document: Any = json.loads((read(report) if report else None) or b"")
        return document["recovery"]["fault"] is None
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
