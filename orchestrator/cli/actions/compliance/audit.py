"""The command `audit`: who did what, in one time line over the ledger, AWS CloudTrail and the API's access log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.copied_ledgers import copied_clouds, region_of
from orchestrator.aws.account_readings import Denied, denials
from orchestrator.aws.cloudtrail import LOOKUPS_PER_SECOND, CallHistory
from orchestrator.aws.cloudwatch.logs import Logs
from orchestrator.aws.ledger.deployments import Ledger
from orchestrator.aws.rate_limiter import RateLimiter
from orchestrator.cli.actions.reports.replay import parse_age
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.local_times import local_second
from orchestrator.cli.rendering.output import console, notes_console, print_csv, print_json, text_table
from orchestrator.domain.audit.access_entries import clients_of_requests, entry_of_request
from orchestrator.domain.audit.cloudtrail_entries import entry_of_call
from orchestrator.domain.audit.csv_export import csv_of
from orchestrator.domain.audit.entry import AuditEntry, AuditQuery, Source, time_line
from orchestrator.domain.audit.ledger_entries import (
    entries_of_deployment,
    entries_of_failover,
    entries_of_incident,
    entries_of_recovery,
    entry_of_event,
    entry_of_override,
    recorded_in,
)
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.names import resource_name
from orchestrator.domain.printable import one_line
from orchestrator.domain.texts import shortened
from orchestrator.domain.verdict import Window

LISTED = 500
"""Records of each kind that are read, newest first."""
FORMATS = ("text", "csv", "json")
ACCESS_SECONDS = 30.0
"""How long one log group is read."""
REQUEST_LINES = '{ $.message = "request" && $.client = "*" }'
"""The request lines of verified clients (service/request_metrics.py)."""


@dataclass(frozen=True)
class SourceNote:
    """Whether a source gave all that it has of the time; `note` says what is missing."""

    source: Source
    complete: bool
    note: str = ""


def audit(
    context: Context, since: str, actor: str, resource: str, form: str, *, json: bool, access: bool = False
) -> None:
    """Print the audit trail, oldest first.

    Args:
        context: the environment.
        since: an age such as ``7d``.
        actor: part of a name; empty for all.
        resource: part of a name, or of a detail; empty for all.
        form: `text`, `csv` or `json`.
        json: the same as `json`.
        access: with the requests of clients.

    Raises:
        Refused: since is no age, or there is no such format.
    """
    if form not in FORMATS:
        raise Refused("--format", form, f"name one of {', '.join(FORMATS)}")
    now = context.cloud.now()
    query = AuditQuery(now - parse_age(since), now, actor, resource)
    ledger, ledger_note = _read_ledger(context, query)
    calls, calls_note = _read_calls(context, query)
    requests, access_notes = _read_requests(context, query) if access else ([], ())
    entries, notes = time_line([*ledger, *calls, *requests], query), (ledger_note, calls_note, *access_notes)
    if json or form == "json":
        print_json({"environment": context.name, "since": query.since, "entries": entries, "sources": notes})
        return
    if form == "csv":
        print_csv(csv_of(entries))
        _show_notes(notes_console(), notes)
        return
    screen = console()
    if entries:
        rows = [
            (
                local_second(entry.at),
                *map(one_line, (entry.source, entry.actor, entry.action, entry.resource, entry.outcome)),
                shortened(one_line(entry.detail)),
            )
            for entry in entries
        ]
        screen.print(
            text_table(("time", "source", "actor", "action", "resource", "outcome", "detail"), rows, ("time",))
        )
    screen.print(f"{len(entries)} entries of {context.name} since {query.since:%Y-%m-%d %H:%M} UTC", markup=False)
    _show_notes(screen, notes)


def _read_requests(context: Context, query: AuditQuery) -> tuple[list[AuditEntry], tuple[SourceNote, ...]]:
    """Return the requests of the API's access log, with their clients from the functions' logs."""

    def missing(note: str) -> tuple[list[AuditEntry], tuple[SourceNote, ...]]:
        return [], (SourceNote(Source.ACCESS_LOG, complete=False, note=note),)

    if context.environment.local:
        return missing("the local cloud writes no access log: these are the other sources alone")
    window = Window(query.since, query.until)
    try:
        with denials():
            logs = Logs(context.clients("logs"), read_seconds=ACCESS_SECONDS)
            requests = logs.read_lines(f"/aws/apigateway/{resource_name('api', context.name)}", "", window)
            functions = [context.function_name(name) for name in context.environment.service.functions]
            pages = [logs.read_lines(f"/aws/lambda/{name}", REQUEST_LINES, window) for name in functions]
    except Denied as error:
        return missing(
            f"the caller may not use {error.action}: allow it, to see the requests (docs/guides/compliance.md)"
        )
    except (Throttled, Unreachable, ClientError, BotoCoreError) as error:
        return missing(f"could not be read: {shortened(one_line(str(error)))}; repeat the command")
    clients = clients_of_requests(line for page in pages for line in page.lines)
    entries = [entry for entry in (entry_of_request(line, clients) for line in requests.lines) if entry is not None]
    complete = requests.complete and all(page.complete for page in pages)
    note = (
        "" if complete else "only the oldest requests of the time, or clients of them, were read: give a later --since"
    )
    return entries, (SourceNote(Source.ACCESS_LOG, complete=complete, note=note),)


def _show_notes(screen: Console, notes: tuple[SourceNote, ...]) -> None:
    for note in notes:
        if note.note:
            screen.print(f"{note.source}: {one_line(note.note)}", markup=False, highlight=False, soft_wrap=True)


def _read_ledger(context: Context, query: AuditQuery) -> tuple[list[AuditEntry], SourceNote]:
    """Return the entries of this region's ledger, and of those that were copied from other regions."""
    entries, cut_off = _entries_of(context.cloud, query)
    for copied in copied_clouds(context.cloud):
        found, of_copy = _entries_of(copied, query)
        entries += [recorded_in(one, region_of(copied)) for one in found]
        cut_off += [f"{name} of {region_of(copied)}" for name in of_copy]
    if cut_off:
        note = f"only the newest {LISTED} {' and '.join(cut_off)} were read: give a later --since"
        return entries, SourceNote(Source.LEDGER, complete=False, note=note)
    return entries, SourceNote(Source.LEDGER, complete=True)


