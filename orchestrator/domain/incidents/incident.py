"""An incident: a hash chain of entries, from which its state follows. `TRANSITIONS` is the state machine.

| state          | meaning                                                                     |
|----------------|-----------------------------------------------------------------------------|
| `OPEN`         | the cause lasts, and no person has acknowledged it: the on-call is paged    |
| `ACKNOWLEDGED` | a person works on it: no more pages                                         |
| `RESOLVED`     | it is over; the same cause reopens it within the window of the settings     |

An episode is the time from its opening, or from a reopening, to its resolution. Acknowledgement and pages are those of
an episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from orchestrator.domain.errors import Refused
from orchestrator.domain.hash_chain import GENESIS_HASH, entry_hash, first_broken_index
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.verdict import Json

ORCHESTRATOR = "orchestrator"
"""Who writes the entries that no person writes."""

MAX_TITLE = 200
"""Characters of a title."""


class IncidentState(StrEnum):
    """The state of an incident."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


class EntryKind(StrEnum):
    """What happened to an incident."""

    OPENED = "OPENED"
    REOPENED = "REOPENED"
    SIGNALLED = "SIGNALLED"  # another signal of its cause
    CLEARED = "CLEARED"  # a signal of its cause ended
    PAGED = "PAGED"
    UNANSWERED = "UNANSWERED"  # the last level was paged, and did not acknowledge
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SEVERITY = "SEVERITY"
    ROLE = "ROLE"
    UPDATE = "UPDATE"
    RESOLVED = "RESOLVED"
    ACTION = "ACTION"
    ACTION_DONE = "ACTION_DONE"
    REMINDED = "REMINDED"


class Role(StrEnum):
    """The roles in an incident (docs/runbooks/incident.md)."""

    COMMANDER = "commander"
    OPERATIONS = "operations"
    COMMUNICATIONS = "communications"


_OPEN, _ACKNOWLEDGED, _RESOLVED = IncidentState.OPEN, IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED
_ALWAYS = (EntryKind.ROLE, EntryKind.UPDATE, EntryKind.ACTION, EntryKind.ACTION_DONE, EntryKind.REMINDED)
_WHILE_OPEN = (EntryKind.SIGNALLED, EntryKind.CLEARED, EntryKind.SEVERITY)

TRANSITIONS: Mapping[tuple[IncidentState | None, EntryKind], IncidentState] = {
    (None, EntryKind.OPENED): _OPEN,
    (_OPEN, EntryKind.PAGED): _OPEN,
    (_OPEN, EntryKind.UNANSWERED): _OPEN,
    (_OPEN, EntryKind.ACKNOWLEDGED): _ACKNOWLEDGED,
    (_OPEN, EntryKind.RESOLVED): _RESOLVED,
    (_ACKNOWLEDGED, EntryKind.RESOLVED): _RESOLVED,
    (_RESOLVED, EntryKind.REOPENED): _OPEN,
    **{(state, kind): state for state in (_OPEN, _ACKNOWLEDGED) for kind in _WHILE_OPEN},
    **{(state, kind): state for state in IncidentState for kind in _ALWAYS},
}
"""State and entry to the next state. What is not here is refused."""


@dataclass(frozen=True)
class Entry:
    """One entry of an incident's hash chain.

    Attributes:
        incident: its id.
        number: from 1.
        at: when it was decided, UTC.
        by: the person, or `ORCHESTRATOR`.
        text: what happened, for people.
        details: the fields of its kind, as JSON.
    """

    incident: str
    number: int
    at: datetime
    by: str
    kind: EntryKind
    text: str
    details: Mapping[str, Json] = field(default_factory=dict)
    previous_hash: str = ""
    hash: str = ""


@dataclass(frozen=True)
class Page:
    """One page of an episode: the level of the rota from 1, the round from 1, and who is on call ("" without a rota)."""

    level: int
    round: int
    person: str
    at: datetime

    @property
    def key(self) -> str:
        """Its name within the episode."""
        return f"{self.round}-{self.level}"


