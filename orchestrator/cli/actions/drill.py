"""The command `drill`: show the plan, start a drill, and follow it until its end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from rich.console import Console
from rich.text import Text

from orchestrator.application import prices
from orchestrator.application.recovery_planning import (
    last_cutover,
    list_recovery_points,
    plan_table_failback,
    plan_table_recovery,
    refuse_tables_not_in_use,
    refuse_unfinishable_restore,
)
from orchestrator.application.restored_tables.copies import list_copies
from orchestrator.application.start_request import start_request
from orchestrator.aws.ledger.evidence import entry_as_json
from orchestrator.cli.context import Context
from orchestrator.cli.errors import DONE
from orchestrator.cli.live.json_lines import print_request, print_result, recovery_events
from orchestrator.cli.live.operator_keys import OperatorKeys
from orchestrator.cli.live.recovery_tree import draw_recovery
from orchestrator.cli.live.snapshots import RecoveryReader, RecoverySnapshot
from orchestrator.cli.live.terminal import keyboard_of, supports_live
from orchestrator.cli.live.views import JsonView, LineView, LiveView, Patience, View
from orchestrator.cli.rendering.follow import (
    CHECKED_WITHIN_SECONDS,
    PLANNED_WITHIN_SECONDS,
    POLL_SECONDS,
    RefusedByPlan,
)
from orchestrator.cli.rendering.output import console, notes_console, print_json, text_table, timeline_row
from orchestrator.cli.rendering.recovery_timeline import (
    check_rows,
    evidence_line,
    missing_evidence_line,
    outcome_style,
    phase_entries,
    recovery_outcome_line,
    summary_lines,
)
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.recovery.backup_times import describe_times
from orchestrator.domain.recovery.plan import RecoveryPlan
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome, Role, TableRecovery
from orchestrator.domain.recovery.request import (
    new_recovery_key,
    read_recovery_request,
    recovery_id,
    refuse_impossible_fault,
)

CODES = {RecoveryOutcome.SUCCEEDED: 0, RecoveryOutcome.FAILED: 1, RecoveryOutcome.REFUSED: 2}
COMPLETES_WITHIN_SECONDS = 360.0
"""The longest time from the end of an execution until its record and evidence are complete.

