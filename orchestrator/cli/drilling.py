"""Drilling: show a plan, start a drill, and follow it until the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from orchestrator import prices
from orchestrator.aws.evidence import told
from orchestrator.aws.recovery_plans import plan_of, refuse_unshipped, refuse_unused, way_back_of
from orchestrator.cli.context import Context
from orchestrator.cli.follow import APPEARS_SECONDS, POLL_SECONDS, RefusedByPlan
from orchestrator.cli.output import as_json, console, line, table_of
from orchestrator.cli.recovery_story import (
    evidence_of,
    findings_of,
    outcome_of_recovery,
    outcome_without_evidence,
    phases_of,
    told_of,
    tone_of,
)
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence_chain import Link
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
SETTLES_SECONDS = 360.0
"""How long a record and its evidence may be missing once the execution is over: the sweeper, which completes both, comes every five minutes."""


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
    show_cost(planned)


def show_cost(planned: RecoveryPlan) -> None:
    """What it is expected to cost."""
    parts = ", ".join(f"{name} {usd:.4f}" for name, usd in planned.cost.parts.items())
    console().print(f"about {planned.cost.usd:.4f} US dollars at prices of {planned.cost.prices_of}: {parts}")


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
        said = "started" if started else "was started before:"
        console().print(f"{said} {name}; see `orchestrator explain {name} --env {context.name}`")
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
    functions = {one: context.function_name(one) for one in environment.service.functions}
    if kind is Kind.RESTORE:
        refuse_unshipped(context.cloud, functions, {} if request.back else tables)
    else:
        refuse_unused(context.cloud, functions, tables)
    if request.back and kind is Kind.RESTORE:
        known = prices.load(environment.region)
        return way_back_of(context.cloud, request, policy, prices=known, now=context.cloud.now())
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
    """Follow a drill or a restore until its evidence is in the chain; returns the exit code.

    One whose evidence did not get there is not green, whatever its record says.

    Raises:
        RefusedByPlan: there is nothing to follow.
        Refused: nothing of it, or no end of it, reached the ledger.
    """
    screen = console()
    screen.quiet = json
    recovery = _until_over(context, _shown(context, name, screen))
    evidence = _evidence(context, recovery)
    outcome = outcome_of_recovery(recovery) if evidence else outcome_without_evidence(recovery)
    screen.print(table_of(("check", "verdict", "why"), findings_of(recovery), ("check", "verdict")))
    for one in told_of(recovery):
        screen.print(one, style="dim", markup=False)
    if evidence:
        screen.print(evidence_of(evidence), style="dim", markup=False, soft_wrap=True)
    screen.print(Text(outcome, style=f"bold {tone_of(recovery) if evidence else 'red'}"))
    if json:
        as_json({"outcome": outcome, "recovery": recovery, "evidence": told(evidence) if evidence else None})
    return CODES[recovery.ending or RecoveryEnding.RED] if evidence else CODES[RecoveryEnding.RED]


def _shown(context: Context, name: str, screen: Console) -> Recovery:
    """Show each phase as it ends, until the record or the execution has; returns the recovery as it is then."""
    recovery, shown = _appears(context, name), 0
    while True:
        over = recovery.ended_at is not None or not context.cloud.executions.describe(recovery.execution).alive
        lines = phases_of(recovery)
        done = len(lines) if over else len(lines) - 1  # the last one may go on
        for one in lines[shown:done]:
            screen.print(line(one))
        shown = max(shown, done)
        if over:
            return recovery
        time.sleep(POLL_SECONDS)
        recovery = context.cloud.drills.read(name)


def _until_over(context: Context, recovery: Recovery) -> Recovery:
    """Wait until nothing of it runs any more and its record is complete; returns it as it ended.

    Raises:
        Refused: nobody completed the record of an execution that died.
    """
    while context.cloud.executions.describe(recovery.execution).alive:
        time.sleep(POLL_SECONDS)
    deadline = context.cloud.now() + timedelta(seconds=SETTLES_SECONDS)
    while True:
        found = context.cloud.drills.read(recovery.id)
        if found.ended_at:
            return found
        if context.cloud.now() >= deadline:
            remedy = f"its execution is over and nobody completed its record: look at {recovery.execution}"
            raise Refused("recovery", recovery.id, remedy)
        time.sleep(POLL_SECONDS)


def _evidence(context: Context, recovery: Recovery) -> Link | None:
    """Wait for a recovery's link in the chain; None where nobody appends it."""
    deadline = context.cloud.now() + timedelta(seconds=SETTLES_SECONDS)
    while True:
        found = context.cloud.evidence.of(recovery.id)
        if found or context.cloud.now() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


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
