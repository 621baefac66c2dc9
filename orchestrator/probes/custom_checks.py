"""Custom checks probe: is the canary worse in one of the environment's own checks?

Judged in `orchestrator.domain.analysis.custom_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.domain.analysis.custom_checks import CheckCounts, CheckReading, JudgedChecks, judge_checks
from orchestrator.domain.analysis.running_tests import RunningTest, RunningTests
from orchestrator.domain.analysis.sequential_testing import Tally
from orchestrator.domain.deployment.custom_checks import MAX_CHECKS, CustomCheck
from orchestrator.domain.errors import CheckNotReadable
from orchestrator.domain.texts import shortened
from orchestrator.domain.verdict import Evidence, Json, Outcome, Verdict, Window
from orchestrator.probes.context import ProbeContext, kept_period
from orchestrator.probes.ports import CheckReader, Pace
from orchestrator.probes.sequential_tests import no_metrics_yet

PROBE = "custom_checks"
READ_SECONDS = 25.0
"""How long all checks may be read together: the evaluation's task has 60 s. What is not read by then is an ERROR."""

GRACE_SECONDS = 3.0
"""How long a source is waited for that does not end its read in time."""

NOT_IN_TIME = "not read in time"

_DECIDING, _DRY_RUN = "deciding", "dry_run"


@dataclass(frozen=True)
class CheckedResult:
    """The probe's evidence, and its running tests after the evaluation, as the ledger stores them."""

    evidence: Evidence
    running: Mapping[str, Json]


def run(context: ProbeContext, reader: CheckReader, pace: Pace | None = None) -> CheckedResult:
    """Read every check of the environment, and judge them. A check that cannot be read is judged as an ERROR.

    The checks that decide share the probability of a false alarm; those of a dry run are judged as if they decided,
    and have no effect.

    Args:
        context: of the evaluation.
        reader: the sources of the checks.
        pace: the clock of the deadline, `READ_SECONDS` from now.
    """
    probability = context.thresholds.false_alarm_probability(PROBE)
    prior: Mapping[str, Any] = context.prior.get(PROBE) or {}  # type: ignore[assignment]
    tests = {group: RunningTests.from_json(prior.get(group)) for group in (_DECIDING, _DRY_RUN)}
    if not context.window.length:
        return CheckedResult(_evidence(context, no_metrics_yet(context), {}, 0), prior)
    unchanged = {function.name for function in context.functions if not function.changed}
    compared = [check for check in context.checks if check.function not in unchanged]
    readings = _read_all(context, compared, tests, reader, pace or Pace())
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


def _read_all(
    context: ProbeContext,
    checks: Sequence[CustomCheck],
    tests: Mapping[str, RunningTests],
    reader: CheckReader,
    pace: Pace,
) -> tuple[CheckReading, ...]:
    """Read all checks at the same time, until the deadline that they share."""
    deadline = pace.now() + READ_SECONDS

    def seconds_left() -> float:
        left = deadline - pace.now()
        if left <= 0:
            raise CheckNotReadable(NOT_IN_TIME)
        return left

    # A thread for each, so that no check waits for a slow one. A source that hangs is left to its thread.
    threads = ThreadPoolExecutor(MAX_CHECKS)
    try:
        reads = [threads.submit(_read, context, check, tests, reader, seconds_left) for check in checks]
        wait(reads, READ_SECONDS + GRACE_SECONDS)
        return tuple(_reading(check, read) for check, read in zip(checks, reads, strict=True))
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _reading(check: CustomCheck, read: Future[CheckReading]) -> CheckReading:
    return read.result() if read.done() else _not_readable(check, CheckNotReadable(NOT_IN_TIME))


def _not_readable(check: CustomCheck, error: Exception) -> CheckReading:
    return CheckReading(check, problem=shortened(f"{type(error).__name__}: {error}"))


def _read(
    context: ProbeContext,
    check: CustomCheck,
    tests: Mapping[str, RunningTests],
    reader: CheckReader,
    seconds_left: Callable[[], float],
) -> CheckReading:
    function = next((one for one in context.functions if one.name == check.function), None)
    stable, canary = (function.stable_version, function.canary_version) if function else ("", "")

    def count(window: Window, version: str) -> CheckCounts:
        period = kept_period(timedelta(seconds=check.period_seconds), window, context.now)
        kept = replace(check, period_seconds=int(period.total_seconds()))
        return reader.count(kept, window, version, seconds_left())

    try:
        if check.one_trial_an_evaluation:
            bad = check.beyond_line(reader.value(check, context.window, canary, seconds_left()))
            earlier = tests[_DRY_RUN if check.dry_run else _DECIDING]
            return CheckReading(check, _with_trial(earlier, check, bad, context.window.start))
        counted = count(context.window, canary)
        stable_counted = count(context.window, stable) if check.by_version else CheckCounts()
        before = None
        if not stable_counted.total.trials and context.baseline_window is not None:
            before = count(context.baseline_window, stable).total
    except Exception as error:  # noqa: BLE001 - any error of one check leaves the others in place
        return _not_readable(check, error)
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
