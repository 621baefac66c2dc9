"""The register of incidents: which causes have which incident, and what is known of every signal's subject.

Events arrive at least once, late and in any order, so a subject keeps the newest time at which it began and the newest
at which it ended, as the events say. It is active if it began later than it ended. An event that changes neither time is
a duplicate, or is overtaken, and changes nothing else.

Every write of an incident is one transaction with the register's version. So two writers never both open an incident of
a cause.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.domain.incidents.incident import ORCHESTRATOR, Draft, EntryKind, Incident
from orchestrator.domain.incidents.policy import REGION_LOST, IncidentPolicy
from orchestrator.domain.incidents.severity import IncidentSeverity, worse_of
from orchestrator.domain.incidents.signals import Signal
from orchestrator.domain.notifications.alarms import SECURITY

KEPT = timedelta(days=2)
"""How long an ended subject and a resolved incident's cause are kept: EventBridge delivers for a day at most."""

MOST_ENDED = 1000
"""The most ended subjects that are kept: a DynamoDB item has at most 400 KB."""


@dataclass(frozen=True)
class Subject:
    """What is known of one subject of signals: the newest beginning and the newest end that an event reported."""

    cause: str
    began: datetime | None = None
    ended: datetime | None = None

    @property
    def active(self) -> bool:
        """Whether it began and has not ended since."""
        return self.began is not None and (self.ended is None or self.began > self.ended)


@dataclass(frozen=True)
class CauseState:
    """The newest incident of a cause, and when it was resolved; None while it is open."""

    incident: str
    resolved_at: datetime | None = None


@dataclass(frozen=True)
class Register:
    """The register of an environment.

    Attributes:
        version: of the stored item; 0 if there is none.
        subjects: of signals, by their names.
        causes: the newest incident of each cause.
        attended: incidents with something left to do, to the number of their entries that were announced.
    """

    version: int = 0
    subjects: Mapping[str, Subject] = field(default_factory=dict)
    causes: Mapping[str, CauseState] = field(default_factory=dict)
    attended: Mapping[str, int] = field(default_factory=dict)

    def active_subjects(self, cause: str) -> tuple[str, ...]:
        """Return the subjects of a cause that are active, in alphabetical order."""
        return tuple(
            sorted(name for name, subject in self.subjects.items() if subject.active and subject.cause == cause)
        )


@dataclass(frozen=True)
class Change:
    """What is to be written.

    Attributes:
        register: the register afterwards, with the version that was read.
        incident_id: the incident that gets entries; empty if none does.
        incident: as it was read; None if the first draft opens it.
        drafts: the entries.
    """

    register: Register
    incident_id: str = ""
    incident: Incident | None = None
    drafts: tuple[Draft, ...] = ()


FindIncident = Callable[[str], Incident]
"""Reads an incident of the register by its id."""


def receive_signal(
    signal: Signal, register: Register, find: FindIncident, policy: IncidentPolicy, now: datetime
) -> Change | None:
    """Decide what a signal does; None if it is a duplicate, is overtaken, or opens no incident by the settings.

    - A beginning opens an incident, reopens the one of its cause inside the window, or is added to the open one.
    - An end is added to the open incident. With the last active subject the incident is resolved, unless a person has to
      resolve it (`resolves_itself`).
    - A beginning that arrives after its end opens an incident that is resolved at once, by the same rule: it is recorded
      and pages no person.
    """
    severity = policy.severities[signal.opener] if signal.begins else None
    if signal.begins and severity is None:
        return None
    known = register.subjects.get(signal.subject, Subject(signal.cause))
    previous = known.began if signal.begins else known.ended
    if previous is not None and signal.at <= previous:
        return None
    subject = replace(known, began=signal.at) if signal.begins else replace(known, ended=signal.at)
    after = replace(register, subjects={**register.subjects, signal.subject: subject})
    state = register.causes.get(signal.cause)
    current = find(state.incident) if state else None
    if severity is not None:
        return _begun(signal, severity, after, current, policy, now)
    if current is None or not current.is_open or not known.active or subject.active:
        return Change(after)
    drafts = [_cleared(signal)]
    if not after.active_subjects(signal.cause) and resolves_itself(current.cause, led=current.is_led):
        drafts.append(_over(signal))
    return Change(after, current.id, current, tuple(drafts))


def resolves_itself(cause: str, *, led: bool) -> bool:
    """Return whether an incident is resolved when the last signal of its cause has ended.

    An alarm of the security contacts counts events: that it is OK again means that no further event came, and nothing
    about the harm. And what a person leads, a person resolves.
    """
    return not led and cause not in SECURITY


def _begun(
    signal: Signal,
    severity: IncidentSeverity,
    register: Register,
    current: Incident | None,
    policy: IncidentPolicy,
    now: datetime,
) -> Change | None:
    details = {"subject": signal.subject, "severity": severity, "since": signal.at.isoformat()}
    words = f"{signal.title}: {signal.reason}" if signal.reason else signal.title
    if current is not None and current.is_open:
        drafts = [Draft(EntryKind.SIGNALLED, words, details=details)]
        worst = worse_of(severity, current.severity)
        if worst is not current.severity:
            raised = f"severity raised from {current.severity} to {worst}: {signal.title}"
            drafts.append(Draft(EntryKind.SEVERITY, raised, details={"severity": worst}))
        if not register.subjects[signal.subject].active:
            drafts.append(Draft(EntryKind.CLEARED, f"{signal.title}: it had ended already", details=_subject(signal)))
        return Change(register, current.id, current, tuple(drafts))
    lasts = register.subjects[signal.subject].active
    if not lasts and current is not None and current.resolved_at is not None and signal.at <= current.resolved_at:
        return Change(register, current.id, current, (Draft(EntryKind.UPDATE, f"reported late: {words}"),))
    opening = opening_drafts(
        Opening(signal.cause, signal.title, severity, words, ORCHESTRATOR, details), current, policy, now
    )
    if not lasts and resolves_itself(signal.cause, led=False):
        opening = replace(opening, drafts=(*opening.drafts, _over(signal)))
    return replace(opening, register=register)


