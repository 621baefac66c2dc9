"""Drilling: show a plan, start a drill, and follow it until the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from orchestrator import prices
from orchestrator.aws.recovery_plans import plan_of
from orchestrator.cli.context import Context
from orchestrator.cli.follow import APPEARS_SECONDS, POLL_SECONDS, RefusedByPlan
from orchestrator.cli.output import as_json, console, line, table_of
from orchestrator.cli.recovery_story import findings_of, outcome_of_recovery, phases_of, told_of, tone_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.records import Kind
from orchestrator.domain.recovery import Recovery, RecoveryEnding, Role
from orchestrator.domain.recovery_plan import (
    RecoveryPlan,
    new_recovery_key,
    read_recovery_request,
    recovery_id,
    refuse_impossible_sabotage,
)
from orchestrator.domain.recovery_policy import RecoveryPolicy

CODES = {RecoveryEnding.GREEN: 0, RecoveryEnding.RED: 1, RecoveryEnding.REFUSED: 2}


def plan(context: Context, given: Mapping[str, object], *, json: bool) -> None:
    """Show what a drill would do, and what it is expected to cost. Changes nothing.

    Raises:
        Refused: it would be refused.
    """
    drawn = planned(context, given, "dr-planned", Kind.DRILL)
    if json:
        as_json(drawn)
        return
    show_plan(drawn)
    console().print(f"what it makes may be removed by anybody from {drawn.lease_until.isoformat()} on")


def show_plan(planned: RecoveryPlan) -> None:
    """Which tables, to when, and what it is expected to cost."""
    screen = console()
    screen.print(f"to {planned.point.isoformat()}; the latest that all tables reach is {planned.latest.isoformat()}")
    rows = [(table.source, table.target, table.items, table.size_bytes) for table in planned.tables]
    screen.print(table_of(("table", "copy", "items, about", "bytes, about"), rows, ("table", "copy")))
    parts = ", ".join(f"{name} {usd:.4f}" for name, usd in planned.cost.parts.items())
    screen.print(f"about {planned.cost.usd:.4f} US dollars at prices of {planned.cost.prices_of}: {parts}")


def drill(context: Context, given: Mapping[str, object], key: str | None, *, watch: bool, json: bool) -> int:
    """Start a drill and, when asked, follow it; returns the exit code.

    Raises:
        Refused: the input is wrong, or it would be refused; nothing was started.
    """
    name = recovery_id(key or new_recovery_key(context.cloud.now(), secrets.token_bytes(8)))
    # The same checks as PlanRecovery's, before anything starts; it repeats them, for it trusts nobody.
    planned(context, given, name, Kind.DRILL)
    started = context.cloud.executions.start(context.machine("drill"), name, given)
    if watch:
        return followed(context, name, json=json)
    if json:
        as_json({"recovery": name, "started": started})
    else:
        told = "started" if started else "was started before:"
        console().print(f"{told} {name}; see `orchestrator explain {name} --env {context.name}`")
    return 0


def planned(context: Context, given: Mapping[str, object], name: str, kind: Kind) -> RecoveryPlan:
    """Plan a recovery as its machine would.

    Raises:
        Refused: it would be refused.
    """
    environment = context.environment
    policy = RecoveryPolicy.parse(environment.recovery)
    request = read_recovery_request(given, policy, context.name)
    tables = {Role.STATE: environment.service.state_table, Role.TOKENS: environment.service.tokens_table}
    if request.sabotage:
        indexes = [index for table in tables.values() for index in context.cloud.table_settings.read(table).indexes]
        refuse_impossible_sabotage(request.sabotage, indexes)
    return plan_of(
        context.cloud.restoring,
        context.cloud.backups,
        kind,
        name,
        tables,
        request,
        policy,
        environment=context.name,
        prices=prices.load(environment.region),
        now=context.cloud.now(),
    )


def followed(context: Context, name: str, *, json: bool) -> int:
    """Follow a drill or a restore to its end; returns the exit code."""
    screen = console()
    screen.quiet = json
    recovery = _follow(context, name, screen)
    if json:
        as_json({"outcome": outcome_of_recovery(recovery), "recovery": recovery})
    return CODES[recovery.ending or RecoveryEnding.RED]


def _follow(context: Context, name: str, screen: Console) -> Recovery:
    """Show each phase as it ends; returns the recovery at its end.

    Raises:
        RefusedByPlan: there is nothing to follow.
    """
    recovery, told = _appears(context, name), 0
    while True:
        lines = phases_of(recovery)
        done = len(lines) if recovery.ended_at else len(lines) - 1  # the last one may go on
        for one in lines[told:done]:
            screen.print(line(one))
        told = max(told, done)
        if recovery.ended_at:
            break
        time.sleep(POLL_SECONDS)
        recovery = context.cloud.drills.read(name)
    show(screen, recovery)
    _until_free(context, recovery)
    return recovery


def _until_free(context: Context, recovery: Recovery) -> None:
    """Wait for the claim to be given back, so that whoever asks for the next drill now is not refused."""
    deadline = context.cloud.now() + timedelta(seconds=APPEARS_SECONDS)
    ledger = context.cloud.recoveries(recovery.kind)
    while ledger.claim().execution == recovery.execution and context.cloud.now() < deadline:
        time.sleep(POLL_SECONDS)


def show(screen: Console, recovery: Recovery) -> None:
    """What was found, and how it came out."""
    screen.print(table_of(("check", "verdict", "why"), findings_of(recovery), ("check", "verdict")))
    for told in told_of(recovery):
        screen.print(told, style="dim", markup=False)
    screen.print(Text(outcome_of_recovery(recovery), style=f"bold {tone_of(recovery)}"))


def _appears(context: Context, name: str) -> Recovery:
    ledger, deadline = context.cloud.drills, context.cloud.now() + timedelta(seconds=APPEARS_SECONDS)
    while True:
        found, refusal, late = ledger.find(name), ledger.refusal(name), context.cloud.now() >= deadline
        if found:
            return found
        if refusal:
            raise RefusedByPlan(refusal.why)
        if late:
            raise Refused("recovery", name, "nothing of it reached the ledger; look at its execution in Step Functions")
        time.sleep(POLL_SECONDS)
