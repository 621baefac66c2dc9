"""What a person reads of incidents: the list, one incident with its timeline, who is on call, and the post-mortem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator import environments
from orchestrator.application.cloud import Cloud, for_each, now
from orchestrator.application.failover.copied_ledgers import (
    Recorded,
    cloud_that_has,
    newest_recorded,
    of_its_region,
    region_of,
)
from orchestrator.application.incidents.facts import count_traffic, read_facts
from orchestrator.application.incidents.incident_log import read_open_incidents
from orchestrator.cli.actions.reports.report import FORMATS, render, write_file
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.cli.rendering.recorded import recorded_json, recorded_table
from orchestrator.cli.rendering.reports.incident_report import causes_in_markdown, incident_report
from orchestrator.domain.errors import Refused
from orchestrator.domain.incidents.coverage import turns_of
from orchestrator.domain.incidents.incident import Entry, Incident, Role, broken_at, replay
from orchestrator.domain.incidents.postmortem import TrafficCounts, impact_of
from orchestrator.domain.incidents.timeline import Moment, span_of, timeline_of


@dataclass(frozen=True)
class IncidentStory:
    """An incident with its timeline.

    Attributes:
        broken_at: the first entry that does not continue the hash chain; None if all do.
        region: whose ledger recorded it; empty for this region.
    """

    incident: Incident
    entries: Sequence[Entry]
    timeline: Sequence[Moment]
    broken_at: int | None
    region: str = ""


def read_incidents(context: Context, limit: int) -> list[Recorded[Incident]]:
    """Return the newest incidents of this region and of copied ledgers, newest first."""

    def newest(cloud: Cloud) -> list[Incident]:
        return for_each(cloud.incidents.list_ids(limit), cloud.incidents.read_incident)

    return newest_recorded(context.cloud, newest, lambda incident: incident.opened_at, limit)


def read_story(context: Context, incident_id: str) -> IncidentStory:
    """Return an incident with its timeline.

    Raises:
        Refused: there is no such incident.
    """
    cloud = _cloud_of(context, incident_id)
    entries = cloud.incidents.read_entries(incident_id)
    incident, at = replay(entries), cloud.now()
    timeline = timeline_of(incident, entries, read_facts(cloud, span_of(incident, at)), at)
    region = "" if cloud is context.cloud else region_of(cloud)
    return IncidentStory(incident, entries, timeline, broken_at(entries), region)


def _cloud_of(context: Context, incident_id: str) -> Cloud:
    """Return this region, or the copied ledger that has the incident."""
    return cloud_that_has(context.cloud, lambda cloud: cloud.incidents.has_incident(incident_id))


def list_incidents(context: Context, limit: int, *, only_open: bool, json: bool) -> None:
    """List the newest incidents, or the newest of those that are open, newest first.

    The register has the open ones: any number of newer incidents may be resolved.
    """
    shown = (
        [Recorded(one) for one in read_open_incidents(context.cloud)[::-1][:limit]]
        if only_open
        else read_incidents(context, limit)
    )
    if json:
        print_json({"environment": context.name, "incidents": [recorded_json(one, one.record) for one in shown]})
        return
    if not shown:
        console().print(f"{context.name} has no {'open ' if only_open else ''}incident", markup=False)
        return
    columns = ("opened (UTC)", "incident", "severity", "state", "cause", "title", "open actions")
    console().print(recorded_table(columns, shown, _row, ("incident", "state")))


def _row(incident: Incident) -> tuple[str, ...]:
    return (
        f"{incident.opened_at:%Y-%m-%d %H:%M}",
        incident.id,
        incident.severity,
        incident.state,
        incident.cause,
        incident.title,
        str(len(incident.open_actions)),
    )


def show_incident(context: Context, incident_id: str, *, json: bool) -> None:
    """Show an incident with its timeline.

    Raises:
        Refused: there is no such incident.
    """
    story = read_story(context, incident_id)
    incident, broken, timeline = story.incident, story.broken_at, story.timeline
    if json:
        document = {"environment": context.name, "incident": incident, "entries": story.entries, "timeline": timeline}
        print_json({**document, "broken_at": broken, **({"recorded_in": story.region} if story.region else {})})
        return
    screen = console()
    screen.print(f"{incident.severity} {incident.title}", style="bold", markup=False)
    for line in summary_lines(incident):
        screen.print(line, markup=False)
    if story.region:
        screen.print(f"recorded in {story.region}: change it there, with --standby", markup=False)
    if broken is not None:
        screen.print(f"the record was altered: entry {broken} does not continue the hash chain", style="bold red")
    screen.print(
        text_table(("time (UTC)", "source", "what", "by"), [_moment_row(one) for one in timeline], ("source",))
    )


def summary_lines(incident: Incident) -> list[str]:
    """Return the state of an incident, its roles, its pages and its open action items, a line each."""
    acknowledged = incident.acknowledged_by or "no person"
    roles = ", ".join(f"{role} {incident.roles.get(role, 'not assigned')}" for role in Role)
    lines = [
        f"{incident.id} is {incident.state}, cause {incident.cause}, episode {incident.episode}",
        f"opened {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC, acknowledged by {acknowledged}",
        f"roles: {roles}",
    ]
    if incident.pages:
        paged = ", ".join(f"{page.person or 'on-call'} {page.at:%H:%M}" for page in incident.pages)
        lines.append(f"paged: {paged}")
    if incident.resolved_at is not None:
        lines.append(f"resolved {incident.resolved_at:%Y-%m-%d %H:%M:%S} UTC by {incident.resolved_by}")
    lines += [f"action {one.number}, {one.owner}, due {one.due}: {one.text}" for one in incident.open_actions]
    return lines


def _moment_row(moment: Moment) -> tuple[str, ...]:
    return (f"{moment.at:%m-%d %H:%M:%S}", moment.source, moment.text, moment.by)


def write_postmortem(
    context: Context, incident_id: str, form: str, output: Path | None, folder: Path, *, json: bool
) -> None:
    """Write the draft of a post-mortem and print its path.

    Args:
        context: the environment.
        incident_id: the incident.
        form: md, html or json.
        output: the file; None for one in `folder` that is named by the incident.
        folder: where it is written without `output`; created if it is missing.
        json: print one JSON object.

    Raises:
        Refused: there is no such incident or format, or the file cannot be written.
    """
    if form not in FORMATS:
        raise Refused("--format", form, f"give one of {', '.join(FORMATS)}")
    cloud = _cloud_of(context, incident_id)
    entries = cloud.incidents.read_entries(incident_id)
    incident, at = replay(entries), cloud.now()
    span = span_of(incident, at)
    facts = read_facts(cloud, span)
    traffic = of_its_region(cloud, lambda: count_traffic(cloud, span)) or TrafficCounts()
    impact = impact_of(incident, facts, traffic, at)
    report = incident_report(incident, impact, timeline_of(incident, entries, facts, at), context.name)
    content = render(report, form)
    if form == "md":
        content = f"{content}\n{causes_in_markdown()}\n"
    path = write_file(content, output, folder, f"postmortem-{incident_id}.{FORMATS[form]}")
    if json:
        print_json({"report": str(path), "format": form, "id": incident_id, "impact": impact})
        return
    console().print(report.headline, style="bold", markup=False)
    console().print(f"post-mortem: {path}", markup=False, soft_wrap=True)


def show_on_call(env: str, *, json: bool) -> None:
    """Show who is on call now and in the next weeks, by level.

    Raises:
        Refused: there is no such environment, or it has no rota.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    rota = environments.load(env).incidents.rota
    if rota is None:
        raise Refused("on_call", "no rota", f"add [{env}.on_call] to environments.toml")
    turns = turns_of(rota, now())
    if json:
        print_json({"environment": env, "time_zone": rota.time_zone, "turns": turns})
        return
    levels = [f"level {level + 1}" for level in range(len(rota.levels))]
    rows = [(f"{turn.begins:%Y-%m-%d %H:%M}", f"{turn.ends:%Y-%m-%d %H:%M}", *turn.people) for turn in turns]
    console().print(text_table(("from (UTC)", "until (UTC)", *levels), rows))
