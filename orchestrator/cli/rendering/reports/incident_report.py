"""The draft of a post-mortem: what the ledger knows as a report, and the headings that people fill in."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.rendering.reports.deployment_report import clock
from orchestrator.cli.rendering.reports.report import GOOD, OPEN, Fact, Report, ReportTable, table
from orchestrator.domain.incidents.incident import Incident, Role
from orchestrator.domain.incidents.postmortem import QUESTIONS, Impact, impact_rows
from orchestrator.domain.incidents.timeline import Moment
from orchestrator.domain.texts import NOT_MEASURED


def incident_report(incident: Incident, impact: Impact, timeline: Sequence[Moment], environment: str) -> Report:
    """Return the draft of an incident's post-mortem.

    Args:
        incident: the incident.
        impact: its numbers.
        timeline: its moments, in order of time.
        environment: the environment's name.
    """
    rows = impact_rows(impact)
    missing = [name for name, value in rows if value == NOT_MEASURED]
    return Report(
        kind="incident",
        id=incident.id,
        environment=environment,
        outcome=incident.state.value,
        tone=OPEN if incident.is_open else GOOD,
        headline=f"Post-mortem of {incident.title}",
        sentence=_sentence(incident, environment),
        facts=tuple(Fact(name, value) for name, value in rows),
        tables=(
            _roles(incident),
            table(
                "Timeline",
                "All times are UTC. From an hour before the incident to its end.",
                ("time", "source", "what", "by"),
                [(f"{one.at:%Y-%m-%d %H:%M:%S}", one.source, one.text, one.by) for one in timeline],
            ),
            table(
                "Causes",
                "The draft asks for them; people write them. It names no culprit.",
                ("question", "what belongs here"),
                QUESTIONS,
            ),
            _action_items(incident),
        ),
        missing=(f"Not measured: {', '.join(missing)}.",) if missing else (),
        commands={
            f"orchestrator incident show {incident.id} --env {environment} --json": "prints the hash chain",
            f"orchestrator incident action add {incident.id} TEXT --owner NAME --due DATE --env {environment}": (
                "adds an action item, of which its owner is reminded"
            ),
        },
    )


def causes_in_markdown() -> str:
    """Return the headings under which people write the causes."""
    return "\n\n".join(f"### {heading}\n\n_{hint}_" for heading, hint in QUESTIONS)


def _sentence(incident: Incident, environment: str) -> str:
    ended = (
        f"was resolved at {clock(incident.resolved_at)} by {incident.resolved_by}"
        if incident.resolved_at
        else "is open"
    )
    answer = f"acknowledged by {incident.acknowledged_by}" if incident.acknowledged_by else "acknowledged by no person"
    return (
        f"This {incident.severity} incident of {environment}, cause {incident.cause}, was opened at "
        f"{clock(incident.opened_at)}, {answer}, and {ended}; episodes: {incident.episode}."
    )


def _roles(incident: Incident) -> ReportTable:
    rows = [(role.value, incident.roles.get(role, "not assigned")) for role in Role]
    return table("Roles", "Of the last episode.", ("role", "person"), rows)


def _action_items(incident: Incident) -> ReportTable:
    rows = [
        (str(one.number), one.text, one.owner, one.due.isoformat(), "done" if one.done_at else "open")
        for one in incident.actions
    ]
    caption = "Owners are reminded once a day when an item is overdue." if rows else "None yet."
    return table("Action items", caption, ("number", "what", "owner", "due", "state"), rows)
