"""The timeline of a drill or restore: its phases, its check results and its objectives."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.rendering.deployment_timeline import TimelineEntry, spaced
from orchestrator.domain.evidence.chain import ChainEntry
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.outcome import objectives_in_words
from orchestrator.domain.recovery.record import CheckResult, Recovery, RecoveryOutcome, RecoveryPhase
from orchestrator.domain.verdict import Outcome


def phase_entries(recovery: Recovery) -> list[TimelineEntry]:
    """Return the phases so far, each with its duration; together they cover the whole time."""
    return [TimelineEntry(phase.ended, spaced(phase.name), _duration(phase)) for phase in recovery.phases]


def check_rows(recovery: Recovery) -> list[tuple[str, str, str]]:
    """Return rows of (check, outcome, reason): one for each failed check, and one for each group of passed checks."""
    not_passed = [result for result in recovery.check_results if result.verdict.outcome is not Outcome.PASS]
    return [*(_row(result) for result in not_passed), *_passed_groups(recovery.check_results)]


def recovery_outcome_line(recovery: Recovery) -> str:
    """Return the outcome of a recovery as one line."""
    if recovery.ended_at is None:
        last_phase = spaced(recovery.phases[-1].name) if recovery.phases else "plan"
        return f"{recovery.id} is in progress: {last_phase} is complete"
    seconds = (recovery.ended_at - recovery.requested_at).total_seconds()
    return f"{recovery.id} {recovery.outcome} after {seconds:.0f} s: {recovery.reason}"


def missing_evidence_line(recovery: Recovery) -> str:
    """Return the outcome line of a recovery whose evidence is missing in the chain."""
    return f"{recovery.id} did not succeed: its record says {recovery.outcome}, but its evidence is not in the chain"


def evidence_line(entry: ChainEntry) -> str:
    """Return the chain entry of the evidence, and the command that shows it."""
    command = f"orchestrator evidence show {entry.recovery} --env {entry.environment}"
    return f"evidence: entry {entry.number}:{entry.hash}; `{command}`"


def summary_lines(recovery: Recovery) -> list[str]:
    """Return the summary: requester, recovery point, cost, and the measured objectives."""
    fault = f", with the injected fault {recovery.fault}" if recovery.fault else ""
    return [
        f"{recovery.kind} of {recovery.environment}, requested by {recovery.requested_by}{fault}",
        f"{_target(recovery)}; about {recovery.cost.usd:.2f} US dollars at prices of {recovery.cost.prices_of}",
        *(f"{name}: {measured}" for name, measured in objectives_in_words(recovery).items()),
    ]


def outcome_style(recovery: Recovery) -> str:
    """Return the colour of the outcome."""
    return "green" if recovery.outcome is RecoveryOutcome.SUCCEEDED else "red"


def _target(recovery: Recovery) -> str:
    if recovery.failback_of:
        return f"failback of {recovery.failback_of}"
    selected = ""
    if recovery.backup_kind is not BackupKind.PITR:
        selected = f" from the {recovery.selection} backup of kind {recovery.backup_kind}"
    elif recovery.standing_grants:
        drawn = "a random point, " if recovery.selection is Selection.RANDOM else ""
        selected = f", {drawn}with the standing grants of {recovery.standing_grants.isoformat()}"
    return f"restored to {recovery.point.isoformat()}{selected}"


def _row(result: CheckResult) -> tuple[str, str, str]:
    return result.check, result.verdict.outcome, result.verdict.reason


def _passed_groups(results: Sequence[CheckResult]) -> list[tuple[str, str, str]]:
    groups: dict[str, int] = {}
    for result in results:
        if result.verdict.outcome is Outcome.PASS:
            group = result.check.partition(".")[0]
            groups[group] = groups.get(group, 0) + 1
    return [
        (group, Outcome.PASS, f"{count} check{'' if count == 1 else 's'} passed") for group, count in groups.items()
    ]


def _duration(phase: RecoveryPhase) -> str:
    return f"{phase.took.total_seconds():.1f} s"
