"""The commands that change nothing: status, history, explain, verify, strategies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape

import environments
from orchestrator.cli.context import Context
from orchestrator.cli.observed import observe
from orchestrator.cli.output import as_json, clock, console, line, steps_table, table_of
from orchestrator.cli.recovery_story import findings_of, outcome_of_recovery, phases_of, summary_of, told_of, tone_of
from orchestrator.cli.story import outcome_of, short, story_of
from orchestrator.domain.chain import broken_at
from orchestrator.domain.ending import as_it_left
from orchestrator.domain.errors import Refused
from orchestrator.domain.freeze import Freeze
from orchestrator.domain.plan import Plan
from orchestrator.domain.policy import DeliveryPolicy
from orchestrator.domain.records import DecisionEntry, Deployment
from orchestrator.domain.recovery import Recovery
from orchestrator.domain.recovery_plan import RECOVERY_PREFIX
from orchestrator.domain.release import digest
from orchestrator.domain.signals import ALARM_RINGS
from orchestrator.domain.strategy import read_strategy
from orchestrator.domain.verdict import Outcome
from orchestrator.probes import look_at_stable
from orchestrator.probes.scene import of_stable

SIGNALS = 50


def status(context: Context, *, json: bool) -> None:
    """Show the environment as it is now."""
    cloud, claim = context.cloud, context.cloud.ledger.claim()
    functions = {name: context.function_name(name) for name in sorted(environments.FUNCTIONS)}
    aliases = {name: cloud.aliases.read(function) for name, function in functions.items()}
    latest = digest({name: cloud.versions.describe(function) for name, function in functions.items()})
    newest, freeze = next(iter(cloud.ledger.newest(1)), None), cloud.freezes.read()
    ringing, recovery = _ringing(context, newest), next(iter(cloud.drills.newest(1)), None)
    if json:
        as_json(
            {
                "environment": context.name,
                "claim": claim,
                "freeze": freeze if freeze and freeze.holds else None,
                "release_in_latest": latest,
                "aliases": {name: alias.routing for name, alias in aliases.items()},
                "alarms_ringing": ringing,
                "newest_deployment": newest.id if newest else None,
                "newest_recovery": summary_of(recovery) if recovery else None,
            }
        )
        return
    screen = console()
    holder = f"{claim.kind} {claim.deployment}" if claim.held else "nobody"
    screen.print(f"{context.name}: claim held by {holder}, epoch {claim.epoch}")
    _show_freeze(screen, freeze)
    rows = [
        (name, alias.routing.primary, _canary(alias.routing.canary, alias.routing.weight_percent), alias.mark or "-")
        for name, alias in aliases.items()
    ]
    screen.print(table_of(("function", "stable", "canary", "last written by"), rows))
    screen.print(f"$LATEST holds release {latest}")
    screen.print(f"alarms ringing: {', '.join(ringing) or 'none'}")
    screen.print(outcome_of(newest) if newest else "no deployment yet", markup=False)
    screen.print(outcome_of_recovery(recovery) if recovery else "no drill yet", markup=False)


def history(context: Context, limit: int, *, json: bool) -> None:
    """List deployments, and drills and restores, newest first."""
    found, freeze = context.cloud.ledger.newest(limit), context.cloud.freezes.read()
    recoveries = context.cloud.drills.newest(limit)
    if json:
        listed = [_summary(deployment) for deployment in found]
        as_json({"freeze": freeze, "deployments": listed, "recoveries": [summary_of(one) for one in recoveries]})
        return
    _show_freeze(console(), freeze)
    rows = [
        (
            f"{deployment.requested_at.astimezone():%m-%d %H:%M}",
            deployment.id,
            deployment.ending or deployment.phase,
            deployment.plan.strategy,
            short(deployment.release.digest),
        )
        for deployment in found
    ]
    if rows:
        console().print(
            table_of(("when", "deployment", "ending", "strategy", "release"), rows, ("deployment", "ending"))
        )
    else:
        console().print("no deployment yet")
    if recoveries:
        console().print(
            table_of(
                ("when", "recovery", "ending", "restored to", "why"),
                [_row(one) for one in recoveries],
                ("recovery", "ending"),
            )
        )


def explain(context: Context, name: str, *, json: bool) -> None:
    """Tell a deployment with every decision's evidence.

    Raises:
        Refused: there is none of this id.
    """
    ledger = context.cloud.ledger
    if name.startswith(RECOVERY_PREFIX):
        _explain_recovery(context, name, json=json)
        return
    refusal = ledger.refusal(name)
    if refusal:
        if json:
            as_json({"deployment": name, "ending": "REFUSED", "reason": refusal.why, "at": refusal.at})
        else:
            console().print(
                f"{name} was refused at {clock(refusal.at)}, nothing was touched: {refusal.why}", markup=False
            )
        return
    deployment, decisions = ledger.read(name), ledger.decisions(name)
    broken = broken_at(ledger.decision_bodies(name))
    signals = [signal for signal in ledger.signals(SIGNALS) if signal.deployment == name]
    if json:
        as_json(
            {
                "deployment": deployment,
                "decisions": decisions,
                "chain_broken_at": broken,
                "signals": signals,
                "triggers": ledger.triggers(name),
                "incident": ledger.incident(f"i-{name}"),
            }
        )
        return
    screen = console()
    screen.print(outcome_of(deployment), style="bold", markup=False)
    for told in story_of(deployment, decisions):
        screen.print(line(told))
    if deployment.shifts:
        screen.print()
        screen.print(steps_table(observe(context.cloud, deployment, context.cloud.now())))
    for entry in decisions:
        if entry.evidence:
            _show_evidence(screen, entry)
    for signal in signals:
        acted = "started the rollback" if signal.acted else "did nothing"
        screen.print(f"{clock(signal.at)}  {signal.source} {signal.name} {acted}: {signal.why}", markup=False)
    chain = f"{len(decisions)} decisions, chain intact" if broken is None else f"CHAIN BROKEN at decision {broken + 1}"
    screen.print(chain, style="bold red" if broken is not None else "dim")


def _explain_recovery(context: Context, name: str, *, json: bool) -> None:
    """Tell a drill or a restore: its phases, everything that was looked at, and what was measured."""
    refusal = context.cloud.drills.refusal(name)
    if refusal:
        if json:
            as_json({"recovery": name, "ending": "REFUSED", "reason": refusal.why, "at": refusal.at})
        else:
            told = f"{name} was refused at {clock(refusal.at)}, nothing was made: {refusal.why}"
            console().print(told, markup=False)
        return
    recovery = context.cloud.drills.read(name)
    if json:
        as_json({"recovery": recovery})
        return
    screen = console()
    screen.print(outcome_of_recovery(recovery), style=f"bold {tone_of(recovery)}", markup=False)
    for told in told_of(recovery):
        screen.print(told, markup=False)
    for phase in phases_of(recovery):
        screen.print(line(phase))
    screen.print(table_of(("check", "verdict", "why"), findings_of(recovery), ("check", "verdict")))


def verify(context: Context, *, json: bool) -> int:
    """Look at what clients get; returns the exit code.

    Raises:
        Refused: there was no deployment yet, so nobody wrote down what the service consists of.
    """
    newest = next(iter(context.cloud.ledger.newest(1)), None)
    if newest is None:
        raise Refused(
            "deployment", "the newest", "deploy once; the first plan writes down what the service consists of"
        )
    look = look_at_stable(of_stable(as_it_left(newest), context.cloud.now()), context.cloud.instruments)
    if json:
        as_json({"verdict": look.verdict, "evidence": look.evidence})
    else:
        for evidence in look.evidence:
            console().print(
                f"{evidence.probe:<12} {evidence.verdict.outcome:<13} {evidence.verdict.reason}", markup=False
            )
        console().print(f"{look.verdict.outcome}: {look.verdict.reason}", style="bold", markup=False)
    return 0 if look.verdict.outcome is Outcome.PASS else 1


def strategies(env: str, *, json: bool) -> None:
    """List an environment's named strategies; needs no cloud.

    Raises:
        Refused: there is no such environment.
    """
    if env not in environments.names():
        raise Refused("env", env, f"name one of {', '.join(environments.names())}")
    policy = DeliveryPolicy.parse(environments.load(env).delivery)
    plans = {name: Plan.of(read_strategy(name, policy), policy) for name in sorted(policy.strategies)}
    if json:
        as_json(
            {
                name: {**asdict(plan), "looks": plan.looks, "transitions": plan.transitions}
                for name, plan in plans.items()
            }
        )
        return
    rows = [
        (
            f"{name} (default)" if name == policy.default_strategy else name,
            ", ".join(f"{step.weight_percent} % {_seconds(step.bake)}" for step in plan.steps) or "100 % at once",
            plan.looks,
            plan.transitions,
        )
        for name, plan in plans.items()
    ]
    console().print(table_of(("strategy", "steps", "looks", "transitions"), rows))


def _show_freeze(screen: Console, freeze: Freeze | None) -> None:
    if freeze and freeze.holds:
        screen.print(f"{freeze.told}; no deployment begins", style="bold", markup=False)


def _show_evidence(screen: Console, entry: DecisionEntry) -> None:
    screen.print(f"\n{clock(entry.at)}  {entry.state}", style="bold")
    for evidence in entry.evidence:
        window = f"{clock(evidence.window.start)} to {clock(evidence.window.end)}"
        screen.print(f"  {evidence.probe:<12} {evidence.verdict.outcome:<13} {escape(evidence.verdict.reason)}")
        screen.print(
            f"  {'':<12} {evidence.samples} samples from {evidence.source}, {window}", style="dim", markup=False
        )
        for told in _figures(evidence.figures):
            screen.print(f"  {'':<12} {told}", style="dim", markup=False)


def _figures(figures: Mapping[str, Any]) -> list[str]:
    return [f"{key}: {msgspec.json.encode(value).decode()}" for key, value in figures.items()]


def _row(recovery: Recovery) -> tuple[str, ...]:
    return (
        f"{recovery.requested_at.astimezone():%m-%d %H:%M}",
        recovery.id,
        recovery.ending or "under way",
        f"{recovery.point.astimezone():%m-%d %H:%M:%S}",
        recovery.reason,
    )


def _summary(deployment: Deployment) -> dict[str, Any]:
    return {
        "deployment": deployment.id,
        "requested_at": deployment.requested_at,
        "requested_by": deployment.requested_by,
        "strategy": deployment.plan.strategy,
        "release": deployment.release.digest,
        "phase": deployment.phase,
        "ending": deployment.ending,
        "reason": deployment.reason,
        "ended_at": deployment.ended_at,
    }


def _ringing(context: Context, newest: Deployment | None) -> list[str]:
    if newest is None:
        return []
    states = context.cloud.alarms.states(newest.service.alarms)
    return sorted(alarm.name for alarm in states.values() if alarm.state == ALARM_RINGS)


def _canary(version: str, weight_percent: int) -> str:
    return f"{version} ({weight_percent} %)" if version else "-"


def _seconds(length: timedelta) -> str:
    return f"{length.total_seconds():.0f} s"