@dataclass(frozen=True)
class ActionItem:
    """An action item of the post-mortem. `reminded_at`: when its owner was reminded last."""

    number: int
    text: str
    owner: str
    due: date
    done_at: datetime | None = None
    reminded_at: datetime | None = None


@dataclass(frozen=True)
class Incident:
    """An incident as its entries describe it.

    Attributes:
        cause: the dedup key: at most one incident of a cause is open.
        episode: from 1; a reopening begins the next one.
        opened_at: of the first episode.
        episode_at: of the current episode.
        by_person: the current episode was opened by a person, who resolves it, too.
        pages: of the current episode.
        unanswered_rounds: of the current episode: how often the last level was paged without an answer.
        subjects: what signalled in the current episode; empty if a person opened it.
        last_hash: of the newest entry.
    """

    id: str
    cause: str
    title: str
    severity: IncidentSeverity
    opened_at: datetime
    episode_at: datetime
    state: IncidentState = IncidentState.OPEN
    episode: int = 1
    by_person: bool = False
    roles: Mapping[Role, str] = field(default_factory=dict)
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    resolved_by: str = ""
    resolved_at: datetime | None = None
    pages: tuple[Page, ...] = ()
    unanswered_rounds: int = 0
    subjects: tuple[str, ...] = ()
    actions: tuple[ActionItem, ...] = ()
    entries: int = 0
    last_hash: str = GENESIS_HASH

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved."""
        return self.state is not IncidentState.RESOLVED

    @property
    def is_led(self) -> bool:
        """Whether a person opened it or commands it, so that a person resolves it."""
        return self.by_person or Role.COMMANDER in self.roles

    @property
    def open_actions(self) -> tuple[ActionItem, ...]:
        """The action items that are not done."""
        return tuple(action for action in self.actions if action.done_at is None)

    @property
    def needs_attention(self) -> bool:
        """Whether time alone may have something happen to it: a page, or a reminder of an action item."""
        return self.is_open or bool(self.open_actions)


@dataclass(frozen=True)
class Draft:
    """An entry that is to be appended."""

    kind: EntryKind
    text: str
    by: str = ORCHESTRATOR
    details: Mapping[str, Json] = field(default_factory=dict)


def append(
    incident_id: str, incident: Incident | None, drafts: Sequence[Draft], now: datetime
) -> tuple[Incident, tuple[Entry, ...]]:
    """Return the incident after the drafts, and the drafts as entries of its chain.

    Args:
        incident_id: its id.
        incident: as it is; None if the first draft opens it.
        drafts: at least one.
        now: the current time.

    Raises:
        Refused: the table has no such transition.
    """
    entries: list[Entry] = []
    after = incident
    for draft in drafts:
        number = after.entries + 1 if after else 1
        entry = Entry(incident_id, number, now, draft.by, draft.kind, draft.text, draft.details)
        previous = after.last_hash if after else GENESIS_HASH
        sealed = replace(entry, previous_hash=previous, hash=entry_hash(previous, _body(entry)))
        entries.append(sealed)
        after = _after(after, sealed)
    assert after is not None, "there is at least one draft"
    return after, tuple(entries)


def replay(entries: Sequence[Entry]) -> Incident:
    """Return the incident that its entries describe.

    Raises:
        Refused: an entry is no transition of the table.
    """
    incident: Incident | None = None
    for entry in entries:
        incident = _after(incident, entry)
    assert incident is not None, "an incident has entries"
    return incident


def broken_at(entries: Sequence[Entry]) -> int | None:
    """Return the number of the first entry that does not continue the hash chain; None if all do."""
    index = first_broken_index(_body(entry) for entry in entries)
    return None if index is None else index + 1


def _body(entry: Entry) -> Mapping[str, Json]:
    return {
        "incident": entry.incident,
        "number": entry.number,
        "at": entry.at.isoformat(),
        "by": entry.by,
        "kind": entry.kind.value,
        "text": entry.text,
        "details": dict(entry.details),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }


def _after(incident: Incident | None, entry: Entry) -> Incident:
    state = TRANSITIONS.get((incident.state if incident else None, entry.kind))
    if state is None:
        was = incident.state if incident else "not open"
        remedy = f"the incident is {was}: `orchestrator incident show {entry.incident}` shows what is possible"
        raise Refused("incident", f"{entry.kind} of {entry.incident}", remedy)
    if incident is None:
        return _opened(entry)
    changed = _CHANGES[entry.kind](incident, entry) if entry.kind in _CHANGES else incident
    return replace(changed, state=state, entries=entry.number, last_hash=entry.hash)


def _opened(entry: Entry) -> Incident:
    details = entry.details
    return Incident(
        id=entry.incident,
        cause=str(details["cause"]),
        title=str(details["title"]),
        severity=IncidentSeverity(str(details["severity"])),
        opened_at=entry.at,
        episode_at=entry.at,
        by_person=entry.by != ORCHESTRATOR,
        subjects=_subjects(entry),
        entries=entry.number,
        last_hash=entry.hash,
    )


def _reopened(incident: Incident, entry: Entry) -> Incident:
    return replace(
        incident,
        severity=IncidentSeverity(str(entry.details["severity"])),
        episode=incident.episode + 1,
        episode_at=entry.at,
        by_person=entry.by != ORCHESTRATOR,
        # The commander of the last episode may be asleep: a new one is assigned.
        roles={},
        acknowledged_by="",
        acknowledged_at=None,
        resolved_by="",
        resolved_at=None,
        pages=(),
        unanswered_rounds=0,
        subjects=_subjects(entry),
    )


def _subjects(entry: Entry) -> tuple[str, ...]:
    return (str(entry.details["subject"]),) if "subject" in entry.details else ()


def _signalled(incident: Incident, entry: Entry) -> Incident:
    return replace(incident, subjects=tuple(dict.fromkeys((*incident.subjects, *_subjects(entry)))))


def _of_severity(incident: Incident, entry: Entry) -> Incident:
    return replace(incident, severity=IncidentSeverity(str(entry.details["severity"])))


def _paged(incident: Incident, entry: Entry) -> Incident:
    details: Mapping[str, Any] = entry.details
    page = Page(int(details["level"]), int(details["round"]), str(details["person"]), entry.at)
    return replace(incident, pages=(*incident.pages, page))


def _action(incident: Incident, entry: Entry) -> Incident:
    number = len(incident.actions) + 1
    due = date.fromisoformat(str(entry.details["due"]))
    return replace(
        incident, actions=(*incident.actions, ActionItem(number, entry.text, str(entry.details["owner"]), due))
    )


def _with_action(incident: Incident, entry: Entry, **changes: Any) -> Incident:
    number = entry.details["action"]
    actions = tuple(replace(one, **changes) if one.number == number else one for one in incident.actions)
    return replace(incident, actions=actions)


_CHANGES: Mapping[EntryKind, Callable[[Incident, Entry], Incident]] = {
    EntryKind.REOPENED: _reopened,
    EntryKind.SIGNALLED: _signalled,
    EntryKind.SEVERITY: _of_severity,
    EntryKind.PAGED: _paged,
    EntryKind.UNANSWERED: lambda incident, _: replace(incident, unanswered_rounds=incident.unanswered_rounds + 1),
    EntryKind.ACKNOWLEDGED: lambda incident, entry: replace(
        incident, acknowledged_by=entry.by, acknowledged_at=entry.at
    ),
    EntryKind.ROLE: lambda incident, entry: replace(
        incident, roles={**incident.roles, Role(str(entry.details["role"])): str(entry.details["person"])}
    ),
    EntryKind.RESOLVED: lambda incident, entry: replace(incident, resolved_by=entry.by, resolved_at=entry.at),
    EntryKind.ACTION: _action,
    EntryKind.ACTION_DONE: lambda incident, entry: _with_action(incident, entry, done_at=entry.at),
    EntryKind.REMINDED: lambda incident, entry: _with_action(incident, entry, reminded_at=entry.at),
}
"""What an entry changes in addition to the state."""
