"""The timeline of a deployment, from its record and its decisions in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.cli.rendering.local_times import local_second
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.gate_decisions import answers
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    DeploymentOutcome,
    PauseToken,
    RollbackTrigger,
)

TRIGGERS = {
    "person": "operator's command",
    "execution": "end of its execution",
    "error": "failed task",
    "gate": "gate that did not pass",
}
"""Sources of triggers in words, where their names are none."""

ANSWERS = {
    "resume": "to continue with the next step",
    "promote": "to promote the canary now",
    "approve": "to approve it, as one of the approvers",
    "abort": "to roll back",
}
"""The commands that answer a paused deployment, with their effects."""


@dataclass(frozen=True)
class TimelineEntry:
    """One entry: when it happened, its name and its text. `tone` is good, bad, or empty."""

    at: datetime
    name: str
    text: str
    tone: str = ""


def deployment_timeline(
    deployment: Deployment, decisions: Sequence[DecisionEntry], pause: PauseToken | None = None
) -> list[TimelineEntry]:
    """Return the entries of a deployment so far, earliest first. `pause`: the pause in which it waits, if it does."""
    entries = [
        TimelineEntry(
            deployment.requested_at,
            "planned",
            f"{plan_line(deployment)}; requested by {deployment.requested_by}{_outside_calendar(deployment)}",
        )
    ]
    entries += [
        TimelineEntry(shift.at, "shifted", f"{shift.weight_percent} % to canary") for shift in deployment.shifts
    ]
    entries += [_decision_entry(entry) for entry in decisions]
    entries += _rollback_entries(deployment)
    if pause:
        entries.append(TimelineEntry(pause.since, "paused", "\n".join(pause_lines(deployment, pause))))
    if deployment.ended_at:
        tone = (
            "good" if deployment.outcome in {DeploymentOutcome.SUCCEEDED, DeploymentOutcome.NOTHING_TO_SHIP} else "bad"
        )
        entries.append(TimelineEntry(deployment.ended_at, "ended", f"{deployment.outcome}: {deployment.reason}", tone))
    return sorted(entries, key=lambda entry: entry.at)


def _outside_calendar(deployment: Deployment) -> str:
    return f"; outside the calendar: {deployment.outside_calendar}" if deployment.outside_calendar else ""


def plan_line(deployment: Deployment) -> str:
    """Return the plan of a deployment as one line: strategy, size and release."""
    plan = deployment.plan
    gates = f"{len(plan.gates)} gates, " if plan.gates else ""
    return (
        f"{plan.strategy}: {len(plan.steps)} steps, {gates}{plan.evaluations} evaluations, "
        f"{plan.transitions} state transitions; release {short_digest(deployment.release.digest)}"
    )


def pause_lines(deployment: Deployment, pause: PauseToken) -> list[str]:
    """Return for what a paused deployment waits, until when, and the commands that answer it."""
    until = local_second(pause.deadline)
    commands = answer_commands(deployment)
    return [
        f"it waits for an operator until {until}: {pause.reason}",
        *(f"{effect}: {command}" for command, effect in commands.items()),
        "without an answer it is rolled back",
    ]


def pause_as_json(deployment: Deployment, pause: PauseToken | None) -> dict[str, object] | None:
    """Return a pause with the commands that answer it, without its task token; None without a pause."""
    if pause is None:
        return None
    commands = list(answer_commands(deployment))
    return {"reason": pause.reason, "since": pause.since, "deadline": pause.deadline, "commands": commands}


def answer_commands(deployment: Deployment) -> dict[str, str]:
    """Return the commands that answer a paused deployment, each with its effect."""
    return {
        f"orchestrator {command} {deployment.id} --env {deployment.environment}": ANSWERS[command]
        for command in answers(deployment)
    }


def outcome_line(deployment: Deployment) -> str:
    """Return the outcome of a deployment as one line."""
    if deployment.ended_at is None or deployment.under_way:
        return f"{deployment.id} is in progress: {deployment.phase}"
    seconds = (deployment.ended_at - deployment.requested_at).total_seconds()
    if deployment.outcome is DeploymentOutcome.REFUSED:
        return f"{deployment.id} was refused after {seconds:.0f} s and nothing was changed: {deployment.reason}"
    line = f"{deployment.id} {deployment.outcome} after {seconds:.0f} s: {deployment.reason}"
    rollback = deployment.rollback
    if rollback and rollback.reverted_at:
        seconds = (rollback.reverted_at - rollback.trigger.at).total_seconds()
        version = rollback.traffic_to.lower()
        line += f" — every alias on {version} {seconds:.1f} s after the {_trigger_name(rollback.trigger)}"
    return line


def _trigger_name(trigger: RollbackTrigger) -> str:
    return TRIGGERS.get(trigger.source, trigger.source)


def short_digest(digest: str) -> str:
    """Return the beginning of a digest, enough to compare it by eye."""
    return digest.removeprefix("sha256:")[:12]


def _decision_entry(entry: DecisionEntry) -> TimelineEntry:
    decision = entry.decision
    if entry.verdict is None:
        return TimelineEntry(entry.at, spaced(entry.state), decision.reason)
    tone = {"PASS": "good", "FAIL": "bad"}.get(entry.verdict.outcome, "")
    if decision.action is Action.REVERT:  # the rollback's verification of stable decides nothing
        return TimelineEntry(entry.at, spaced(entry.state), f"{entry.verdict.outcome}: {entry.verdict.reason}", tone)
    return TimelineEntry(
        entry.at, spaced(entry.state), f"{entry.verdict.outcome} → {decision.action}: {decision.reason}", tone
    )


def _rollback_entries(deployment: Deployment) -> list[TimelineEntry]:
    rollback = deployment.rollback
    if rollback is None:
        return []
    entries = [
        TimelineEntry(
            rollback.trigger.at, "rollback", f"{_trigger_name(rollback.trigger)}: {rollback.trigger.reason}", "bad"
        )
    ]
    if rollback.locked_at:
        entries.append(
            TimelineEntry(
                rollback.locked_at,
                "lock acquired",
                f"fencing token {deployment.fencing_token}: no other execution can change an alias",
            )
        )
    if rollback.locked_at and rollback.why_there:
        tone = "bad" if rollback.neither_healthy else ""
        entries.append(TimelineEntry(rollback.locked_at, "versions compared", rollback.why_there, tone))
    if rollback.reverted_at:
        name = "canary kept" if deployment.keeps_canary else "aliases reverted"
        text = f"every alias points at its {rollback.traffic_to.lower()} version"
        entries.append(TimelineEntry(rollback.reverted_at, name, text, "good"))
    return entries


def spaced(name: str) -> str:
    """Return a state's name in words: ``VerifyAfterPromotion`` becomes ``verify after promotion``."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
