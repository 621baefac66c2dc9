"""The report of a deployment and of its rollback."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from orchestrator.cli.rendering.deployment_timeline import (
    deployment_timeline,
    outcome_line,
    pause_lines,
    plan_line,
    short_digest,
    spaced,
)
from orchestrator.cli.rendering.evidence_page import (
    NUMBER_COLUMNS,
    SPENDING_COLUMNS,
    decisive_entry,
    number_rows,
    probe_rows,
    spending_rows,
    thresholds_line,
)
from orchestrator.cli.rendering.gates_and_checks import CHECK_COLUMNS, custom_check_rows
from orchestrator.cli.rendering.reports.deployment_plots import (
    MEASURES,
    METRICS,
    DeploymentFacts,
    Odds,
    decider,
    deployment_plots,
    figures_by_function,
    odds_of,
    odds_of_event,
    strongest,
)
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Fact, Report, ReportTable, table
from orchestrator.domain.analysis.odds import odds_in_words
from orchestrator.domain.deployment.record import (
    DecisionEntry,
    Deployment,
    DeploymentOutcome,
    EventRecord,
    PauseToken,
    Rollback,
)
from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.rollback.incident import Incident
from orchestrator.domain.texts import percent
from orchestrator.domain.verdict import Outcome

RUNNING = "RUNNING"
_ODDS = re.compile(r"; evidence [^;]* to 1 against chance")
"""The odds in a verdict's reason, which the sentence gives next to those that are needed."""

EVALUATION_COLUMNS = (
    "time (UTC)", "state", "weight", "verdict", "decision", "5xx canary", "5xx stable", "strongest evidence",
)  # fmt: skip


def deployment_report(
    facts: DeploymentFacts,
    *,
    incident: Incident | None = None,
    pause: PauseToken | None = None,
    broken_at: int | None = None,
) -> Report:
    """Return the report of a deployment.

    Args:
        facts: its record, its decisions and its events.
        incident: of its rollback; None without one.
        pause: the pause in which it waits; None if it does not.
        broken_at: index of the first decision that does not continue the hash chain; None if all do.
    """
    deployment = facts.deployment
    running = deployment.under_way
    outcome = RUNNING if running or deployment.outcome is None else deployment.outcome.value
    tone = OPEN if running else GOOD if deployment.outcome in STABLE_OUTCOMES else BAD
    return Report(
        kind="deployment",
        id=deployment.id,
        environment=deployment.environment,
        outcome=outcome,
        tone=tone,
        headline=_headline(deployment),
        sentence=_sentence(facts, incident, pause),
        facts=_facts(facts, incident),
        plots=deployment_plots(facts),
        tables=tuple(one for one in _tables(facts, pause) if one.rows),
        missing=tuple(_missing(facts, broken_at)),
        commands=_commands(deployment),
    )


def refused_report(refusal: EventRecord, environment: str) -> Report:
    """Return the report of a request that was refused before it had a plan."""
    return Report(
        kind="deployment",
        id=refusal.deployment,
        environment=environment,
        outcome=DeploymentOutcome.REFUSED,
        tone=BAD,
        headline=f"{refusal.deployment} was refused",
        sentence=f"The request was refused at {clock(refusal.at)} and nothing was changed: {refusal.why}.",
        missing=("It has no plan and no evaluation, so there is nothing to plot.",),
        commands={f"orchestrator explain {refusal.deployment} --env {environment}": "shows the refusal"},
    )


