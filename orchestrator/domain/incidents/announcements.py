"""The entries of an incident as events of the bus. docs/reference/events/schemas.json describes the events.

An event depends on the chain alone, so an entry that is announced a second time gives the same event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.incidents.incident import Entry, EntryKind, Incident, replay
from orchestrator.domain.verdict import Json

EVENT_TYPES: Mapping[EntryKind, str] = {
    EntryKind.OPENED: "IncidentOpened",
    EntryKind.REOPENED: "IncidentOpened",
    EntryKind.SIGNALLED: "IncidentUpdated",
    EntryKind.CLEARED: "IncidentUpdated",
    EntryKind.SEVERITY: "IncidentUpdated",
    EntryKind.ROLE: "IncidentUpdated",
    EntryKind.UPDATE: "IncidentUpdated",
    EntryKind.PAGED: "IncidentPaged",
    EntryKind.UNANSWERED: "IncidentUnanswered",
    EntryKind.ACKNOWLEDGED: "IncidentAcknowledged",
    EntryKind.RESOLVED: "IncidentResolved",
    EntryKind.REMINDED: "IncidentActionOverdue",
}
"""The kinds of entries that are announced, to the detail-types of their events."""


@dataclass(frozen=True)
class IncidentEvent:
    """An event of the bus: its detail-type, and its detail without the environment."""

    detail_type: str
    detail: Mapping[str, Json]


def events_of(entries: Sequence[Entry], announced: int) -> Iterator[IncidentEvent]:
    """Yield the events of an incident's entries whose number is larger than `announced`, in order.

    Args:
        entries: the whole chain.
        announced: the number of entries that were announced.
    """
    for index in range(announced, len(entries)):
        entry = entries[index]
        if entry.kind in EVENT_TYPES:
            yield IncidentEvent(EVENT_TYPES[entry.kind], _detail(entry, replay(entries[: index + 1])))


def _detail(entry: Entry, incident: Incident) -> Mapping[str, Json]:
    detail: dict[str, Json] = {
        "incident": incident.id,
        "at": entry.at.isoformat(),
        "number": entry.number,
        "episode": incident.episode,
        "cause": incident.cause,
        "title": incident.title,
        "severity": incident.severity.value,
        "state": incident.state.value,
        "since": incident.episode_at.isoformat(),
        "by": entry.by,
        "text": entry.text,
    }
    if entry.kind is EntryKind.PAGED:
        page = incident.pages[-1]
        names = ("level", "round", "person", "destinations")
        detail |= {"page": page.key, **{name: entry.details[name] for name in names}}
    if entry.kind in {EntryKind.ACKNOWLEDGED, EntryKind.RESOLVED}:
        detail["pages"] = [page.key for page in incident.pages]
    if entry.kind is EntryKind.REMINDED:
        detail |= {"action": entry.details["action"], "owner": entry.details["owner"]}
    return detail