def _entries_of(cloud: Cloud, query: AuditQuery) -> tuple[list[AuditEntry], list[str]]:
    """Return the entries of one ledger, and of which kinds only the newest were read."""
    ledger = cloud.ledger
    deployments = ledger.newest_records(LISTED)
    recoveries = [*cloud.drills.newest_records(LISTED)]
    events = ledger.read_events(LISTED)
    entries = [entry_of_event(event) for event in events]
    for deployment in deployments:
        entries += _of_deployment(ledger, deployment, query)
    for recovery in recoveries:
        entries += entries_of_recovery(recovery)
    failovers = cloud.failovers.newest(LISTED)
    for failover in failovers:
        entries += entries_of_failover(failover, cloud.failovers.read_approvals(failover.id))
    overrides = cloud.status_pages.read_override_log(LISTED)
    entries += [entry_of_override(one) for one in overrides]
    incidents = cloud.incidents.list_ids(LISTED)
    oldest_incident: datetime | None = None
    for incident_id in incidents:
        chain = cloud.incidents.read_entries(incident_id)
        entries += entries_of_incident(incident_id, chain)
        oldest_incident = chain[0].at
    return entries, [
        name
        for name, oldest in (
            ("deployments", deployments[-1].requested_at if len(deployments) == LISTED else None),
            ("recoveries", recoveries[-1].requested_at if len(recoveries) == LISTED else None),
            ("failovers", failovers[-1].requested_at if len(failovers) == LISTED else None),
            ("events", events[-1].at if len(events) == LISTED else None),
            ("overrides", overrides[-1].at if len(overrides) == LISTED else None),
            ("incidents", oldest_incident if len(incidents) == LISTED else None),
        )
        if oldest is not None and oldest > query.since
    ]


def _of_deployment(ledger: Ledger, deployment: Deployment, query: AuditQuery) -> Iterator[AuditEntry]:
    newest = max(filter(None, (deployment.requested_at, deployment.ended_at)))
    rolled_back_at = deployment.rollback.reverted_at if deployment.rollback else None
    if deployment.ended_at is not None and max(newest, rolled_back_at or newest) < query.since:
        return  # nothing of it happened in this time, so its other items need not be read
    approvals = [
        one for gate in {gate.gate for gate in deployment.gates} for one in ledger.read_approvals(deployment.id, gate)
    ]
    yield from entries_of_deployment(
        deployment, ledger.read_triggers(deployment.id), ledger.pending_command(deployment.id), approvals
    )


def _read_calls(context: Context, query: AuditQuery) -> tuple[list[AuditEntry], SourceNote]:
    """Return the calls of the environment. CloudTrail may be missing, as on the local cloud: the note says so."""

    def missing(note: str) -> tuple[list[AuditEntry], SourceNote]:
        return [], SourceNote(Source.CLOUDTRAIL, complete=False, note=note)

    if context.environment.local:
        return missing("the local cloud has no AWS CloudTrail: these are the ledger's entries alone")
    try:
        with denials():
            limiter = RateLimiter(LOOKUPS_PER_SECOND, burst=1, sleep=context.cloud.sleep)
            found = CallHistory(context.clients("cloudtrail"), limiter).read_calls(query.since, query.until)
    except Denied as error:
        return missing(
            f"the caller may not use {error.action}: allow it, to see the calls to AWS (docs/guides/compliance.md)"
        )
    except (Throttled, Unreachable, ClientError, BotoCoreError) as error:
        return missing(f"could not be read: {shortened(one_line(str(error)))}; repeat the command")
    secrets = {one.secret for one in context.environment.notifications if one.secret}
    entries = [
        entry for entry in (entry_of_call(call, context.name, secrets) for call in found.calls) if entry is not None
    ]
    note = "" if found.complete else "the newest calls alone were read: give a later --since"
    return entries, SourceNote(Source.CLOUDTRAIL, complete=found.complete, note=note)
