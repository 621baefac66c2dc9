"""The steps of an incident as clients read them, in the words of Statuspage, and the sentence of each.

| entry of the chain                                           | step afterwards                              |
|--------------------------------------------------------------|----------------------------------------------|
| opened, reopened                                             | investigating                                |
| acknowledged                                                 | identified; monitoring stays                 |
| a rollback has removed the cause, and nothing but the composite alarm of the service is left | monitoring   |
| a signal that began after that; a person sets the severity   | investigating; identified                    |
| resolved                                                     | resolved                                     |

The composite alarm lasts as long as the alarms that it is made of, whose periods are partly from before the rollback
(`rolled_back_changes.py`). What a person opened is monitored by no machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestrator.domain.incidents.incident import ORCHESTRATOR, Entry, EntryKind
from orchestrator.domain.names import PREFIX
from orchestrator.domain.printable import printable

OPENED_AGAIN = "The problem with {} is back. We are investigating it."
_COMPOSITE = f"alarm:{PREFIX}service-degraded-"


class Step(StrEnum):
    """The step of an incident, in the words of Statuspage."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Update:
    """A published line of an incident."""

    id: str
    at: datetime
    step: Step
    text: str


@dataclass
class _Episode:
    """An episode of an incident, while its entries are read."""

    step: Step = Step.INVESTIGATING
    by_person: bool = False
    active: set[str] = field(default_factory=set)
    removed_at: datetime | None = None


def updates_of(entries: Sequence[Entry], names: str) -> tuple[Update, ...]:
    """Return the published lines of an incident, newest first.

    Args:
        entries: the incident's chain, oldest first.
        names: of its components, for people.
    """
    return tuple(reversed(list(_updates(entries, names))))


def _updates(entries: Sequence[Entry], names: str) -> Iterator[Update]:
    episode = _Episode()
    for index, entry in enumerate(entries):
        if entry.kind in {EntryKind.OPENED, EntryKind.REOPENED}:
            episode = _Episode(by_person=entry.by != ORCHESTRATOR)
        text = _read(entry, episode, is_end=_is_resolved_with(entry, entries[index + 1 : index + 2])).format(names)
        if entry.kind is EntryKind.UPDATE and entry.by != ORCHESTRATOR:
            text = printable(entry.text)
        if text:
            yield Update(f"{entry.incident}-{entry.number}", entry.at, episode.step, text)


def _is_resolved_with(entry: Entry, following: Sequence[Entry]) -> bool:
    """Return whether an entry is written together with the resolution that it brings about."""
    return any(one.kind is EntryKind.RESOLVED and one.at == entry.at for one in following)


def _read(entry: Entry, episode: _Episode, *, is_end: bool) -> str:  # noqa: PLR0911 - one return per kind
    """Continue the episode by an entry; return the sentence of the page, or nothing."""
    match entry.kind:
        case EntryKind.OPENED:
            _begin(entry, episode)
            return "We are investigating a problem with {}."
        case EntryKind.REOPENED:
            _begin(entry, episode)
            return OPENED_AGAIN
        case EntryKind.SIGNALLED:
            return _signalled(entry, episode)
        case EntryKind.CLEARED:
            return _cleared(entry, episode, is_end=is_end)
        case EntryKind.ACKNOWLEDGED:
            episode.step = Step.MONITORING if episode.step is Step.MONITORING else Step.IDENTIFIED
            return "An engineer is working on it."
        case EntryKind.SEVERITY if episode.step is Step.MONITORING and entry.by != ORCHESTRATOR:
            episode.step = Step.IDENTIFIED
            return "An engineer is working on it."
        case EntryKind.RESOLVED:
            episode.step = Step.RESOLVED
            return "The problem is resolved."
    return ""


def _begin(entry: Entry, episode: _Episode) -> None:
    if "subject" in entry.details:
        episode.active.add(str(entry.details["subject"]))


def _signalled(entry: Entry, episode: _Episode) -> str:
    episode.active.add(str(entry.details["subject"]))
    since, removed_at = datetime.fromisoformat(str(entry.details["since"])), episode.removed_at
    if removed_at is None or since <= removed_at:
        # An event from before the rollback's end, which arrives after it.
        return ""
    episode.removed_at = None
    if episode.step is not Step.MONITORING:
        return ""
    episode.step = Step.INVESTIGATING
    return OPENED_AGAIN


def _cleared(entry: Entry, episode: _Episode, *, is_end: bool) -> str:
    episode.active.discard(str(entry.details["subject"]))
    if "removed_at" in entry.details:
        episode.removed_at = datetime.fromisoformat(str(entry.details["removed_at"]))
    if episode.removed_at is None or episode.by_person or is_end or episode.step is Step.MONITORING:
        return ""
    if not all(subject.startswith(_COMPOSITE) for subject in episode.active):
        return ""
    episode.step = Step.MONITORING
    return "The cause is removed. We are monitoring the result."
