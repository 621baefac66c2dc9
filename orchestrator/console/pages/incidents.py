"""The incidents of an environment, and one with its timeline."""

from __future__ import annotations

from orchestrator.cli.actions.incidents.reading import read_incidents, read_story, summary_lines
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN
from orchestrator.console.actions import incident_links
from orchestrator.console.pages.words import minute, sentence, text_or_absent
from orchestrator.console.sections import Cell, Heading, Link, Links, Page, Table, note, present
from orchestrator.domain.incidents.incident import Incident, IncidentState

PLACE = "Incidents"
LISTED = 50
TONES = {IncidentState.OPEN: BAD, IncidentState.ACKNOWLEDGED: OPEN, IncidentState.RESOLVED: GOOD}


def incidents_page(context: Context) -> Page:
    """Return the page of the newest incidents."""
    incidents = read_incidents(context, LISTED)
    still_open = sum(one.record.is_open for one in incidents)
    columns = ("incident", "opened (UTC)", "severity", "state", "acknowledged by", "cause", "title", "open actions")
    heading = Heading("Incidents", f"the newest {len(incidents)} of {context.name}, {still_open} not resolved")
    table = Table(
        "incidents",
        "History",
        columns,
        tuple(_row(one.record, one.region) for one in incidents),
        empty="There was none.",
    )
    return Page("Incidents", PLACE, (heading, table))


def incident_page(context: Context, name: str) -> Page:
    """Return the page of an incident with its timeline.

    Raises:
        Refused: there is no such incident.
    """
    story = read_story(context, name)
    incident, broken = story.incident, story.broken_at
    altered = f"The record was altered: entry {broken} does not continue the hash chain." if broken else ""
    sentences = tuple(sentence(line) for line in summary_lines(incident))
    rows = tuple((f"{one.at:%m-%d %H:%M:%S}", one.source, one.text, one.by) for one in story.timeline)
    caption = f"{len(story.entries)} entries of the incident, and what the ledger recorded meanwhile."
    return Page(
        name,
        PLACE,
        present(
            Heading(incident.title, str(incident.severity), incident.state, TONES[incident.state], sentences),
            note(altered, BAD) if altered else None,
            note(f"It was recorded in {story.region}, and is changed there.") if story.region else None,
            Links("Actions", links) if not story.region and (links := incident_links(incident)) else None,
            Table("timeline", "Timeline", ("time (UTC)", "source", "what", "by"), rows, caption),
        ),
    )


def _row(one: Incident, region: str) -> tuple[Cell, ...]:
    return (
        Link(one.id, f"/incidents/{one.id}"),
        minute(one.opened_at),
        str(one.severity),
        str(one.state),
        text_or_absent(one.acknowledged_by),
        one.cause,
        f"{one.title} (recorded in {region})" if region else one.title,
        str(len(one.open_actions)),
    )
