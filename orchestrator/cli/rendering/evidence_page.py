"""The evidence of a deployment's decisive evaluation for a person: the numbers of both versions with their limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.analysis.latency_lines import tolerated_ms
from orchestrator.domain.analysis.spending import shares_in_words, spendings
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.deployment.record import DecisionEntry
from orchestrator.domain.texts import percent, two_digits
from orchestrator.domain.verdict import Evidence, Outcome

METRICS = "metrics"
"""The probe whose figures are the numbers of both versions (orchestrator/probes/metrics.py)."""

SPENDING_COLUMNS = ("may undo it", "probe", "of healthy releases", "odds so far", "odds needed")

NUMBER_COLUMNS = ("function", "measure", "stable", "canary", "limit")


def thresholds_line(thresholds: Thresholds) -> str:
    """Return the thresholds of a deployment as one line."""
    return (
        f"5xx at most {thresholds.max_error_percent:g} % and {thresholds.tolerated_increase_percent:g} % more than stable; "
        f"latency at most {thresholds.max_latency_ratio:g} times stable's and {thresholds.latency_floor_ms:g} ms more; "
        f"p99 at most {thresholds.max_p99_ms:g} ms; at least {thresholds.minimum_requests} canary requests; "
        f"false alarms at most {shares_in_words(thresholds)}"
    )


def decisive_entry(decisions: Sequence[DecisionEntry]) -> DecisionEntry | None:
    """Return the evaluation that explains a deployment: the first that failed, or else the last; None without one.

    A rollback's verification of stable explains nothing about the release.
    """
    judged = [entry for entry in decisions if entry.evidence and entry.decision.action is not Action.REVERT]
    failed = [entry for entry in judged if entry.verdict and entry.verdict.outcome is Outcome.FAIL]
    return next(iter([*failed, *judged[-1:]]), None)


def probe_rows(entry: DecisionEntry) -> list[tuple[str, str, str]]:
    """Return rows of (probe, verdict, reason), the worst verdicts first."""
    return [
        (evidence.probe, evidence.verdict.outcome, evidence.verdict.reason)
        for evidence in sorted(entry.evidence, key=lambda one: one.verdict.outcome is Outcome.PASS)
    ]


def spending_rows(decisions: Sequence[DecisionEntry], thresholds: Thresholds) -> list[tuple[str, str, str, str, str]]:
    """Return rows of `SPENDING_COLUMNS`: who may undo the deployment, and who spent what of its false alarms."""
    evidence = [one for entry in decisions for one in entry.evidence]
    return [
        (
            one.source.replace("_", " "),
            one.probe or "-",
            f"{one.percent:g} %",
            "-" if one.evidence is None else f"{two_digits(one.evidence)} to 1",
            f"{two_digits(one.needed)} to 1",
        )
        for one in spendings(evidence, thresholds)
    ]


def number_rows(entry: DecisionEntry, thresholds: Thresholds) -> list[tuple[str, str, str, str, str]]:
    """Return rows of `NUMBER_COLUMNS` for every function that the metrics probe measured."""
    return [
        row
        for evidence in entry.evidence
        if evidence.probe == METRICS
        for name, figures in _functions(evidence).items()
        for row in _function_rows(name, figures, thresholds)
    ]


def _functions(evidence: Evidence) -> Mapping[str, Any]:
    functions = evidence.figures.get("functions")
    return functions if isinstance(functions, Mapping) else {}


def _function_rows(
    name: str, figures: Mapping[str, Any], thresholds: Thresholds
) -> list[tuple[str, str, str, str, str]]:
    stable, canary, before = figures.get("stable") or {}, figures.get("canary") or {}, figures.get("before") or {}
    rows = [
        (
            name,
            "requests",
            f"{stable.get('requests', 0)} on {stable.get('version', '?')}",
            f"{canary.get('requests', 0)} on {canary.get('version', '?')}",
            f"at least {thresholds.minimum_requests}",
        ),
        (
            name,
            "5xx",
            _errors(stable),
            _errors(canary),
            f"at most {thresholds.max_error_percent:g} %, {thresholds.tolerated_increase_percent:g} % more than stable",
        ),
    ]
    for percentile in ("p50", "p99"):
        key = f"{percentile}_ms"
        tolerated = _tolerated(stable.get(key), before.get(key), thresholds)
        rows.append((name, percentile, _ms(stable.get(key)), _ms(canary.get(key)), tolerated))
    return rows


def _tolerated(stable_ms: float | None, before_ms: float | None, thresholds: Thresholds) -> str:
    """Return what corresponds to stable's percentile on canary. The verdict is on counts of slow requests."""
    reference_ms, because = (stable_ms, "stable") if stable_ms is not None else (before_ms, "before")
    if reference_ms is None:
        return "nothing to compare with"
    return f"at most {tolerated_ms(reference_ms, thresholds):.0f} ms by {because}"


def _errors(side: Mapping[str, Any]) -> str:
    requests, errors = side.get("requests", 0), side.get("server_errors", 0)
    return f"{errors} ({percent(errors / requests)})" if requests else "-"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{two_digits(value)} ms"
