"""What a person does with an incident: each command as the entries that it appends, or a refusal."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.incident import (
    MAX_TITLE,
    Draft,
    EntryKind,
    Incident,
    IncidentState,
    Role,
)
from orchestrator.domain.incidents.policy import IncidentPolicy
from orchestrator.domain.incidents.register import Change, FindIncident, Opening, Register, end_subjects, opening_drafts
from orchestrator.domain.incidents.severity import IncidentSeverity
from orchestrator.domain.schema import refuse_long_text
from orchestrator.domain.texts import MAX_NAME, MAX_REASON

MAX_CAUSE, DIGEST_CHARACTERS = 64, 8
CAUSE = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_CAUSE - 1}}}")
MAX_ACTIONS = 100


def open_incident(
    opening: Opening, register: Register, find: FindIncident, policy: IncidentPolicy, now: datetime
) -> Change:
    """Open an incident of a cause, or reopen the one that was resolved within the window.

    Raises:
        Refused: an incident of the cause is open; or a text is empty or too long.
    """
    _refuse_text("TITLE", opening.title, MAX_TITLE)
    _refuse_text("--reason", opening.text, MAX_REASON)
    if not CAUSE.fullmatch(opening.cause):
        remedy = "give up to 64 lower-case letters, digits and hyphens, such as upstream-provider"
        raise Refused("--cause", opening.cause, remedy)
    state = register.causes.get(opening.cause)
    current = find(state.incident) if state else None
    if current is not None and current.is_open:
        remedy = f"{current.id} is open for it: `orchestrator incident update {current.id}` adds to it"
        raise Refused("--cause", opening.cause, remedy)
    return replace(opening_drafts(opening, current, policy, now), register=register)


def cause_of_title(title: str) -> str:
    """Return the cause of an incident that a person opens without one: its title in lower case with hyphens.

    A title with other characters than ASCII, or without a letter or digit, gets a digest: two such titles have two causes.
    """
    # In upper case or with combining accents it is still the same title.
    spelled = unicodedata.normalize("NFKC", " ".join(title.split()).casefold())
    words = re.sub(r"[^a-z0-9]+", "-", spelled).strip("-")
    if title.isascii() and words:
        return words[:MAX_CAUSE].rstrip("-")
    digest = hashlib.sha256(spelled.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    readable = words[: MAX_CAUSE - DIGEST_CHARACTERS - 1].rstrip("-") or "incident"
    return f"{readable}-{digest}"


def acknowledge(incident: Incident, by: str, note: str) -> Sequence[Draft]:
    """Acknowledge the pages of an episode, so that no more are sent.

    Raises:
        Refused: it is acknowledged already, or resolved.
    """
    if incident.state is IncidentState.ACKNOWLEDGED:
        remedy = f"{incident.acknowledged_by} acknowledged it at {incident.acknowledged_at:%Y-%m-%d %H:%M} UTC"
        raise Refused("incident", incident.id, remedy)
    _refuse_long("--note", note, MAX_REASON)
    return (Draft(EntryKind.ACKNOWLEDGED, f"acknowledged: {note}" if note else "acknowledged", by),)


def update(incident: Incident, text: str, by: str, severity: IncidentSeverity | None) -> Sequence[Draft]:
    """Add an update, and change the severity if one is given.

    Raises:
        Refused: the text is empty or too long, or the severity is changed after the resolution.
    """
    _refuse_text("TEXT", text, MAX_REASON)
    drafts = [Draft(EntryKind.UPDATE, text, by)]
    if severity is not None and severity is not incident.severity:
        words = f"severity changed from {incident.severity} to {severity}"
        drafts.append(Draft(EntryKind.SEVERITY, words, by, {"severity": severity}))
    return drafts


def assign_role(role: Role, person: str, by: str) -> Sequence[Draft]:
    """Assign a role to a person. A commander resolves the incident: it is then not resolved by itself.

    Raises:
        Refused: the name is empty or too long.
    """
    _refuse_text("PERSON", person, MAX_NAME)
    return (Draft(EntryKind.ROLE, f"{role}: {person}", by, {"role": role, "person": person}),)


def resolve(incident: Incident, register: Register, reason: str, by: str, now: datetime, *, force: bool) -> Change:
    """Resolve an incident.

    Args:
        incident: the incident.
        register: of all incidents.
        reason: why it is over.
        by: the person.
        now: the current time.
        force: resolve it although a signal of its cause has not ended.

    Raises:
        Refused: it is resolved already; the reason is empty or too long; or a signal has not ended.
    """
    if incident.resolved_at is not None:
        remedy = f"{incident.resolved_by} resolved it at {incident.resolved_at:%Y-%m-%d %H:%M} UTC"
        raise Refused("incident", incident.id, remedy)
    _refuse_text("--reason", reason, MAX_REASON)
    active = register.active_subjects(incident.cause)
    if active and not force:
        remedy = f"{', '.join(active)} has not ended: wait until it has, or resolve it nevertheless with --force"
        raise Refused("incident", incident.id, remedy)
    draft = Draft(EntryKind.RESOLVED, f"resolved: {reason}", by)
    return Change(end_subjects(register, incident.cause, now), incident.id, incident, (draft,))


def add_action(incident: Incident, text: str, owner: str, due: date, by: str) -> Sequence[Draft]:
    """Add an action item, of which its owner is reminded once a day when it is overdue.

    Raises:
        Refused: a text is empty or too long, or the incident has `MAX_ACTIONS` already.
    """
    _refuse_text("TEXT", text, MAX_REASON)
    _refuse_text("--owner", owner, MAX_NAME)
    if len(incident.actions) >= MAX_ACTIONS:
        raise Refused("incident", incident.id, f"it has {MAX_ACTIONS} action items: open an issue for more")
    return (Draft(EntryKind.ACTION, text, by, {"owner": owner, "due": due.isoformat()}),)


def complete_action(incident: Incident, number: int, by: str) -> Sequence[Draft]:
    """Complete an action item.

    Raises:
        Refused: there is no such open action item.
    """
    action = next((one for one in incident.open_actions if one.number == number), None)
    if action is None:
        known = ", ".join(str(one.number) for one in incident.open_actions) or "none"
        raise Refused("NUMBER", number, f"name an open action item of {incident.id}: {known}")
    return (Draft(EntryKind.ACTION_DONE, f"action item {number} is done: {action.text}", by, {"action": number}),)


def _refuse_text(field: str, value: str, at_most: int) -> None:
    if not value.strip():
        raise Refused(field, value, "give a text")
    _refuse_long(field, value, at_most)


def _refuse_long(field: str, value: str, at_most: int) -> None:
    refuse_long_text(field, value, at_most)
