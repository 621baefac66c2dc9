"""The command `explain`: the decisions of a deployment, or the check results of a drill or restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from orchestrator.application.cloud import Cloud
from orchestrator.application.failover.copied_ledgers import of_its_region, region_of
from orchestrator.cli.context import Context
from orchestrator.cli.live.snapshots import pause_of
from orchestrator.cli.rendering.deployment_timeline import deployment_timeline, outcome_line, pause_as_json, spaced
from orchestrator.cli.rendering.evidence_page import (
    NUMBER_COLUMNS,
    SPENDING_COLUMNS,
    decisive_entry,
    number_rows,
    probe_rows,
    spending_rows,
    thresholds_line,
)
from orchestrator.cli.rendering.gates_and_checks import CHECK_COLUMNS, custom_check_rows, gate_lines
from orchestrator.cli.rendering.local_times import local_second, local_time
from orchestrator.cli.rendering.output import console, print_json, steps_table, text_table, timeline_row
from orchestrator.cli.rendering.recovery_timeline import (
    check_rows,
    outcome_style,
    phase_entries,
    recovery_outcome_line,
    summary_lines,
)
from orchestrator.cli.rendering.step_metrics import read_step_metrics
from orchestrator.domain.analysis.spending import spendings
from orchestrator.domain.deployment.record import DecisionEntry, Deployment, EventRecord, PauseToken
from orchestrator.domain.hash_chain import first_broken_index
from orchestrator.domain.recovery.record import Recovery
from orchestrator.domain.recovery.request import RECOVERY_PREFIX
from orchestrator.domain.rollback.incident import Incident

MAX_EVENTS = 50


def explain(context: Context, name: str, *, json: bool) -> None:
    """Show a deployment with the evidence of every decision, or a drill or restore with its check results.

    Raises:
        Refused: there is no deployment or recovery with this id.
    """
    if name.startswith(RECOVERY_PREFIX):
        _explain_recovery(context, name, json=json)
    else:
        _explain_deployment(context, name, json=json)


@dataclass(frozen=True)
class DeploymentHistory:
    """What the ledger has about one deployment.

    Attributes:
        events: those about it among the `MAX_EVENTS` newest of the environment, newest first.
        broken_at: index of the first decision that does not continue the hash chain; None if all do.
        incident: of its rollback; None without one.
        pause: the pause in which it waits; None if it does not.
    """

    deployment: Deployment
    decisions: Sequence[DecisionEntry]
    events: Sequence[EventRecord]
    broken_at: int | None
    incident: Incident | None
    pause: PauseToken | None


def read_deployment_history(context: Context, name: str) -> DeploymentHistory:
    """Read everything about one deployment.

    Raises:
        Refused: there is no deployment with this id.
    """
    ledger = context.cloud.ledger
    deployment = ledger.read_record(name)
    return DeploymentHistory(
        deployment=deployment,
        decisions=ledger.read_decisions(name),
        events=[event for event in ledger.read_events(MAX_EVENTS) if event.deployment == name],
        broken_at=first_broken_index(ledger.read_decision_bodies(name)),
        incident=ledger.read_incident(f"i-{name}"),
        pause=pause_of(context, deployment),
    )


def _explain_deployment(context: Context, name: str, *, json: bool) -> None:
    ledger = context.cloud.ledger
    refusal = ledger.read_refusal(name)
    if refusal:
        if json:
            print_json({"deployment": name, "outcome": "REFUSED", "reason": refusal.why, "at": refusal.at})
        else:
            message = f"{name} was refused at {local_second(refusal.at)} and nothing was changed: {refusal.why}"
            console().print(message, markup=False)
        return
    record = read_deployment_history(context, name)
    deployment, decisions, events, broken = record.deployment, record.decisions, record.events, record.broken_at
    if json:
        print_json(
            {
                "deployment": deployment,
                "decisions": decisions,
                "false_alarms": spendings(
                    [one for entry in decisions for one in entry.evidence], deployment.plan.limits.thresholds
                ),
                "chain_broken_at": broken,
                "events": events,
                "triggers": ledger.read_triggers(name),
                "incident": record.incident,
                "pause": pause_as_json(deployment, record.pause),
            }
        )
        return
    screen = console()
    screen.print(outcome_line(deployment), style="bold", markup=False)
    screen.print(_requested_line(deployment), style="dim", markup=False)
    for entry in deployment_timeline(deployment, decisions, record.pause):
        screen.print(timeline_row(entry))
    if deployment.shifts:
        screen.print()
        _show_steps(screen, context.cloud, deployment)
    for line in gate_lines(deployment):
        screen.print(line, markup=False)
    _show_evidence(screen, deployment, decisions)
    for event in events:
        effect = "started the rollback" if event.acted else "had no effect"
        screen.print(f"{local_time(event.at)}  {event.source} {event.name} {effect}: {event.why}", markup=False)
    chain = f"{len(decisions)} decisions, chain intact" if broken is None else f"CHAIN BROKEN at decision {broken + 1}"
    screen.print(chain, style="bold red" if broken is not None else "dim")


def _show_steps(screen: Console, cloud: Cloud, deployment: Deployment) -> None:
    steps = of_its_region(cloud, lambda: read_step_metrics(cloud, deployment, cloud.now()))
    if steps is None:
        screen.print(f"{region_of(cloud)} did not return the metrics of the steps", style="dim", markup=False)
    else:
        screen.print(steps_table(steps))


def _explain_recovery(context: Context, name: str, *, json: bool) -> None:
    """Show a drill or restore: its phases, its check results, and its measured objectives."""
    refusal = context.cloud.drills.read_refusal(name)
    if refusal:
        if json:
            print_json({"recovery": name, "outcome": "REFUSED", "reason": refusal.why, "at": refusal.at})
        else:
            message = f"{name} was refused at {local_second(refusal.at)}, nothing was created: {refusal.why}"
            console().print(message, markup=False)
        return
    recovery = context.cloud.drills.read_record(name)
    if json:
        print_json({"recovery": recovery})
        return
    screen = console()
    screen.print(recovery_outcome_line(recovery), style=f"bold {outcome_style(recovery)}", markup=False)
    screen.print(_requested_line(recovery), style="dim", markup=False)
    for line in summary_lines(recovery):
        screen.print(line, markup=False)
    for phase in phase_entries(recovery):
        screen.print(timeline_row(phase))
    screen.print(text_table(("check", "verdict", "reason"), check_rows(recovery), ("check", "verdict")))


def _requested_line(record: Deployment | Recovery) -> str:
    """Return when it was requested and by whom; the times of day below it are in the same time zone."""
    return f"requested by {record.requested_by} at {local_second(record.requested_at)}"


def _show_evidence(screen: Console, deployment: Deployment, decisions: Sequence[DecisionEntry]) -> None:
    """Show the decisive evaluation; `--json` has the evidence of all."""
    decisive = decisive_entry(decisions)
    if decisive is None:
        return
    thresholds = deployment.plan.limits.thresholds
    screen.print(f"\n{local_time(decisive.at)} {spaced(decisive.state)}, the evaluation that decided", style="bold")
    screen.print(text_table(("probe", "verdict", "reason"), probe_rows(decisive), ("probe", "verdict")))
    checks = custom_check_rows(decisive)
    if checks:
        screen.print()
        screen.print(text_table(CHECK_COLUMNS, checks, ("check", "verdict")))
    numbers = number_rows(decisive, thresholds)
    if numbers:
        screen.print()
        screen.print(text_table(NUMBER_COLUMNS, numbers, ("function", "measure")))
    screen.print()
    screen.print(text_table(SPENDING_COLUMNS, spending_rows(decisions, thresholds), ("may undo it", "probe")))
    screen.print(f"thresholds: {thresholds_line(thresholds)}", style="dim", markup=False)
    others = sum(bool(entry.evidence) for entry in decisions) - 1
    if others:
        command = f"orchestrator explain {deployment.id} --env {deployment.environment} --json"
        screen.print(f"evidence of {others} other evaluations: `{command}`", style="dim", markup=False)
