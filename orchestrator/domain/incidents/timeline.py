"""The timeline of an incident: its own entries, and what the ledger recorded meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.domain.deployment.record import DecisionEntry, Deployment, EventRecord
from orchestrator.domain.incidents.incident import Entry, Incident
from orchestrator.domain.recovery.record import Recovery

BEFORE = timedelta(hours=1)
"""How long before an incident its timeline begins: what caused it precedes it."""


@dataclass(frozen=True)
class Moment:
    """One line of a timeline.

    Attributes:
        source: incident, alarm, verdict, weight, rollback, command, deployment or recovery.
        by: the person, or what acted.
        link: the id of the deployment, the recovery or the incident.
    """

    at: datetime
    source: str
    text: str
    by: str
    link: str


@dataclass(frozen=True)
class LedgerFacts:
    """What the ledger recorded in the hours of an incident.

    Attributes:
        events: alarms and commands, with the decision on each.
        deployments: that were under way.
        decisions: of each deployment, by its id.
        recoveries: drills and restores that were under way.
    """

    events: Sequence[EventRecord] = ()
    deployments: Sequence[Deployment] = ()
    decisions: Mapping[str, Sequence[DecisionEntry]] = field(default_factory=dict)
    recoveries: Sequence[Recovery] = ()


@dataclass(frozen=True)
class Span:
    """The hours that a timeline covers."""

    start: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        """Return whether a moment is in it."""
        return self.start <= at <= self.end

    def overlaps(self, start: datetime, end: datetime | None) -> bool:
        """Return whether something that lasted from `start` to `end` (None: it lasts) was under way in it."""
        return start <= self.end and (end is None or end >= self.start)


def span_of(incident: Incident, now: datetime) -> Span:
    """Return the hours of an incident: from `BEFORE` its opening to its resolution, or to now."""
    return Span(incident.opened_at - BEFORE, incident.resolved_at or now)


def timeline_of(incident: Incident, entries: Sequence[Entry], facts: LedgerFacts, now: datetime) -> tuple[Moment, ...]:
    """Return what happened, in order of time.

    Args:
        incident: the incident.
        entries: its chain.
        facts: of the ledger.
        now: the current time: the end of the timeline of an open incident.
    """
    span = span_of(incident, now)
    own = [Moment(entry.at, "incident", f"{entry.kind}: {entry.text}", entry.by, incident.id) for entry in entries]
    recorded = [moment for moment in _recorded(facts) if span.covers(moment.at)]
    return tuple(sorted([*own, *recorded], key=lambda moment: moment.at))


def _recorded(facts: LedgerFacts) -> Iterator[Moment]:
    for event in facts.events:
        source = "command" if event.source == "person" else "alarm"
        words = f"{event.name}: {event.why}" if event.why else event.name
        yield Moment(event.at, source, words, event.source, event.deployment)
    for deployment in facts.deployments:
        yield from _of_deployment(deployment)
        for entry in facts.decisions.get(deployment.id, ()):
            words = entry.verdict.reason if entry.verdict else entry.decision.reason
            outcome = f"{entry.verdict.outcome}: " if entry.verdict else ""
            text = f"{entry.state}: {entry.decision.action}, {outcome}{words}"
            yield Moment(entry.at, "verdict", text, entry.basis.by if entry.basis else "", deployment.id)
    for recovery in facts.recoveries:
        yield Moment(
            recovery.requested_at, "recovery", f"{recovery.kind} requested", recovery.requested_by, recovery.id
        )
        if recovery.ended_at is not None:
            text = f"{recovery.kind} ended {recovery.outcome}: {recovery.reason}"
            yield Moment(recovery.ended_at, "recovery", text, "", recovery.id)


def _of_deployment(deployment: Deployment) -> Iterator[Moment]:
    one = deployment.id
    yield Moment(deployment.requested_at, "deployment", "requested", deployment.requested_by, one)
    for shift in deployment.shifts:
        yield Moment(shift.at, "weight", f"{shift.weight_percent} % of traffic to the canary", "", one)
    rollback = deployment.rollback
    if rollback is not None:
        trigger = rollback.trigger
        yield Moment(trigger.at, "rollback", f"triggered: {trigger.reason}", trigger.source, one)
        if rollback.reverted_at is not None:
            words = f"aliases point at {rollback.traffic_to.lower()}"
            yield Moment(rollback.reverted_at, "rollback", words, "", one)
        if rollback.verified_at is not None:
            words = f"{rollback.traffic_to.lower()} passed its checks"
            yield Moment(rollback.verified_at, "rollback", words, "", one)
    if deployment.ended_at is not None:
        yield Moment(deployment.ended_at, "deployment", f"ended {deployment.outcome}", "", one)
