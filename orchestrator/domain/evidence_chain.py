"""The chain of evidence of an environment: each recovery's link names the files of its bundle and the link before.

Whoever changes a byte of a file, leaves a bundle out, puts another in its place or turns two around breaks the chain at a place
that `verify` names. The last link is held by the ledger as well (the head), so that none can be left off at the end; a whole chain
that was made up anew fits the head only where the ledger was made up with it, which the bucket's versions and its lock then show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256

from orchestrator.domain.chain import START, link
from orchestrator.domain.errors import Refused
from orchestrator.domain.normal_form import canonical
from orchestrator.domain.verdict import Json

BUNDLE, PAGE = "bundle.json", "page.html"


@dataclass(frozen=True)
class File:
    """One file of a bundle.

    Attributes:
        key: where it lies in the archive.
        sha256: of its bytes.
    """

    name: str
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Link:
    """One recovery's place in the chain.

    Attributes:
        number: from 1.
        ending: GREEN, RED or REFUSED, as the bundle says.
        hash: of everything else here and `previous_hash`.
    """

    number: int
    environment: str
    recovery: str
    kind: str
    ending: str
    recorded_at: datetime
    files: tuple[File, ...]
    previous_hash: str
    hash: str = ""

    @property
    def title(self) -> str:
        """How faults name it."""
        return f"link {self.number} ({self.recovery})"


@dataclass(frozen=True)
class Head:
    """The newest link, as the ledger holds it; number 0 while there is none."""

    number: int = 0
    hash: str = START


@dataclass(frozen=True)
class Fault:
    """What is wrong with a chain, and where: ``link 3 (dr-…)``, ``link 3 (dr-…) page.html``, ``the head``."""

    where: str
    what: str


Read = Callable[[File], bytes | None]
"""Reads a file of a bundle; None where there is none."""


def chained(after: Head, new: Link) -> Link:
    """Return a link at its place behind the head."""
    placed = replace(new, number=after.number + 1, previous_hash=after.hash, hash="")
    return replace(placed, hash=link(after.hash, _body(placed)))


def link_file(one: Link) -> bytes:
    """Write a link as the one file that is kept of it."""
    return canonical(_body(one))


def read_link(text: bytes) -> Link:
    """Read a link from its file, of which every byte counts.

    Raises:
        Refused: it is none, or it is not written as we write it.
    """
    try:
        told = json.loads(text)
        files = tuple(File(**file) for file in told["files"])
        found = Link(**{**told, "files": files, "recorded_at": datetime.fromisoformat(told["recorded_at"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("link", f"{len(text)} bytes", f"it is no link of a chain of evidence: {error!r}") from error
    if link_file(found) != text:
        raise Refused("link", found.title, "it is not written as a link is written: a byte was changed")
    return found


def verify(links: Sequence[bytes], read: Read, head: Head | None) -> tuple[Fault, ...]:
    """Check a chain from its first link to its head; nothing where all of it is as it was recorded.

    Args:
        links: the links' files, in the order in which they are found.
        read: reads the files that links name.
        head: what the ledger, or somebody who wrote it down, says is the newest link; without one, nothing at the end can be missed.
    """
    faults: list[Fault] = []
    before: Head | None = Head()
    for position, text in enumerate(links, start=1):
        try:
            found = _whole(text)
        except Refused as error:
            faults.append(Fault(f"link {position}", f"{error.value}: {error.remedy}"))
            before = None  # nothing that it says can be relied on; the next is taken as it is
            continue
        faults += _place(found, before, position) if before else []
        faults += _files(found, read)
        before = Head(found.number, found.hash)
    if head is not None and before is not None:
        faults += _end(before, head)
    return tuple(faults)


def _whole(text: bytes) -> Link:
    found = read_link(text)
    if found.hash != link(found.previous_hash, _body(found)):
        raise Refused("link", found.title, "its hash is not that of what it says: it was changed")
    return found


def _place(found: Link, before: Head, position: int) -> list[Fault]:
    if found.number > before.number + 1:
        missing = ", ".join(map(str, range(before.number + 1, found.number)))
        return [Fault(found.title, f"missing before it: link {missing}")]
    if found.number <= before.number:
        told = f"it stands at place {position}, behind link {before.number}: reordered, or there twice"
        return [Fault(found.title, told)]
    if found.previous_hash != before.hash:
        return [Fault(found.title, f"it does not continue link {before.number}: one of the two was replaced")]
    return []


def _files(found: Link, read: Read) -> list[Fault]:
    faults = []
    for file in found.files:
        where, content = f"{found.title} {file.name}", read(file)
        if content is None:
            faults.append(Fault(where, f"it is missing: {file.key}"))
        elif (seen := sha256(content).hexdigest()) != file.sha256:
            faults.append(Fault(where, f"its SHA-256 is {seen} and not {file.sha256}: it was changed or replaced"))
    if {file.name for file in found.files} != {BUNDLE, PAGE}:
        faults.append(Fault(found.title, f"it does not name {BUNDLE} and {PAGE}"))
    return faults


def _end(last: Head, head: Head) -> list[Fault]:
    if last.number < head.number:
        missing = ", ".join(map(str, range(last.number + 1, head.number + 1)))
        return [Fault("the head", f"missing at the end: link {missing}")]
    if last != head:
        return [
            Fault(
                "the head",
                f"the newest link should be {head.number} with hash {head.hash}, and is {last.number} with {last.hash}",
            )
        ]
    return []


def _body(one: Link) -> Mapping[str, Json]:
    return {**asdict(one), "files": [asdict(file) for file in one.files], "recorded_at": one.recorded_at.isoformat()}
