"""A recovery told in order: its phases, and everything that was looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.cli.story import Line, spaced
from orchestrator.domain.evidence_chain import Link
from orchestrator.domain.recovery import Finding, Phase, Recovery, RecoveryEnding
from orchestrator.domain.recovery_ending import measured_in_words
from orchestrator.domain.verdict import Outcome

TONES = {Outcome.PASS: "good", Outcome.FAIL: "bad", Outcome.ERROR: "bad", Outcome.INCONCLUSIVE: ""}


def phases_of(recovery: Recovery) -> list[Line]:
    """The phases so far, each with how long it took; together they are the whole time."""
    return [Line(phase.ended, spaced(phase.name), _took(phase)) for phase in recovery.phases]


def findings_of(recovery: Recovery) -> list[tuple[str, str, str]]:
    """What was looked at, as (check, outcome, reason): what is wrong by itself, and what passed as one line a group."""
    bad = [one for one in recovery.findings if one.verdict.outcome is not Outcome.PASS]
    return [*(_row(one) for one in bad), *_passed(recovery.findings)]


def outcome_of_recovery(recovery: Recovery) -> str:
    """The one line that says how it came out."""
    if recovery.ended_at is None:
        return (
            f"{recovery.id} is under way: {spaced(recovery.phases[-1].name) if recovery.phases else 'planned'} is done"
        )
    seconds = (recovery.ended_at - recovery.requested_at).total_seconds()
    return f"{recovery.id} {recovery.ending} after {seconds:.0f} s: {recovery.reason}"


def outcome_without_evidence(recovery: Recovery) -> str:
    """The line in its place for one whose evidence did not get into the chain."""
    return f"{recovery.id} is not green: its record says {recovery.ending}, and its evidence is not in the chain"


def evidence_of(link: Link) -> str:
    """Where its evidence is."""
    return f"evidence: link {link.number}:{link.hash}; `orchestrator evidence show {link.recovery} --env {link.environment}`"


def told_of(recovery: Recovery) -> list[str]:
    """What a reader wants to know first: to when, by whom, at which cost, and what was measured."""
    sabotage = f", sabotaged by {recovery.sabotage}" if recovery.sabotage else ""
    return [
        f"{recovery.kind} of {recovery.environment}, asked for by {recovery.requested_by}{sabotage}",
        f"{_done(recovery)}; about {recovery.cost.usd:.2f} US dollars at prices of {recovery.cost.prices_of}",
        *(f"{name}: {told}" for name, told in measured_in_words(recovery).items()),
    ]


def summary_of(recovery: Recovery) -> Mapping[str, Any]:
    """A recovery in a list."""
    return {
        "recovery": recovery.id,
        "kind": recovery.kind,
        "requested_at": recovery.requested_at,
        "requested_by": recovery.requested_by,
        "point": recovery.point,
        "ending": recovery.ending,
        "reason": recovery.reason,
        "ended_at": recovery.ended_at,
    }


def tone_of(recovery: Recovery) -> str:
    """Whether it came out well."""
    return "green" if recovery.ending is RecoveryEnding.GREEN else "red"


def _done(recovery: Recovery) -> str:
    return f"back from {recovery.back}" if recovery.back else f"restored to {recovery.point.isoformat()}"


def _row(finding: Finding) -> tuple[str, str, str]:
    return finding.check, finding.verdict.outcome, finding.verdict.reason


def _passed(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    groups: dict[str, int] = {}
    for finding in findings:
        if finding.verdict.outcome is Outcome.PASS:
            group = finding.check.partition(".")[0]
            groups[group] = groups.get(group, 0) + 1
    return [(group, Outcome.PASS, f"{count} checks passed") for group, count in groups.items()]


def _took(phase: Phase) -> str:
    return f"{phase.took.total_seconds():.1f} s"
