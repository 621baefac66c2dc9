"""What a person does with incidents: open, acknowledge, update, assign, resolve, and action items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from orchestrator.application.incidents.incident_log import (
    announce_soon,
    change_incident,
    command_incident,
    policy_of,
)
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents import commands
from orchestrator.domain.incidents.incident import Draft, Incident, Role
from orchestrator.domain.incidents.register import Opening
from orchestrator.domain.incidents.severity import IncidentSeverity


def open_incident(
    context: Context, title: str, *, cause: str | None, severity: str, reason: str | None, by: str, json: bool
) -> None:
    """Open an incident, or reopen the one of its cause inside the window, and page the on-call.

    Raises:
        Refused: an incident of the cause is open, or a value is wrong.
    """
    cloud = context.cloud
    policy = policy_of(cloud)
    opening = Opening(cause or commands.cause_of_title(title), title, read_severity(severity), reason or title, by)
    incident = change_incident(
        cloud,
        lambda register: commands.open_incident(opening, register, cloud.incidents.read_incident, policy, cloud.now()),
    )
    assert incident is not None, "an opening has an entry"
    announce_soon(cloud, incident.id)
    _print(
        context,
        cloud.incidents.read_incident(incident.id),
        "opened" if incident.episode == 1 else "reopened",
        json=json,
    )


def acknowledge(context: Context, incident: str, note: str, by: str, *, json: bool) -> None:
    """Acknowledge an incident, and print it. Raises as `acknowledge_incident`."""
    _print(context, acknowledge_incident(context, incident, note, by), "acknowledged", json=json)


def acknowledge_incident(context: Context, incident: str, note: str, by: str) -> Incident:
    """Acknowledge an incident: it pages no more. Returns it.

    Raises:
        Refused: there is no such incident, or it is acknowledged or resolved.
    """
    return command_incident(context.cloud, incident, lambda one, _: commands.acknowledge(one, by, note))


def update(context: Context, incident: str, text: str, severity: str | None, by: str, *, json: bool) -> None:
    """Add an update for those who follow the incident, and change the severity if one is given.

    Raises:
        Refused: there is no such incident, or a value is wrong.
    """
    changed = read_severity(severity) if severity else None
    _command(context, incident, lambda one: commands.update(one, text, by, changed), "updated", json=json)


def assign_role(context: Context, incident: str, role: str, person: str, by: str, *, json: bool) -> None:
    """Assign a role.

    Raises:
        Refused: there is no such incident or role, or the person has no name.
    """
    if role not in tuple(Role):
        raise Refused("ROLE", role, f"give one of {', '.join(Role)}")
    drafts = commands.assign_role(Role(role), person, by)
    _command(context, incident, lambda _: drafts, f"{role} is {person}", json=json)


def resolve(context: Context, incident: str, reason: str, by: str, *, force: bool, json: bool) -> None:
    """Resolve an incident.

    Raises:
        Refused: there is no such incident, it is resolved, or its cause lasts and it is not forced.
    """
    cloud = context.cloud
    after = command_incident(
        cloud, incident, lambda one, register: commands.resolve(one, register, reason, by, cloud.now(), force=force)
    )
    _print(context, after, "resolved", json=json)


def add_action(context: Context, incident: str, text: str, owner: str, due: str, by: str, *, json: bool) -> None:
    """Add an action item to the post-mortem.

    Raises:
        Refused: there is no such incident, or a value is wrong.
    """
    day = read_date("--due", due)
    _command(context, incident, lambda one: commands.add_action(one, text, owner, day, by), "action added", json=json)


def complete_action(context: Context, incident: str, number: str, by: str, *, json: bool) -> None:
    """Complete an action item.

    Raises:
        Refused: there is no such incident or open action item.
    """
    if not number.isdecimal():
        raise Refused("NUMBER", number, "give the number of an action item: `orchestrator incident show` has it")
    _command(context, incident, lambda one: commands.complete_action(one, int(number), by), "action done", json=json)


def read_severity(text: str) -> IncidentSeverity:
    """Return a severity.

    Raises:
        Refused: there is no such severity.
    """
    if text not in tuple(IncidentSeverity):
        raise Refused("--severity", text, f"give one of {', '.join(IncidentSeverity)}")
    return IncidentSeverity(text)


def read_date(field: str, text: str) -> date:
    """Return a date.

    Raises:
        Refused: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(field, text, "give a date, such as 2026-12-24") from None


def _command(
    context: Context, incident: str, decide: Callable[[Incident], Sequence[Draft]], words: str, *, json: bool
) -> None:
    after = command_incident(context.cloud, incident, lambda one, _: decide(one))
    _print(context, after, words, json=json)


def _print(context: Context, incident: Incident, words: str, *, json: bool) -> None:
    if json:
        print_json({"environment": context.name, "incident": incident})
        return
    screen = console()
    screen.print(f"{incident.id} {words}: {incident.severity} {incident.title}", style="bold", markup=False)
    paged = (incident.pages[-1].person or "the on-call operator") if incident.pages else ""
    state = f"{incident.state}, cause {incident.cause}" + (f", paged {paged}" if paged else "")
    screen.print(state, markup=False)