def clock(at: datetime) -> str:
    """Return a time with its date, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _headline(deployment: Deployment) -> str:
    name = deployment.id
    if deployment.under_way or deployment.ended_at is None:
        return f"{name} is running: {spaced_phase(deployment)}"
    took = seconds_in_words((deployment.ended_at - deployment.requested_at).total_seconds())
    verbs = {
        DeploymentOutcome.SUCCEEDED: "succeeded",
        DeploymentOutcome.NOTHING_TO_SHIP: "had nothing to ship",
        DeploymentOutcome.REFUSED: "was refused",
        DeploymentOutcome.ROLLED_BACK: "was rolled back",
        DeploymentOutcome.NOT_ROLLED_BACK: "could not be rolled back",
    }
    return f"{name} {verbs[deployment.outcome] if deployment.outcome else 'ended'} after {took}"


def spaced_phase(deployment: Deployment) -> str:
    """Return the phase of a deployment in words."""
    return deployment.phase.replace("_", " ").lower()


def seconds_in_words(seconds: float) -> str:
    """Return a duration: ``2.9 s``, ``22 s``, ``4 min 10 s`` or ``2 h 5 min``."""
    if seconds < 10:  # noqa: PLR2004 - one decimal below ten seconds
        return f"{seconds:.1f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def _sentence(facts: DeploymentFacts, incident: Incident | None, pause: PauseToken | None) -> str:
    deployment, rollback = facts.deployment, facts.deployment.rollback
    if deployment.under_way or deployment.ended_at is None:
        waiting = f" {pause_lines(deployment, pause)[0].capitalize()}." if pause else ""
        return f"It is still running, with {deployment.exposure}; the report shows what is recorded so far.{waiting}"
    if rollback is None or deployment.outcome is not DeploymentOutcome.ROLLED_BACK:
        return f"{_without_stop(outcome_line(deployment))}; {_nearest(facts)}."
    proof = _proof(facts)
    reason = _ODDS.sub("", rollback.reason) if proof else rollback.reason
    parts = [f"The release was rolled back because {_without_stop(reason)}"]
    if proof:
        parts.append(f"the {MEASURES[proof.probe]} reached odds of {proof.words}")
    parts.append(f"{decider(rollback)} decided")
    parts.append(_exposure(deployment, incident))
    return f"{'; '.join(parts)}."


def _without_stop(words: str) -> str:
    return words.strip().rstrip(".")


def _proof(facts: DeploymentFacts) -> Odds | None:
    """Return the evidence that reached what a rollback needs, in the decisive evaluation or in an alarm's; or None."""
    entry = decisive_entry(facts.decisions)
    reached = [*(odds_of(entry) if entry else []), *(odds_of_event(event) for event in facts.events if event.acted)]
    crossed = [odds for odds in reached if odds is not None and odds.crossed]
    return max(crossed, key=lambda odds: odds.percent_of_proof, default=None)


def _nearest(facts: DeploymentFacts) -> str:
    """Return the evidence that came nearest to a rollback in any evaluation, in words."""
    nearest = [odds for entry in facts.judged if (odds := strongest(entry)) is not None]
    if not nearest:
        return "no evaluation recorded evidence"
    highest = max(nearest, key=lambda odds: odds.percent_of_proof)
    return f"the evidence nearest to a rollback was that of the {MEASURES[highest.probe]}: {highest.words}"


def _exposure(deployment: Deployment, incident: Incident | None) -> str:
    exposed = incident.figures.get("exposed_seconds") if incident else None
    if isinstance(exposed, int | float):
        return f"clients were exposed to the canary for {seconds_in_words(exposed)}, at up to {_highest(deployment)} %"
    if not deployment.shifts:
        return "no client was exposed to the canary"
    return f"how long clients were exposed to the canary is not recorded, at up to {_highest(deployment)} %"


def _highest(deployment: Deployment) -> int:
    return max(shift.weight_percent for shift in deployment.shifts)


def _facts(facts: DeploymentFacts, incident: Incident | None) -> tuple[Fact, ...]:
    deployment, rollback = facts.deployment, facts.deployment.rollback
    shown: list[Fact] = []
    odds = _proof(facts)
    if odds:
        shown.append(
            Fact(
                "Evidence at the decision",
                f"{odds_in_words(odds.evidence)} to 1",
                f"{MEASURES[odds.probe]}; a rollback needs {odds_in_words(odds.needed)} to 1",
            )
        )
    if rollback is not None:
        shown.append(Fact("Decided by", decider(rollback), clock(rollback.trigger.at)))
    shown += _durations(rollback, incident)
    if deployment.shifts:
        shown.append(
            Fact(
                "Highest weight",
                f"{_highest(deployment)} %",
                f"{len(deployment.shifts)} shift{'s' if len(deployment.shifts) > 1 else ''}",
            )
        )
    shown.append(Fact("Evaluations", f"{len(facts.judged)}", f"{len(facts.decisions)} decisions in the hash chain"))
    shown.append(Fact("Release", short_digest(deployment.release.digest), f"requested by {deployment.requested_by}"))
    return tuple(shown)


def _durations(rollback: Rollback | None, incident: Incident | None) -> list[Fact]:
    if rollback is None or incident is None:
        return []
    names = {
        "trigger_to_restored_seconds": ("Trigger to stable", "from the trigger until every alias read back"),
        "exposed_seconds": ("Clients exposed", "from the first shift until every alias read back"),
    }
    return [
        Fact(name, seconds_in_words(seconds), details)
        for figure, (name, details) in names.items()
        if isinstance(seconds := incident.figures.get(figure), int | float)
    ]


