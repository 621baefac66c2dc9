"""The report of a drill, a restore or a failback."""

from __future__ import annotations

from orchestrator.cli.rendering.deployment_timeline import spaced
from orchestrator.cli.rendering.recovery_timeline import check_rows, recovery_outcome_line, summary_lines
from orchestrator.cli.rendering.reports.deployment_report import RUNNING, clock, seconds_in_words
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact, Plot, Report, table
from orchestrator.domain.deployment.record import EventRecord
from orchestrator.domain.plots.gantt import Bar, Gantt, Limit
from orchestrator.domain.recovery.outcome import objectives_in_words
from orchestrator.domain.recovery.record import Recovery, RecoveryOutcome
from orchestrator.domain.texts import NOT_MEASURED
from orchestrator.domain.verdict import Outcome


def recovery_report(recovery: Recovery) -> Report:
    """Return the report of a drill or a restore."""
    running = recovery.ended_at is None
    succeeded = recovery.outcome is RecoveryOutcome.SUCCEEDED
    return Report(
        kind=recovery.kind.value,
        id=recovery.id,
        environment=recovery.environment,
        outcome=RUNNING if recovery.outcome is None else recovery.outcome.value,
        tone=OPEN if running else GOOD if succeeded else BAD,
        headline=_headline(recovery),
        sentence=_sentence(recovery),
        facts=_facts(recovery),
        plots=_plots(recovery),
        tables=tuple(
            one
            for one in (
                table("Check results", _counts(recovery), ("check", "verdict", "reason"), check_rows(recovery)),
                table(
                    "Phases",
                    "Each begins when the previous one ends.",
                    ("phase", "began (UTC)", "seconds"),
                    _phases(recovery),
                ),
                table(
                    "Tables",
                    clock(recovery.point),
                    ("table", "restored table", "requested (UTC)", "ready (UTC)"),
                    _tables(recovery),
                ),
            )
            if one.rows
        ),
        missing=() if recovery.phases else ("No phase is recorded yet, so there is nothing to plot.",),
        commands=_commands(recovery),
    )


def refused_recovery_report(refusal: EventRecord, environment: str) -> Report:
    """Return the report of a drill or restore that was refused before it had a plan."""
    return Report(
        kind="recovery",
        id=refusal.deployment,
        environment=environment,
        outcome=RecoveryOutcome.REFUSED,
        tone=BAD,
        headline=f"{refusal.deployment} was refused",
        sentence=f"The request was refused at {clock(refusal.at)} and nothing was created: {refusal.why}.",
        missing=("It has no phase, so there is nothing to plot.",),
        commands={f"orchestrator explain {refusal.deployment} --env {environment}": "shows the refusal"},
    )


def _headline(recovery: Recovery) -> str:
    if recovery.ended_at is None:
        return f"{recovery.id} is running"
    took = seconds_in_words((recovery.ended_at - recovery.requested_at).total_seconds())
    return f"{recovery.id} {(recovery.outcome or RecoveryOutcome.FAILED).lower()} after {took}"


def _sentence(recovery: Recovery) -> str:
    objectives = "; ".join(f"{name} {words}" for name, words in objectives_in_words(recovery).items())
    if recovery.ended_at is None:
        return f"{recovery_outcome_line(recovery)}; the report shows what is recorded so far."
    return f"{recovery_outcome_line(recovery).rstrip('.')}; {objectives}; requested by {recovery.requested_by}."


def _facts(recovery: Recovery) -> tuple[Fact, ...]:
    measured, promised = recovery.measured, recovery.objectives
    pairs = (
        ("Recovery time", measured.recovery_time, promised.recovery_time),
        ("Data loss", measured.data_loss, promised.data_loss),
    )
    objectives = [
        Fact(
            name,
            NOT_MEASURED if value is None else seconds_in_words(value.total_seconds()),
            f"objective {seconds_in_words(limit.total_seconds())}",
        )
        for name, value, limit in pairs
    ]
    return (
        *objectives,
        Fact("Checks that passed", _passed(recovery), "failed ones are listed first"),
        Fact("Restored to", clock(recovery.point), "the same second for all tables"),
    )


def _passed(recovery: Recovery) -> str:
    passed = sum(result.verdict.outcome is Outcome.PASS for result in recovery.check_results)
    return f"{passed} of {len(recovery.check_results)}"


def _counts(recovery: Recovery) -> str:
    return f"{_passed(recovery)} checks passed. {'. '.join(summary_lines(recovery)[:2])}."


def _plots(recovery: Recovery) -> tuple[Plot, ...]:
    if not recovery.phases:
        return ()
    bars = tuple(
        Bar(spaced(phase.name), phase.began, phase.ended, f"{phase.took.total_seconds():.1f} s")
        for phase in recovery.phases
    )
    longest = max(recovery.phases, key=lambda phase: phase.took)
    description = (
        f"{len(bars)} phases from {clock(bars[0].began)} to {clock(bars[-1].ended)}; "
        f"the longest is {spaced(longest.name)} with {longest.took.total_seconds():.1f} s."
    )
    return (
        Gantt(f"Phases of {recovery.id}, with the limit of the recovery time", description, bars, _limit(recovery)),
    )


def _limit(recovery: Recovery) -> Limit | None:
    """Return the end of the recovery time objective, which begins with the first requested restore."""
    begun = [one.started_at for one in recovery.tables if one.started_at]
    if not begun:
        return None
    allowed, measured = recovery.objectives.recovery_time, recovery.measured.recovery_time
    words = "nothing yet" if measured is None else seconds_in_words(measured.total_seconds())
    return Limit(f"RTO of {seconds_in_words(allowed.total_seconds())}", min(begun), min(begun) + allowed, words)


def _phases(recovery: Recovery) -> list[tuple[str, str, str]]:
    return [
        (spaced(phase.name), f"{phase.began:%H:%M:%S}", f"{phase.took.total_seconds():.1f}")
        for phase in recovery.phases
    ]


def _tables(recovery: Recovery) -> list[tuple[str, ...]]:
    return [
        (
            one.source,
            one.target,
            f"{one.started_at:%H:%M:%S}" if one.started_at else "-",
            f"{one.ready_at:%H:%M:%S}" if one.ready_at else "-",
        )
        for one in recovery.tables
    ]


def _commands(recovery: Recovery) -> dict[str, str]:
    name, environment = recovery.id, recovery.environment
    commands = {f"orchestrator explain {name} --env {environment}": "shows every check result"}
    if recovery.ended_at is not None:
        commands[f"orchestrator evidence show {name} --env {environment}"] = "shows the entry of the evidence chain"
    return commands