@dataclass(frozen=True)
class Opening:
    """What opens an incident, or reopens the one of its cause."""

    cause: str
    title: str
    severity: IncidentSeverity
    text: str
    by: str
    details: Mapping[str, str] = field(default_factory=dict)


def opening_drafts(opening: Opening, current: Incident | None, policy: IncidentPolicy, now: datetime) -> Change:
    """Return the change that opens an incident of a cause that has no open one; its register is empty.

    Args:
        opening: what opens it.
        current: the newest incident of the cause, which is resolved; None if there is none.
        policy: the settings.
        now: the current time.
    """
    details = {**opening.details, "cause": opening.cause, "title": opening.title, "severity": opening.severity}
    window = timedelta(minutes=policy.reopen_minutes)
    if current is not None and current.resolved_at is not None and now - current.resolved_at <= window:
        return Change(Register(), current.id, current, (Draft(EntryKind.REOPENED, opening.text, opening.by, details),))
    return Change(
        Register(),
        incident_id(opening.cause, now),
        None,
        (Draft(EntryKind.OPENED, opening.text, opening.by, details),),
    )


def incident_id(cause: str, now: datetime) -> str:
    """Return the id of an incident that opens now. Ids begin with the time, so their order is that of time."""
    digest = hashlib.sha256(f"{cause}\0{now.isoformat()}".encode()).hexdigest()[:6]
    return f"inc-{now:%Y%m%dT%H%M%SZ}-{digest}"


def after_change(change: Change, incident: Incident | None, now: datetime) -> Register:
    """Return the register to be written with a change: with the incident as its entries leave it, and pruned.

    Args:
        change: the change.
        incident: the incident after its drafts; None if the change has none.
        now: the current time.
    """
    register = change.register
    if incident is None:
        # Most signals end what never began, such as the rollback of a deployment that succeeded: they fill the item.
        return prune(register, now)
    before = change.incident.entries if change.incident else 0
    causes = {**register.causes, incident.cause: CauseState(incident.id, incident.resolved_at)}
    newest = register.causes.get(incident.cause)
    if newest is not None and newest.incident > incident.id:
        # An entry of an older incident, such as an action item: the cause keeps its newest one.
        causes[incident.cause] = newest
    attended = {**register.attended, incident.id: register.attended.get(incident.id, before)}
    return prune(replace(register, causes=causes, attended=attended), now)


def announced(register: Register, incident: Incident, number: int) -> Register | None:
    """Return the register after the entries up to `number` were announced; None if that changes nothing.

    An incident with nothing left to announce or to do is no longer attended.
    """
    known = register.attended.get(incident.id)
    if known is None:
        return None
    if number >= incident.entries and not incident.needs_attention:
        rest = {name: seen for name, seen in register.attended.items() if name != incident.id}
        return replace(register, attended=rest)
    return replace(register, attended={**register.attended, incident.id: number}) if number > known else None


def end_subjects(register: Register, cause: str, now: datetime) -> Register:
    """Return the register after a person resolved a cause's incident although it had active subjects."""
    active = register.active_subjects(cause)
    subjects = {
        name: replace(subject, ended=max(now, subject.began or now)) if name in active else subject
        for name, subject in register.subjects.items()
    }
    return replace(register, subjects=subjects)


def prune(register: Register, now: datetime) -> Register:
    """Return the register without what is older than any event that can still arrive.

    Lost regions stay: the settings name one for as long as it is lost, and must not open its incident again.
    """
    recent = {
        name: subject
        for name, subject in register.subjects.items()
        if subject.active or subject.cause == REGION_LOST or (subject.ended is not None and now - subject.ended <= KEPT)
    }
    ended = sorted(
        (name for name, subject in recent.items() if not subject.active),
        key=lambda name: recent[name].ended or now,
    )
    dropped = set(ended[: max(len(ended) - MOST_ENDED, 0)])
    causes = {
        cause: state
        for cause, state in register.causes.items()
        if state.resolved_at is None or state.incident in register.attended or now - state.resolved_at <= KEPT
    }
    subjects = {name: subject for name, subject in recent.items() if name not in dropped}
    return replace(register, subjects=subjects, causes=causes)


def _subject(signal: Signal) -> Mapping[str, str]:
    return {"subject": signal.subject}


def _cleared(signal: Signal) -> Draft:
    removal = {"removed_at": signal.at.isoformat()} if signal.removes_cause else {}
    return Draft(EntryKind.CLEARED, signal.title, details={**_subject(signal), **removal})


def _over(signal: Signal) -> Draft:
    return Draft(EntryKind.RESOLVED, f"resolved: {signal.title}")
