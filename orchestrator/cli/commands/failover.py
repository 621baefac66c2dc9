"""``orchestrator failover``: plan, start, approve, follow and rehearse a failover to another region."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.errors import AsJson, Env, report_errors
from orchestrator.cli.extras import require
from orchestrator.cli.program import CommandLine
from orchestrator.domain.errors import Refused

app = CommandLine(no_args_is_help=True, help="Plan, start, follow and rehearse a regional failover.")
back = CommandLine(no_args_is_help=True, help="Go back to the home region, with all that was written.")
app.add_typer(back, name="back")

Failover = Annotated[str, typer.Argument(metavar="FAILOVER", help="Id of a failover; `status` shows it.")]
Region = Annotated[str | None, typer.Option(help="Target region; default: the region of the backup copies.")]


@app.command()
def plan(env: Env = "local", to: Region = None, json: AsJson = False) -> None:
    """Print the current failover plan; changes nothing."""
    from orchestrator.cli.actions import failover

    with report_errors(json):
        failover.plan(env, to, json=json)


@app.command()
def check(env: Env = "local", json: AsJson = False) -> None:
    """Check for each step whether it could run now."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context

    with report_errors(json):
        raise typer.Exit(commands.check(standby_context(env), json=json))


@app.command()
def enable(env: Env = "local", json: AsJson = False) -> None:
    """Let the home region issue tokens by a lease from now on."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context

    with report_errors(json):
        commands.enable(standby_context(env), json=json)


@app.command()
def start(
    reason: Annotated[str, typer.Option(help="Why, for the approvers and the record.")] = "",
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Start a failover, which waits for its approvals."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context
    from orchestrator.cli.operator import caller

    with report_errors(json):
        context = standby_context(env)
        commands.start(context, reason, caller(context), json=json)


@app.command()
def approve(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """Approve a failover, as one of its approvers."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context
    from orchestrator.cli.operator import caller

    with report_errors(json):
        context = standby_context(env)
        commands.approve(context, failover, caller(context), json=json)


@app.command()
def reject(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """Reject a failover, as one of its approvers."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context
    from orchestrator.cli.operator import caller

    with report_errors(json):
        context = standby_context(env)
        commands.refuse_failover(context, failover, caller(context), json=json)


@app.command()
def status(
    failover: Annotated[str | None, typer.Argument(metavar="[FAILOVER]", help="Id; default: the newest one.")] = None,
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Show which region issues tokens, and a failover."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context

    with report_errors(json):
        commands.status(standby_context(env), failover, json=json)


@app.command()
def resume(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """Continue a failover that stopped, at its next step."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context

    with report_errors(json):
        commands.resume(standby_context(env), failover, json=json)


@app.command()
def cancel(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """Cancel a failover before its region issues tokens."""
    from orchestrator.cli.actions.failovers import commands
    from orchestrator.cli.actions.failovers.standby import standby_context
    from orchestrator.cli.operator import caller

    with report_errors(json):
        context = standby_context(env)
        commands.cancel(context, failover, caller(context), json=json)


@app.command()
def rehearse(
    env: Env = "local",
    to: Region = None,
    manual: Annotated[
        bool, typer.Option("--manual", help="Follow the manual plan, without the state machine.")
    ] = False,
    and_back: Annotated[bool, typer.Option("--back", help="Go back to the home region afterwards.")] = False,
    json: AsJson = False,
) -> None:
    """Run a failover on a separate local cloud."""
    from orchestrator.cli.actions import failover

    with report_errors(json):
        require("local")
        if manual and and_back:
            raise Refused("--back", "with --manual", "the manual plan ends in the other region: omit one")
        if manual:
            failover.rehearse_manually(env, to, json=json)
        else:
            failover.rehearse(env, to, json=json, back=and_back)


@back.command(name="plan")
def plan_back(env: Env = "local", json: AsJson = False) -> None:
    """Show for each step back whether it could run now."""
    from orchestrator.cli.actions.failovers import back as actions

    with report_errors(json):
        raise typer.Exit(actions.plan(actions.both_regions(env), json=json))


@back.command(name="start")
def start_back(
    reason: Annotated[str, typer.Option(help="Why, for the approvers and the record.")] = "",
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Record the way back; `run` performs it."""
    from orchestrator.cli.actions.failovers import back as actions
    from orchestrator.cli.actions.failovers.standby import standby_context
    from orchestrator.cli.operator import caller

    with report_errors(json):
        actions.start(actions.both_regions(env), reason, caller(standby_context(env)), json=json)


@back.command(name="run")
def run_back(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """Perform the steps back; continues a run that died."""
    from orchestrator.cli.actions.failovers import back as actions

    with report_errors(json):
        raise typer.Exit(actions.run(actions.both_regions(env), failover, json=json))


@back.command(name="rows")
def rows_back(failover: Failover, env: Env = "local", json: AsJson = False) -> None:
    """List rows that only the home region's old tables have."""
    from orchestrator.cli.actions.failovers import back as actions

    with report_errors(json):
        actions.rows(actions.both_regions(env), failover, json=json)


@back.command(name="history")
def history_back(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied, and copy nothing.")] = False,
    env: Env = "local",
    json: AsJson = False,
) -> None:
    """Copy the standby region's history into the home ledger."""
    from orchestrator.cli.actions.failovers import back as actions

    with report_errors(json):
        raise typer.Exit(actions.history(actions.both_regions(env), dry_run=dry_run, json=json))