The cleanup job, which completes both, runs every five minutes.
"""


def plan(context: Context, request: Mapping[str, object], *, json: bool) -> None:
    """Show the plan of a drill and its estimated cost. Changes nothing.

    Raises:
        Refused: the drill would be refused.
    """
    recovery_plan = plan_recovery(context, request, "dr-planned", Kind.DRILL)
    if json:
        print_json(recovery_plan)
        return
    show_plan(recovery_plan)
    show_backups(recovery_plan)
    console().print(f"the cleanup job removes its resources after {recovery_plan.expires_at.isoformat()}")


def show_plan(recovery_plan: RecoveryPlan) -> None:
    """Show the tables, the recovery point and the estimated cost."""
    screen = console()
    screen.print(
        f"recovery point {recovery_plan.point.isoformat()}; "
        f"the latest of all tables is {recovery_plan.latest.isoformat()}"
    )
    rows = [(table.source, table.target, *counts_of(table)) for table in recovery_plan.tables]
    screen.print(
        text_table(("table", "restored to", "items (approx.)", "bytes (approx.)"), rows, ("table", "restored to"))
    )
    show_cost(recovery_plan)


def counts_of(table: TableRecovery) -> tuple[str | int, int]:
    """Return the items and the bytes of what is restored: of a backup, only its bytes are listed."""
    if table.backup_arn:
        return "unknown", table.backup_bytes or table.size_bytes
    return table.items, table.size_bytes


def show_backups(recovery_plan: RecoveryPlan) -> None:
    """Show which tables are restored from which backups, and how far the times of all tables are apart."""
    screen = console()
    for table in recovery_plan.tables:
        if table.backup_at:
            at = table.backup_at.isoformat(timespec="seconds")
            exact = f", exact to {table.uncertainty.total_seconds():.0f} s" if table.uncertainty else ""
            screen.print(f"{table.role}: backup of {at}{exact}, {table.backup_arn}", markup=False, soft_wrap=True)
    difference = describe_times(recovery_plan.tables, recovery_plan.point)
    if difference:
        screen.print(f"The tables are of different times: {difference}", markup=False)


def show_cost(recovery_plan: RecoveryPlan) -> None:
    """Show the estimated cost."""
    parts = ", ".join(f"{name} {usd:.4f}" for name, usd in recovery_plan.cost.parts.items())
    console().print(
        f"about {recovery_plan.cost.usd:.4f} US dollars at prices of {recovery_plan.cost.prices_of}: {parts}"
    )


def drill(context: Context, request: Mapping[str, object], key: str | None, *, watch: bool, json: bool) -> int:
    """Start a drill, wait until it is accepted or refused and, with `watch`, follow it; return the exit code.

    Raises:
        Refused: the input is invalid, or the drill would be refused; nothing was started.
        RefusedByPlan: the plan rejected it; nothing was restored.
        Unreachable: it was started, but its plan did not answer in time.
    """
    name, started = start_drill(context, request, key)
    if watch:
        note_repeated(name, started=started)
        return follow_recovery(context, name, str(request["requested_by"]), json=json)
    return report_answer(context, name, started=started, json=json)


def start_drill(context: Context, request: Mapping[str, object], key: str | None = None) -> tuple[str, bool]:
    """Start a drill; return its id, and whether this call has started it.

    Raises:
        Refused: the input is invalid, or the drill would be refused; nothing was started.
    """
    name = recovery_id(key or new_recovery_key(context.cloud.now(), secrets.token_bytes(8)))
    # PlanRecovery repeats these checks, because executions can also be started without the command line.
    plan_recovery(context, request, name, Kind.DRILL)
    return name, start_request(context.cloud.executions, context.state_machine_arn("drill"), name, request)


def note_repeated(name: str, *, started: bool) -> None:
    """Note on standard error that a recovery is followed which an earlier command started."""
    if not started:
        note = f"{name} was started before, so nothing is started now; for another one, give another --key"
        notes_console().print(note, markup=False)


def report_answer(context: Context, name: str, *, started: bool, json: bool) -> int:
    """Wait until a started drill or restore is accepted or refused, and print the answer; return the exit code.

    Raises:
        RefusedByPlan: the plan rejected the recovery.
        Unreachable: its plan did not answer in time.
    """
    answer = wait_for_answer(context, name)
    if json:
        print_json({"recovery": name, "started": started, "outcome": answer.outcome, "reason": answer.reason})
    elif answer.outcome:
        console().print(recovery_outcome_line(answer), markup=False)
    else:
        state = "started" if started else "already started:"
        console().print(f"{state} {name}; see `orchestrator explain {name} --env {context.name}`")
    return CODES[answer.outcome] if answer.outcome else DONE


def plan_recovery(context: Context, options: Mapping[str, object], name: str, kind: Kind) -> RecoveryPlan:
    """Plan a recovery as its state machine would.

    Raises:
        Refused: the recovery would be refused.
    """
    environment = context.environment
    policy = RecoveryPolicy.parse(environment.recovery)
    request = read_recovery_request(options, policy, context.name)
    tables = {Role.STATE: environment.service.state_table, Role.TOKENS: environment.service.tokens_table}
    functions = {function: context.function_name(function) for function in environment.service.functions}
    if kind is Kind.RESTORE:
        refuse_unfinishable_restore(context.cloud, functions, {} if request.failback_of else tables)
    else:
        refuse_tables_not_in_use(context.cloud, functions, tables)
    if request.failback_of and kind is Kind.RESTORE:
        region_prices = prices.load_prices(environment.region)
        return plan_table_failback(context.cloud, request, policy, prices=region_prices, now=context.cloud.now())
    recovery_plan = plan_table_recovery(
        context.cloud.table_restores,
        context.cloud.backups,
        kind,
        name,
        tables,
        request,
        policy,
        environment=context.name,
        prices=prices.load_prices(environment.region),
        now=context.cloud.now(),
        standing=context.cloud.standing_grants,
        last_cutover=partial(last_cutover, context.cloud),
        vault=partial(list_recovery_points, context.cloud),
        copies=partial(list_copies, context.cloud),
    )
    if request.fault:
        indexes = [
            index for table in tables.values() for index in context.cloud.table_settings.read_settings(table).indexes
        ]
        refuse_impossible_fault(request.fault, indexes)
    return recovery_plan


def follow_recovery(context: Context, name: str, by: str, *, json: bool) -> int:
    """Follow a drill or restore until its evidence is in the chain; return the exit code.

    Without evidence in the chain, the exit code is that of a failed recovery, whatever the record says.

    Raises:
        RefusedByPlan: the plan rejected the recovery.
        Refused: the end of the recovery did not appear in the ledger.
        Unreachable: it was started, but its plan did not answer in time.
        StoppedWatching: the operator watches no longer.
    """
    if json:
        print_request(context.cloud.now(), context.name, recovery=name, requested_by=by)
    screen = console()
    screen.quiet = json
    recovery = _wait_for_record(context, name)
    with _view(context, name, screen, json=json) as view:
        reader = RecoveryReader(context)
        recovery = _wait_for_end(context, _show_phases(context, recovery, view, reader), view)
        view.show(reader.read_snapshot(recovery))
        evidence = _wait_for_evidence(context, recovery, view)
    outcome = recovery_outcome_line(recovery) if evidence else missing_evidence_line(recovery)
    screen.print(text_table(("check", "verdict", "reason"), check_rows(recovery), ("check", "verdict")))
    for line in summary_lines(recovery):
        screen.print(line, style="dim", markup=False)
    if evidence:
        screen.print(evidence_line(evidence), style="dim", markup=False, soft_wrap=True)
    screen.print(Text(outcome, style=f"bold {outcome_style(recovery) if evidence else 'red'}"))
    if json:
        proof = entry_as_json(evidence) if evidence else None
        print_result(context.cloud.now(), {"outcome": outcome, "recovery": recovery, "evidence": proof})
    return CODES[recovery.outcome or RecoveryOutcome.FAILED] if evidence else CODES[RecoveryOutcome.FAILED]


def _view(context: Context, name: str, screen: Console, *, json: bool) -> View[RecoverySnapshot]:
    sleep = context.cloud.sleep
    if json:
        return JsonView(sleep, recovery_events)
    if not supports_live(screen):
        return LineView(sleep, _PhasePrinter(screen))
    again = f"orchestrator watch {name} --env {context.name}"
    return LiveView(screen, sleep, draw_recovery, OperatorKeys((), again), keyboard_of(screen, sleep), again)


class _PhasePrinter:
    """Prints each phase when it has ended; the last one may continue until the recovery ends."""

    def __init__(self, screen: Console) -> None:
        self._screen, self._printed = screen, 0

    def __call__(self, snapshot: RecoverySnapshot) -> None:
        entries = phase_entries(snapshot.recovery)
        complete = len(entries) if snapshot.recovery.ended_at is not None else len(entries) - 1
        for entry in entries[self._printed : complete]:
            self._screen.print(timeline_row(entry))
        self._printed = max(self._printed, complete)


def wait_for_answer(context: Context, name: str) -> Recovery:
    """Wait until the plan and the lock have accepted or refused a recovery; return its record.

    A lock that takes longer than `CHECKED_WITHIN_SECONDS` leaves the answer open.

    Raises:
        RefusedByPlan: the plan rejected the recovery.
        Unreachable: its plan did not answer in time.
    """
    recovery = _wait_for_record(context, name)
    deadline = context.cloud.now() + timedelta(seconds=CHECKED_WITHIN_SECONDS)
    while not recovery.fencing_token and recovery.ended_at is None and context.cloud.now() < deadline:
        context.cloud.sleep(POLL_SECONDS)
        recovery = context.cloud.drills.read_record(name)
    return recovery


def _show_phases(context: Context, first: Recovery, view: View[RecoverySnapshot], reader: RecoveryReader) -> Recovery:
    """Show each phase as it ends, until the record or the execution ends; return the latest record."""
    patience = Patience(context.cloud.now, view)
    known: Recovery | None = first
    while True:
        try:
            recovery = known or context.cloud.drills.read_record(first.id)
            known = None
            view.show(reader.read_snapshot(recovery))
            ended = recovery.ended_at is not None
            ended = ended or not context.cloud.executions.describe_execution(recovery.execution).alive
            patience.reset()
            if ended:
                return recovery
        except (Throttled, Unreachable) as error:
            patience.bear(error)
        view.wait(POLL_SECONDS)


def _wait_for_end(context: Context, recovery: Recovery, view: View[RecoverySnapshot]) -> Recovery:
    """Wait until the execution ended and the record is complete; return the complete record.

    Raises:
        Refused: the record of an ended execution stayed incomplete.
    """
    while context.cloud.executions.describe_execution(recovery.execution).alive:
        view.wait(POLL_SECONDS)
    deadline = context.cloud.now() + timedelta(seconds=COMPLETES_WITHIN_SECONDS)
    while True:
        latest = context.cloud.drills.read_record(recovery.id)
        if latest.ended_at:
            return latest
        if context.cloud.now() >= deadline:
            remedy = f"its execution ended, but its record is incomplete: check {recovery.execution}"
            raise Refused("recovery", recovery.id, remedy)
        view.wait(POLL_SECONDS)


def _wait_for_evidence(context: Context, recovery: Recovery, view: View[RecoverySnapshot]) -> ChainEntry | None:
    """Wait for the recovery's entry in the evidence chain; return None if it does not appear."""
    deadline = context.cloud.now() + timedelta(seconds=COMPLETES_WITHIN_SECONDS)
    while True:
        entry = context.cloud.evidence.find_entry(recovery.id)
        if entry or context.cloud.now() >= deadline:
            return entry
        view.wait(POLL_SECONDS)


def _wait_for_record(context: Context, name: str) -> Recovery:
    ledger, deadline = context.cloud.drills, context.cloud.now() + timedelta(seconds=PLANNED_WITHIN_SECONDS)
    while True:
        record, refusal, late = ledger.find_record(name), ledger.read_refusal(name), context.cloud.now() >= deadline
        if record:
            return record
        if refusal:
            raise RefusedByPlan(refusal.why)
        if late:
            raise Unreachable(
                f"the plan of {name} has not answered within {PLANNED_WITHIN_SECONDS:.0f} s; it may still start: "
                f"`orchestrator explain {name} --env {context.name}`"
            )
        context.cloud.sleep(POLL_SECONDS)