def _tables(facts: DeploymentFacts, pause: PauseToken | None) -> list[ReportTable]:
    deployment, thresholds = facts.deployment, facts.deployment.plan.limits.thresholds
    decisive = decisive_entry(facts.decisions)
    entries = deployment_timeline(deployment, facts.decisions, pause)
    tables = [
        table(
            "Evaluations",
            "Counts of all changed functions since the step's shift.",
            EVALUATION_COLUMNS,
            _evaluations(facts),
        ),
    ]
    if decisive is not None:
        when = f"{spaced(decisive.state)} at {clock(decisive.at)}"
        tables += [
            table("The evaluation that decided", when, ("probe", "verdict", "reason"), probe_rows(decisive)),
            table("Own checks", when, CHECK_COLUMNS, custom_check_rows(decisive)),
            table(
                "Numbers of both versions",
                f"Limits: {thresholds_line(thresholds)}",
                NUMBER_COLUMNS,
                number_rows(decisive, thresholds),
            ),
            table(
                "Who may undo the release",
                "The probability of a false alarm, divided among the measures, and the latest evidence.",
                SPENDING_COLUMNS,
                spending_rows(facts.decisions, thresholds),
            ),
        ]
    tables += [
        table(
            "Timeline",
            "All times in UTC.",
            ("time (UTC)", "event", "details"),
            [(f"{one.at:%H:%M:%S}", one.name, one.text) for one in entries],
        ),
        table(
            "Alarms and events",
            "What each event caused.",
            ("time (UTC)", "event", "effect", "why"),
            _events(facts.events),
        ),
        table(
            "Versions", _versions_caption(deployment), ("function", "before", "canary", "now"), _versions(deployment)
        ),
    ]
    return tables


def _evaluations(facts: DeploymentFacts) -> list[tuple[str, ...]]:
    return [
        (
            f"{entry.at:%H:%M:%S}",
            spaced(entry.state),
            _weight(entry),
            entry.verdict.outcome if entry.verdict else "-",
            f"{entry.decision.action}",
            _errors(entry, "canary"),
            _errors(entry, "stable"),
            _strongest(entry),
        )
        for entry in facts.judged
    ]


def _weight(entry: DecisionEntry) -> str:
    weights = [one.figures["weight_percent"] for one in entry.evidence if "weight_percent" in one.figures]
    return f"{weights[0]} %" if weights else "-"


def _errors(entry: DecisionEntry, side: str) -> str:
    counted = [
        figures[side]
        for one in entry.evidence
        if one.probe == METRICS
        for figures in figures_by_function(one).values()
        if {"requests", "server_errors"} <= figures[side].keys()
    ]
    requests, errors = (sum(one[name] for one in counted) for name in ("requests", "server_errors"))
    return f"{errors:,} of {requests:,} ({percent(errors / requests)})" if requests else "-"


def _strongest(entry: DecisionEntry) -> str:
    odds = strongest(entry)
    if odds is None:
        return "-"
    return f"{MEASURES[odds.probe]}: {odds_in_words(odds.evidence)} to 1, needs {odds_in_words(odds.needed)}"


def _events(events: Sequence[EventRecord]) -> list[tuple[str, ...]]:
    return [
        (
            f"{event.at:%H:%M:%S}",
            f"{event.source} {event.name}",
            "started the rollback" if event.acted else "no effect",
            event.why,
        )
        for event in reversed(events)
    ]


def _versions(deployment: Deployment) -> list[tuple[str, ...]]:
    kept = deployment.outcome is DeploymentOutcome.SUCCEEDED or deployment.keeps_canary
    open_end = deployment.under_way or deployment.outcome is DeploymentOutcome.NOT_ROLLED_BACK
    return [
        (
            function.name,
            function.stable_version,
            function.canary_version if function.changed else "not changed",
            "see `orchestrator status`" if open_end else function.canary_version if kept else function.stable_version,
        )
        for function in deployment.functions
    ]


def _versions_caption(deployment: Deployment) -> str:
    return f"{plan_line(deployment)}."


def _missing(facts: DeploymentFacts, broken_at: int | None) -> list[str]:
    notes: list[str] = []
    if broken_at is not None:
        notes.append(f"The hash chain is broken at decision {broken_at + 1}: the record was changed afterwards.")
    if not facts.judged:
        notes.append("No evaluation of the canary was recorded, so there is no evidence to plot.")
    elif not any(odds_of(entry) for entry in facts.judged):
        notes.append("The evaluations recorded no odds, so the evidence cannot be plotted.")
    errors = [entry for entry in facts.judged if entry.verdict and entry.verdict.outcome is Outcome.ERROR]
    if errors:
        notes.append(f"In {len(errors)} evaluations a probe did not work: its values are missing there.")
    if any(event.acted and odds_of_event(event) is None for event in facts.events):
        notes.append("The evidence of the alarm that rolled it back is recorded in words only: see the alarms below.")
    return notes


def _commands(deployment: Deployment) -> dict[str, str]:
    name, environment = deployment.id, deployment.environment
    return {
        f"orchestrator explain {name} --env {environment}": "shows the decisive evaluation",
        f"orchestrator explain {name} --env {environment} --json": "has the evidence of every evaluation",
        f"orchestrator replay {name} --env {environment}": "recomputes the decisions from the recorded evidence",
    }
