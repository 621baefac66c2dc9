"""The commands `failover back plan`, `start`, `run`, `rows` and `history`."""

from __future__ import annotations

import secrets
from dataclasses import replace

from orchestrator.application.failover.back.copying import open_back, read_rows
from orchestrator.application.failover.back.facts import gather_back
from orchestrator.application.failover.back.history import copy_history
from orchestrator.application.failover.back.regions import BothRegions, HomeCloud
from orchestrator.application.failover.back.run import refuse_other_direction, run_back
from orchestrator.application.failover.data_key import with_key_arn
from orchestrator.aws.failover.aws_clock import AwsClock
from orchestrator.cli.actions.failovers.standby import standby_context
from orchestrator.cli.context import Context, clients_of, wires_of
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.back.history import HistoryReport
from orchestrator.domain.failover.back.readiness import evaluate_back
from orchestrator.domain.failover.back.rows import NAMED, describe_rows
from orchestrator.domain.failover.record import Failover, FailoverOutcome
from orchestrator.domain.failover.steps import RULES_BACK, Step
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.environments.failover import failover_settings

READY, NOT_READY, WAITS = 0, 1, 1


def both_regions(env: str) -> BothRegions:
    """Return both regions of an environment, with the operator's credentials and AWS's time.

    Raises:
        Refused: there is no such environment, or it has no standby region.
        LocalCloudNotRunning: the environment is local, and the local cloud does not run.
    """
    context = standby_context(env)
    standby, home = context.environment, context.environment.lost_region
    assert home is not None, "the context is of the standby region"
    store = context.cloud.failovers
    standby_settings = {**context.cloud.settings, **failover_settings(standby, context.account)}
    now = AwsClock(context.clients("sts")).now
    cloud = replace(context.cloud, settings=standby_settings, now=now, wires=wires_of(standby, standby.region))
    at_home = Context(
        replace(standby, region=home, lost_region=None, standby=False), clients_of(context.environment, home)
    )
    home_settings = {**at_home.cloud.settings, **failover_settings(at_home.environment, context.account)}
    home_cloud = HomeCloud(home_settings, clients=at_home.clients, now=now, wires=wires_of(standby, home), store=store)
    policy = RecoveryPolicy.parse(standby.recovery)
    return BothRegions(cloud, with_key_arn(home_cloud), policy.read_share_percent, policy.block_hold)


def plan(regions: BothRegions, *, json: bool) -> int:
    """Print for each step what it does and whether it could run now; return the exit code: 0 if all could, else 1."""
    evaluated = evaluate_back(gather_back(regions), regions.standby.now())
    if json:
        print_json(
            {
                "environment": regions.standby.environment,
                "from": regions.standby_region,
                "to": regions.home_region,
                "steps": [
                    {
                        "step": one.step,
                        "title": RULES_BACK[one.step].title,
                        "expected_seconds": RULES_BACK[one.step].expected.total_seconds(),
                        "ready": one.ready,
                        "reason": one.reason,
                    }
                    for one in evaluated
                ],
            }
        )
    else:
        screen = console()
        screen.print(
            f"{regions.standby.environment} back from {regions.standby_region} to {regions.home_region}", markup=False
        )
        rows = [
            (one.step, "ready" if one.ready else "NOT READY", RULES_BACK[one.step].title, one.reason)
            for one in evaluated
        ]
        screen.print(text_table(("STEP", "NOW", "WHAT", "WHY"), rows))
    return READY if all(one.ready for one in evaluated) else NOT_READY


def start(regions: BothRegions, reason: str, by: str, *, json: bool) -> None:
    """Write the record of the way back. `run` performs it.

    Raises:
        Refused: there is no reason, or something is in the way.
    """
    refuse_missing_reason("--reason", reason)
    failover_id = f"fb-{regions.standby.now():%Y%m%d-%H%M}-{secrets.token_hex(2)}"
    failover = open_back(regions, failover_id, by, reason).failover
    if json:
        print_json(
            {
                "failover": failover_id,
                "environment": failover.environment,
                "from": failover.home,
                "to": failover.region,
                "release": failover.release,
            }
        )
        return
    screen = console()
    screen.print(
        f"{failover_id} of {failover.environment} from {failover.home} back to {failover.region} was started",
        markup=False,
    )
    screen.print(
        f"orchestrator failover back run {failover_id} --env {failover.environment}", style="dim", markup=False
    )


