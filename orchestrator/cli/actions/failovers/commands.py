"""The commands `failover enable`, `start`, `approve`, `reject`, `resume`, `cancel`, `status` and `check`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.application.failover.back.run import cancel_back
from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.application.failover.planning import plan_tables
from orchestrator.application.failover.releases import planned_release
from orchestrator.application.failover.takeover import cancel_failover
from orchestrator.aws.step_functions import execution_arn
from orchestrator.cli.actions.failovers.back import both_regions
from orchestrator.cli.actions.failovers.standby import policy_of, standby_cloud
from orchestrator.cli.context import Context, clients_of
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.deployment.freeze import refuse_missing_reason
from orchestrator.domain.deployment.gates import Approval, missing_approvals
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.decisions import lease_left, may_be_superseded, next_decision, refuse_unasked, reject
from orchestrator.domain.failover.home_releases import UNSERVED, PlannedRelease
from orchestrator.domain.failover.issuing_region import IssuingAssignment, first_assignment
from orchestrator.domain.failover.record import CopiedTable, Failover, FailoverOutcome
from orchestrator.domain.failover.steps import WAITS_FOR_LEASES, Direction, Step

if TYPE_CHECKING:
    from rich.console import Console

READY, NOT_READY = 0, 1
_WAKE_SECONDS = 20
"""How long an answer waits for the execution that it is for: between its start and its wait lie a few seconds."""


def check(context: Context, *, json: bool) -> int:
    """Evaluate for each step whether it could run now; return the exit code: 0 if all could, else 1."""
    home = context.environment.lost_region or context.environment.region
    evaluated = evaluate_failover(standby_cloud(context), clients_of(context.environment, home))
    if json:
        print_json({"environment": context.name, "region": context.environment.region, "steps": evaluated})
    else:
        rows = [(one.step, "ready" if one.ready else "NOT READY", one.reason) for one in evaluated]
        console().print(text_table(("STEP", "NOW", "WHY"), rows))
    return READY if all(one.ready for one in evaluated) else NOT_READY


def enable(context: Context, *, json: bool) -> None:
    """Write the first assignment: from then on the home region needs a lease, and a failover can take it.

    Raises:
        Refused: the assignment names another region than the home region.
    """
    home = context.environment.lost_region or context.environment.region
    assignment = context.cloud.failovers.create_assignment(first_assignment(home))
    if json:
        print_json({"assignment": assignment})
        return
    console().print(
        f"the assignment in {context.environment.region} names {assignment.region}, epoch {assignment.epoch}",
        markup=False,
    )


def start(context: Context, reason: str, by: str, *, json: bool) -> None:
    """Start a failover. It waits for its approvals before it changes anything.

    Raises:
        Refused: there is no reason, no assignment, no copy of a table, or a failover is in progress.
    """
    refuse_missing_reason("--reason", reason)
    cloud, region = standby_cloud(context), context.environment.region
    assignment = cloud.failovers.read_assignment().assignment
    if assignment is None:
        remedy = f"run `orchestrator failover enable --env {context.name}` while both regions are healthy"
        raise Refused("assignment", f"none in {region}", remedy)
    for failover in cloud.failovers.newest(1):
        if not failover.outcome and not may_be_superseded(failover, assignment):
            remedy = f"resume or cancel it: `orchestrator failover status {failover.id} --env {context.name}`"
            raise Refused("failover", f"{failover.id} is at {failover.next_step}", remedy)
    if assignment.region == region:
        raise Refused("region", region, "it issues the tokens already: nothing is left to fail over")
    home = cloud.settings["HOME_REGION"]
    plan_tables(cloud, home, region, cloud.now())
    release = planned_release(cloud)
    failover_id = f"fo-{cloud.now():%Y%m%d-%H%M}-{secrets.token_hex(2)}"
    _start_execution(context, failover_id, failover_id, {"requested_by": by, "reason": reason})
    if json:
        print_json(
            {
                "failover": failover_id,
                "environment": context.name,
                "home": home,
                "region": region,
                "release": release,
            }
        )
        return
    screen = console()
    screen.print(f"failover {failover_id} of {context.name} from {home} to {region} was started", markup=False)
    _print_release(release, home, screen)
    screen.print(f"it waits for {policy_of(context).gate.description}", markup=False)
    screen.print(f"orchestrator failover approve {failover_id} --env {context.name}", style="dim", markup=False)


def resume(context: Context, failover_id: str, *, json: bool) -> None:
    """Continue a failover that stopped, with its first step without a result.

    Raises:
        Refused: there is no such failover, it has ended, or an execution of it is running.
    """
    failover = context.cloud.failovers.read_failover(failover_id).failover
    if failover.outcome:
        raise Refused("failover", failover_id, f"it has ended: {failover.outcome}")
    if failover.direction is Direction.BACK:
        remedy = f"continue it: `orchestrator failover back run {failover_id} --env {context.name}`"
        raise Refused("failover", f"{failover_id} goes back", remedy)
    machine = context.state_machine_arn("failover")
    for name in _execution_names(failover_id):
        execution = context.cloud.executions.describe_execution(execution_arn(machine, name), may_be_absent=True)
        if execution.alive:
            raise Refused(
                "failover", failover_id, f"its execution {name} is running: see `orchestrator failover status`"
            )
        if execution.phase == "ABSENT":
            _start_execution(context, failover_id, name, {})
            break
    if json:
        print_json({"failover": failover_id, "step": failover.next_step})
        return
    console().print(f"failover {failover_id} continues with {failover.next_step}", markup=False)


def approve(context: Context, failover_id: str, by: str, *, json: bool) -> None:
    """Approve a failover; with the last approval that it needs, it goes on.

    Raises:
        Refused: the person is no approver, or nothing waits for approvals.
    """
    store, now = context.cloud.failovers, context.cloud.now()
    failover = store.read_failover(failover_id).failover
    refuse_unasked(failover, by)
    store.approve(failover_id, Approval(by, now))
    missing = missing_approvals(failover.gate, store.read_approvals(failover_id), failover.requested_by)
    back = failover.direction is Direction.BACK
    goes_on = not missing and not back and _wake(context, failover_id)
    if json:
        print_json({"failover": failover_id, "approved_by": by, "missing": missing, "goes_on": goes_on})
        return
    if missing:
        rest = f"missing: {missing}"
    elif back:
        rest = f"continue it: orchestrator failover back run {failover_id} --env {context.name}"
    else:
        rest = "it goes on" if goes_on else _nothing_waits(context, failover_id)
    console().print(f"approved by {by}; {rest}", markup=False, soft_wrap=True)


def refuse_failover(context: Context, failover_id: str, by: str, *, json: bool) -> None:
    """Reject a failover as one of its approvers: it ends, and nothing was changed.

    Raises:
        Refused: the person is no approver, or nothing waits for approvals.
    """
    store = context.cloud.failovers
    read = store.read_failover(failover_id)
    rejected, back = reject(read.failover, by), read.failover.direction is Direction.BACK
    if back:
        rejected = rejected.ended(FailoverOutcome.CANCELLED, context.cloud.now())
    store.commit(read, rejected)
    ends = back or _wake(context, failover_id)
    if json:
        print_json({"failover": failover_id, "rejected_by": by, "ends": ends})
        return
    rest = f"{read.failover.home} goes on issuing tokens" if ends else _nothing_waits(context, failover_id)
    console().print(f"rejected by {by}: {rest}", markup=False, soft_wrap=True)


def _wake(context: Context, failover_id: str) -> bool:
    """End the wait of the execution that waits for an answer; return whether one did.

    A token may be that of an earlier execution: the one that waits now writes its own when its wait begins.
    """
    tried = ""
    for _ in range(_WAKE_SECONDS):
        token = context.cloud.failovers.read_token(failover_id)
        if token != tried:
            tried = token
            with suppress(Refused):
                context.cloud.executions.send_task_success(token, {})
                return True
        context.cloud.sleep(1)
    return False


def _nothing_waits(context: Context, failover_id: str) -> str:
    command = f"orchestrator failover resume {failover_id} --env {context.name}"
    return f"it is recorded, but no execution waits for it: see `orchestrator failover status`, then `{command}`"


def cancel(context: Context, failover_id: str, by: str, *, json: bool) -> None:
    """Cancel a failover: the home region may issue tokens again.

    Raises:
        Refused: it has ended, or its region may issue tokens already.
    """
    if context.cloud.failovers.read_failover(failover_id).failover.direction is Direction.BACK:
        cancelled = cancel_back(both_regions(context.name), failover_id, by).failover
    else:
        cancelled = cancel_failover(context.cloud, failover_id, by).failover
    if json:
        print_json(
            {
                "failover": failover_id,
                "cancelled_by": by,
                "assignment": context.cloud.failovers.read_assignment().assignment,
            }
        )
        return
    console().print(f"cancelled by {by}: {cancelled.home} may issue tokens", markup=False)


def status(context: Context, failover_id: str | None, *, json: bool) -> None:
    """Print the assignment and a failover; without an id, the newest one.

    Raises:
        Refused: there is no such failover.
    """
    store, now = context.cloud.failovers, context.cloud.now()
    found = [store.read_failover(failover_id).failover] if failover_id else store.newest(1)
    assignment = store.read_assignment().assignment
    if json:
        print_json({"environment": context.name, "assignment": assignment, "failover": found[0] if found else None})
        return
    screen = console()
    screen.print(_assignment_line(assignment, context.environment.region), markup=False)
    if not found:
        screen.print(f"{context.name} never failed over", markup=False)
        return
    failover = found[0]
    screen.print(f"\n{failover.id}: {failover.home} to {failover.region}, by {failover.requested_by}", markup=False)
    if failover.direction is Direction.BACK:
        screen.print(f"back, with all that was written since the failover: {failover.reason}", markup=False)
    else:
        screen.print(f"{failover.reason}; data loss {failover.data_loss.total_seconds():.0f} s", markup=False)
        screen.print(_copies_line(failover), markup=False, soft_wrap=True)
    if failover.release:
        _print_release(failover.release, failover.home, screen)
    screen.print(text_table(("STEP", "TOOK", "EXPECTED", "RESULT"), _rows(failover, now)))
    if failover.failed:
        screen.print(f"stopped: {failover.failed}", style="red", markup=False, soft_wrap=True)
        again = "back run" if failover.direction is Direction.BACK else "resume"
        screen.print(f"orchestrator failover {again} {failover.id} --env {context.name}", style="dim", markup=False)
    elif failover.outcome:
        screen.print(f"{failover.outcome} at {failover.ended_at:%Y-%m-%d %H:%M:%S} UTC", style="bold", markup=False)
    else:
        screen.print(f"now: {next_decision(failover, now).reason}", markup=False)


def _rows(failover: Failover, now: datetime) -> Sequence[tuple[str, str, str, str]]:
    done, rules, rows = failover.results_by_step, failover.rules, []
    for step in failover.steps:
        expected = f"{rules[step].expected.total_seconds():.0f} s"
        if step in done:
            took = f"{done[step].took.total_seconds():.0f} s" + (" (late)" if done[step].overdue(rules[step]) else "")
            rows.append((step.value, took, expected, done[step].result))
        elif step is failover.next_step and not failover.outcome:
            since = f"{(now - failover.began).total_seconds():.0f} s" if failover.began else ""
            rows.append((step.value, since, expected, _in_progress(failover, step, now)))
        else:
            rows.append((step.value, "", expected, ""))
    return rows


def _print_release(release: PlannedRelease, home: str, screen: Console) -> None:
    line = f"release at the request: {release.described(home)}"
    if release.standing in UNSERVED:
        line = f"{line}; deploy the stacks of {release.served_name} before DEPLOY_RELEASE, which refuses this release"
    screen.print(line, markup=False, soft_wrap=True, style="red" if release.standing in UNSERVED else None)


def _copies_line(failover: Failover) -> str:
    """Return which copies are restored, and which ones the approvers saw."""
    if failover.chosen_at is None:
        return f"copies: {_times_of(failover.tables)}; RESTORE takes the newest when it begins"
    chosen = f"copies chosen at {failover.chosen_at:%Y-%m-%d %H:%M:%S} UTC: {_times_of(failover.tables)}"
    return f"{chosen}; the approvers saw {_times_of(failover.approved_tables)}"


def _times_of(tables: Sequence[CopiedTable]) -> str:
    return ", ".join(f"{table.role} as of {table.as_of:%Y-%m-%d %H:%M:%S} UTC" for table in tables)


def _in_progress(failover: Failover, step: Step, now: datetime) -> str:
    if step in WAITS_FOR_LEASES and (left := lease_left(failover, now)):
        return f"waits {left.total_seconds():.0f} s for the leases of {failover.home}"
    return failover.rules[step].title


def _assignment_line(assignment: IssuingAssignment | None, region: str) -> str:
    if assignment is None:
        return f"there is no assignment in {region}: run `orchestrator failover enable`"
    state = "issues the tokens" if assignment.active else f"is about to, by {assignment.failover}"
    return f"{assignment.region} {state} (epoch {assignment.epoch})"


def _execution_names(failover_id: str) -> Sequence[str]:
    return (failover_id, *(f"{failover_id}-{attempt}" for attempt in range(2, 100)))


def _start_execution(context: Context, failover_id: str, name: str, request: dict[str, str]) -> None:
    machine = context.state_machine_arn("failover")
    context.cloud.executions.start_execution(machine, name, {"failover": failover_id, **request})
