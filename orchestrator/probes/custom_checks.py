"""Custom checks probe: is the canary worse in one of the environment's own checks?

Judged in `orchestrator.domain.analysis.custom_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.domain.analysis.custom_checks import CheckCounts, CheckReading, JudgedChecks, judge_checks
from orchestrator.domain.analysis.running_tests import RunningTest, RunningTests
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import CustomCheck
from orchestrator.domain.texts import shortened
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import CheckReader
from orchestrator.probes.sequential_tests import no_metrics_yet

PROBE = "custom_checks"
PARALLEL_READS = 4

_DECIDING, _DRY_RUN = "deciding", "dry_run"


@dataclass(frozen=True)
class CheckedResult:
    """The probe's evidence, and its running tests after the evaluation, as the ledger stores them."""

    evidence: Evidence
    running: Mapping[str, Json]


def run(context: ProbeContext, reader: CheckReader) -> CheckedResult:
    """Read every check of the environment, and judge them. A check that cannot be read is judged as an ERROR.

    The checks that decide share the probability of a false alarm; those of a dry run are judged as if they decided,
    and have no effect.
    """
    probability = context.thresholds.false_alarm_probability(PROBE)
    prior: Mapping[str, Any] = context.prior.get(PROBE) or {}  # type: ignore[assignment]
    tests = {group: RunningTests.from_json(prior.get(group)) for group in (_DECIDING, _DRY_RUN)}
    if not context.window.length:
        return CheckedResult(_evidence(context, no_metrics_yet(context), {}, 0), prior)
    unchanged = {function.name for function in context.functions if not function.changed}
    compared = [check for check in context.checks if check.function not in unchanged]
    with ThreadPoolExecutor(PARALLEL_READS) as threads:
        readings = tuple(threads.map(lambda check: _read(context, check, tests, reader), compared))
    judged = {
        group: judge_checks(
            tuple(one for one in readings if one.check.dry_run is (group == _DRY_RUN)),
            tests[group],
            context.window.start,
            probability,
        )
        for group in tests
    }
    figures = _figures(judged, probability, [check.name for check in context.checks if check not in compared])
    trials = sum(one.canary.trials for one in readings)
    running = {group: one.tests.to_json() for group, one in judged.items()}
    return CheckedResult(_evidence(context, _verdict(judged), figures, trials), running)


def _read(
    context: ProbeContext, check: CustomCheck, tests: Mapping[str, RunningTests], reader: CheckReader
) -> CheckReading:
    function = next((one for one in context.functions if one.name == check.function), None)
    stable, canary = (function.stable_version, function.canary_version) if function else ("", "")
    try:
        if check.one_trial_an_evaluation:
            bad = check.beyond_line(reader.value(check, context.window, canary))
            earlier = tests[_DRY_RUN if check.dry_run else _DECIDING]
            return CheckReading(check, _with_trial(earlier, check, bad, context.window.start))
        counted = reader.count(check, context.window, canary)
        stable_counted = reader.count(check, context.window, stable) if check.by_version else CheckCounts()
        before = None
        if not stable_counted.total.trials and context.baseline_window is not None:
            before = reader.count(check, context.baseline_window, stable).total
    except Exception as error:  # noqa: BLE001 - any error of one check leaves the others in place
        return CheckReading(check, problem=shortened(f"{type(error).__name__}: {error}"))
    return CheckReading(check, counted.total, stable_counted.total, before, counted.periods, stable_counted.periods)


def _with_trial(tests: RunningTests, check: CustomCheck, bad: bool, window_start: datetime) -> Tally:  # noqa: FBT001
    """Return the trials of a check in this window with the one of this evaluation."""
    counted = tests.tests.get(check.name, RunningTest()).canary if tests.since == window_start.isoformat() else Tally()
    return Tally(counted.trials + 1, counted.bad + bad)


def _verdict(judged: Mapping[str, JudgedChecks]) -> Verdict:
    deciding, dry_run = judged[_DECIDING], judged[_DRY_RUN]
    notes = [f"dry run: {verdict.reason}" for verdict in dry_run.verdicts if verdict.outcome is not Outcome.PASS]
    if not deciding.verdicts:
        return Verdict.passed("; ".join(["no check decides", *notes]))
    verdict = deciding.verdict
    return Verdict(verdict.outcome, "; ".join([verdict.reason, *notes]))


def _figures(judged: Mapping[str, JudgedChecks], probability: float, not_compared: list[str]) -> Mapping[str, Json]:
    deciding = judged[_DECIDING]
    return {
        "false_alarm": {
            "percent": 100 * probability,
            "evidence": round(deciding.evidence, 3),
            "needed": round(deciding.needed, 1),
        },
        "checks": {**deciding.figures(), **judged[_DRY_RUN].figures()},
        "not_compared": not_compared,
    }


def _evidence(context: ProbeContext, verdict: Verdict, figures: Mapping[str, Json], samples: int) -> Evidence:
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=context.versions,
        window=context.window,
        source="the environment's own checks: " + ", ".join(f"{check.name} ({check.kind})" for check in context.checks),
        samples=samples,
        figures=figures,
    )