def run(regions: BothRegions, failover_id: str, *, json: bool) -> int:
    """Perform the steps that have no result; return the exit code: 0 if it succeeded, 1 if it waits or ended otherwise.

    After a success it copies the history. A run that succeeded and whose copy failed is repeated for the copy alone.

    Raises:
        Refused: there is no such failover, it goes the other way, or a step cannot run.
        LockLost: another run continues it, or it was cancelled.
        Throttled, Unreachable: a region did not answer; after the success, while the history was copied.
    """
    screen = console()

    def say(text: str) -> None:
        if not json:
            screen.print(f"{regions.standby.now():%H:%M:%S} {text}", markup=False, soft_wrap=True)

    failover = run_back(regions, failover_id, say).failover
    succeeded = failover.outcome is FailoverOutcome.SUCCEEDED
    if not json and failover.outcome:
        screen.print(f"{failover_id}: {failover.outcome}", style="bold", markup=False)
    copied = copy_history(regions) if succeeded else None
    if json:
        answer = {"failover": failover_id, "outcome": failover.outcome, "step": failover.next_step}
        print_json({**answer, **({"history": copied} if copied else {})})
    elif copied:
        _print_history(copied)
    elif not failover.outcome:
        _print_approvals(failover)
    return READY if succeeded else WAITS


def history(regions: BothRegions, *, dry_run: bool, json: bool) -> int:
    """Copy what the standby region's ledger recorded into the home region's; return the exit code: 0 if all is there, else 1.

    Args:
        regions: both.
        dry_run: only print what would be copied.
        json: print one JSON object.

    Raises:
        Throttled, Unreachable: a region did not answer; a repetition copies the rest.
    """
    report = copy_history(regions, dry_run=dry_run)
    if json:
        print_json(report)
    else:
        _print_history(report)
    return NOT_READY if report.differing or report.unknown else READY


def rows(regions: BothRegions, failover_id: str, *, json: bool) -> None:
    """Print the rows that only the home region's old tables have: clients by their keys, other kinds by number.

    Raises:
        Refused: there is no such failover, it goes the other way, or it has not copied the tables yet.
    """
    read = regions.store.read_failover(failover_id)
    refuse_other_direction(read)
    if Step.COPY not in read.failover.results_by_step:
        raise Refused("failover", f"{failover_id} is at {read.failover.next_step}", "the tables are not copied yet")
    found = list(read_rows(read.failover, regions))
    if json:
        print_json(
            {
                "failover": failover_id,
                "tables": {table.role: {"old_table": table.replaces, "rows": listed} for table, listed in found},
            }
        )
        return
    screen = console()
    for table, listed in found:
        screen.print(f"{table.replaces or table.role}: {describe_rows(listed)}", markup=False, soft_wrap=True)
        for row in listed:
            if row.kind == NAMED:
                screen.print(f"  {row.key}", markup=False, soft_wrap=True)


def _print_history(report: HistoryReport) -> None:
    screen = console()
    screen.print(report.description, markup=False, soft_wrap=True)
    rows = [(one.kind, one.new, one.changed, one.same, one.differ) for one in report.counts]
    screen.print(text_table(("KIND", "NEW", "CHANGED", "THERE", "DIFFER"), rows))
    for key in report.updated:
        screen.print(f"updated: {key}", markup=False, soft_wrap=True)
    for title, keys in (("differs, and was left as it is", report.differing), ("of no known kind", report.unknown)):
        for key in keys:
            screen.print(f"{title}: {key}", style="red", markup=False, soft_wrap=True)


def _print_approvals(failover: Failover) -> None:
    screen, env = console(), failover.environment
    screen.print(f"{failover.id} waits for {failover.gate.description}", markup=False)
    for command in (f"approve {failover.id}", f"back run {failover.id}"):
        screen.print(f"orchestrator failover {command} --env {env}", style="dim", markup=False)
