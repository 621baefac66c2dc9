"""``orchestrator incident``: open, follow and resolve incidents, and write post-mortems."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, RequestedBy, report_errors
from orchestrator.cli.files import output_file
from orchestrator.cli.program import CommandLine
from orchestrator.cli.standby_option import Standby, context_in

app = CommandLine(no_args_is_help=True, help="Open, follow and resolve incidents; write post-mortems.")
action_app = CommandLine(no_args_is_help=True, help="Add and complete action items of a post-mortem.")
app.add_typer(action_app, name="action")

Incident = Annotated[str, typer.Argument(metavar="INCIDENT", help="Id of an incident; `list` lists them.")]
Severity = Annotated[str | None, typer.Option(help="SEV1, SEV2 or SEV3; default: unchanged.")]


@app.command("open")
def open_incident(
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What clients notice, in one line.")],
    cause: Annotated[str | None, typer.Option(help="Dedup key, such as upstream; default: from TITLE.")] = None,
    severity: Annotated[str, typer.Option(help="SEV1, SEV2 or SEV3.")] = "SEV2",
    reason: Annotated[str | None, typer.Option(help="What is known so far; default: TITLE.")] = None,
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Open an incident and page the on-call."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        by = operator_name(requested_by, context)
        commands.open_incident(context, title, cause=cause, severity=severity, reason=reason, by=by, json=json)


@app.command("list")
def list_incidents(
    env: Env = "local",
    standby: Standby = False,
    only_open: Annotated[bool, typer.Option("--open", help="List only those that are not resolved.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of incidents, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the newest incidents."""
    from orchestrator.cli.actions.incidents import reading

    with report_errors(json):
        reading.list_incidents(context_in(env, standby=standby), limit, only_open=only_open, json=json)


@app.command()
def show(incident: Incident, env: Env = "local", standby: Standby = False, json: AsJson = False) -> None:
    """Show an incident with its timeline."""
    from orchestrator.cli.actions.incidents import reading

    with report_errors(json):
        reading.show_incident(context_in(env, standby=standby), incident, json=json)


@app.command("ack")
def acknowledge(
    incident: Incident,
    note: Annotated[str, typer.Option(help="What you do first.")] = "",
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Acknowledge an incident: it pages no more."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.acknowledge(context, incident, note, operator_name(requested_by, context), json=json)


@app.command()
def update(
    incident: Incident,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What changed, for those who follow.")],
    severity: Severity = None,
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Add an update to an incident."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.update(context, incident, text, severity, operator_name(requested_by, context), json=json)


@app.command("role")
def assign_role(
    incident: Incident,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="commander, operations or communications.")],
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Who takes the role from now on.")],
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Assign a role in an incident to a person."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.assign_role(context, incident, role, person, operator_name(requested_by, context), json=json)


@app.command()
def resolve(
    incident: Incident,
    reason: Annotated[str, typer.Option(help="Why it is over.")],
    force: Annotated[bool, typer.Option("--force", help="Resolve it although its cause lasts.")] = False,
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Resolve an incident."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.resolve(context, incident, reason, operator_name(requested_by, context), force=force, json=json)


@app.command()
def postmortem(
    incident: Incident,
    env: Env = "local",
    standby: Standby = False,
    form: Annotated[str, typer.Option("--format", help="md, html or json.")] = "md",
    output: Annotated[
        Path | None, typer.Option(callback=output_file, help="File to write; default: one in build/reports.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the draft of a post-mortem into a file."""
    from orchestrator.cli.actions.incidents import reading
    from orchestrator.environments.project import build_folder

    with report_errors(json):
        folder = build_folder() / "reports"
        reading.write_postmortem(context_in(env, standby=standby), incident, form, output, folder, json=json)


@app.command("on-call")
def on_call(env: Env = "local", json: AsJson = False) -> None:
    """Show who is on call now and in the next four weeks."""
    from orchestrator.cli.actions.incidents import reading

    with report_errors(json):
        reading.show_on_call(env, json=json)


@action_app.command("add")
def add_action(
    incident: Incident,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be done.")],
    owner: Annotated[str, typer.Option(help="Who does it.")],
    due: Annotated[str, typer.Option(help="Until when, such as 2026-12-24.")],
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Add an action item with its owner and due date."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.add_action(context, incident, text, owner, due, operator_name(requested_by, context), json=json)


@action_app.command("done")
def complete_action(
    incident: Incident,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Number of the action item.")],
    env: Env = "local",
    standby: Standby = False,
    requested_by: RequestedBy = None,
    json: AsJson = False,
) -> None:
    """Complete an action item."""
    from orchestrator.cli.actions.incidents import commands
    from orchestrator.cli.operator import operator_name

    with report_errors(json):
        context = context_in(env, standby=standby)
        commands.complete_action(context, incident, number, operator_name(requested_by, context), json=json)
