"""Incidents as clients read them.

What machines wrote about an incident names alarms, versions and thresholds, and stays inside; the page has a sentence of
its own for each step. What a person wrote for those who follow (`orchestrator incident update`) is published as it is,
as is the title that a person gave. Names of people are not published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.incidents.incident import ORCHESTRATOR, Entry, EntryKind, replay
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.incidents.signals import DRILL, RESTORE
from orchestrator.domain.notifications.alarms import SECURITY
from orchestrator.domain.printable import printable
from orchestrator.domain.status_page.incident_steps import Step, Update, updates_of
from orchestrator.domain.status_page.settings import Component, StatusPageSettings

RECENT, KEPT = timedelta(days=15), timedelta(days=90)
"""How long a resolved incident is on the first page, and in the history."""

UNPUBLISHED = frozenset({DRILL, RESTORE, *SECURITY})
"""Causes that are not published: drills do not reach clients, restores are planned by people, who open an incident of
their own to inform clients, and the publication of a security alarm would help an attacker."""


@dataclass(frozen=True)
class PublishedIncident:
    """An incident of the page.

    Attributes:
        components: ids.
        updates: newest first; at least one.
    """

    id: str
    title: str
    severity: IncidentSeverity
    components: tuple[str, ...]
    started_at: datetime
    resolved_at: datetime | None
    updates: tuple[Update, ...]

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved_at is None

    @property
    def step(self) -> Step:
        """The newest step."""
        return self.updates[0].step

    @property
    def updated_at(self) -> datetime:
        """When it was updated last."""
        return self.updates[0].at

    def is_recent(self, now: datetime, kept: timedelta) -> bool:
        """Return whether it is open, or was resolved at most so long ago."""
        return self.resolved_at is None or now - self.resolved_at <= kept


ComponentsOfAlarm = Callable[[str], Sequence[str]]
"""Returns the ids of the components of an alarm by its full name."""


def publish_incident(
    entries: Sequence[Entry], settings: StatusPageSettings, components_of_alarm: ComponentsOfAlarm
) -> PublishedIncident | None:
    """Return an incident as the page shows it; None if it is not published.

    Args:
        entries: the incident's chain, oldest first.
        settings: of the page.
        components_of_alarm: the components of an alarm.
    """
    incident = replay(entries)
    severities = [IncidentSeverity(str(one.details["severity"])) for one in entries if "severity" in one.details]
    if incident.cause in UNPUBLISHED or not any(one.at_least(settings.published_from) for one in severities):
        return None
    components = _components(incident.cause, entries, settings.components, components_of_alarm)
    by_person = entries[0].by != ORCHESTRATOR
    names = ", ".join(one.name for one in settings.components if one.id in components)
    return PublishedIncident(
        id=incident.id,
        title=printable(incident.title).rstrip(".") if by_person else f"Problem with {names}",
        severity=incident.severity,
        components=components,
        started_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        updates=updates_of(entries, names),
    )


def _components(
    cause: str, entries: Sequence[Entry], components: Sequence[Component], components_of_alarm: ComponentsOfAlarm
) -> tuple[str, ...]:
    """Return the components of an incident: the one that its cause names, those of its alarms, or all."""
    every = tuple(one.id for one in components)
    if cause in every:
        return (cause,)
    found: set[str] = set()
    for entry in entries:
        kind, _, name = str(entry.details.get("subject", "")).partition(":")
        if kind == "alarm" and entry.kind is not EntryKind.CLEARED:
            found.update(components_of_alarm(name))
    return tuple(one for one in every if one in found) or every
