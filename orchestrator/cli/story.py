"""A deployment told in order: what happened when, one line each, from what the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.decision import Action
from orchestrator.domain.records import DecisionEntry, Deployment, Ending

LOOKS = ("Verify", "VerifyBeforeTraffic", "VerifyAfterTraffic", "VerifyStable")


@dataclass(frozen=True)
class Line:
    """One thing that happened. `tone` is good, bad, or empty."""

    at: datetime
    what: str
    text: str
    tone: str = ""


def story_of(deployment: Deployment, decisions: Sequence[DecisionEntry]) -> list[Line]:
    """Tell a deployment so far, earliest first."""
    plan = deployment.plan
    lines = [
        Line(
            deployment.requested_at,
            "planned",
            f"{plan.strategy}: {len(plan.steps)} steps, {plan.looks} looks, {plan.transitions} state transitions; "
            f"release {short(deployment.release.digest)}; asked for by {deployment.requested_by}",
        )
    ]
    lines += [Line(shift.at, "shifted", f"{shift.weight_percent} % to canary") for shift in deployment.shifts]
    lines += [_decided(entry) for entry in decisions]
    lines += _undone(deployment)
    if deployment.ended_at:
        tone = "good" if deployment.ending in {Ending.SUCCEEDED, Ending.NOTHING_TO_SHIP} else "bad"
        lines.append(Line(deployment.ended_at, "ended", f"{deployment.ending}: {deployment.reason}", tone))
    return sorted(lines, key=lambda line: line.at)


def outcome_of(deployment: Deployment) -> str:
    """The one line that says how it came out."""
    if deployment.ended_at is None:
        return f"{deployment.id} is under way: {deployment.phase}"
    seconds = (deployment.ended_at - deployment.requested_at).total_seconds()
    told = f"{deployment.id} {deployment.ending} after {seconds:.0f} s: {deployment.reason}"
    rollback = deployment.rollback
    if rollback and rollback.restored_at:
        took = (rollback.restored_at - rollback.trigger.at).total_seconds()
        told += f" — every alias back on stable {took:.1f} s after the {rollback.trigger.source}"
    return told


def short(digest: str) -> str:
    """A digest as people compare it."""
    return digest.removeprefix("sha256:")[:12]


def _decided(entry: DecisionEntry) -> Line:
    decision = entry.decision
    if entry.verdict is None:
        return Line(entry.at, spaced(entry.state), decision.reason)
    tone = {"PASS": "good", "FAIL": "bad"}.get(entry.verdict.outcome, "")
    if decision.action is Action.RESTORE:  # the rollback's look at stable decides nothing any more
        return Line(entry.at, spaced(entry.state), f"{entry.verdict.outcome}: {entry.verdict.reason}", tone)
    return Line(entry.at, spaced(entry.state), f"{entry.verdict.outcome} → {decision.action}: {decision.reason}", tone)


def _undone(deployment: Deployment) -> list[Line]:
    rollback = deployment.rollback
    if rollback is None:
        return []
    lines = [Line(rollback.trigger.at, "rollback", f"{rollback.trigger.source}: {rollback.trigger.reason}", "bad")]
    if rollback.fenced_at:
        lines.append(Line(rollback.fenced_at, "fenced", f"epoch {deployment.epoch}: nobody else can move an alias"))
    if rollback.restored_at:
        lines.append(Line(rollback.restored_at, "restored", "every alias read back on stable", "good"))
    return lines


def spaced(name: str) -> str:
    """A state's name in words: ``VerifyAfterTraffic`` is ``verify after traffic``."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
