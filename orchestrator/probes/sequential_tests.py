"""Run the sequential tests of a probe: the part that the metrics, performance and paired-flow probes share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.domain.analysis.observations import VersionComparison
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests, no_metrics_since
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.probes.context import ProbeContext

Functions = tuple[VersionComparison, ...]
RatesOf = Callable[[VersionComparison, Thresholds], tuple[ComparedRate, ...]]
Judge = Callable[[Functions, Thresholds, RunningTests, tuple[ComparedRate, ...]], Verdict]


@dataclass(frozen=True)
class SequentialResult:
    """The tests after an evaluation, the rates that they compared, and the verdict."""

    verdict: Verdict
    tests: RunningTests
    rates: tuple[ComparedRate, ...]


@dataclass(frozen=True)
class SequentialEvidence:
    """A probe's evidence, and its running tests after the evaluation."""

    evidence: Evidence
    tests: RunningTests


def run_sequential_tests(
    functions: Functions,
    thresholds: Thresholds,
    tests: RunningTests,
    window_start: datetime,
    *,
    rates_of: RatesOf,
    judge: Judge,
) -> SequentialResult:
    """Add the rates of these functions to the tests, and judge them.

    Args:
        functions: the measurements since `window_start`.
        thresholds: limits of the comparison.
        tests: the running tests before this evaluation.
        window_start: start of the window; tests of an earlier window start again.
        rates_of: the rates of one function that the tests compare.
        judge: the verdict on the functions, from the tests and the rates.
    """
    rates = tuple(rate for function in functions for rate in rates_of(function, thresholds))
    updated = tests.update(window_start, rates)
    return SequentialResult(judge(functions, thresholds, updated, rates), updated, rates)


def continue_sequential_tests(
    context: ProbeContext, probe: str, functions: Functions, *, rates_of: RatesOf, judge: Judge
) -> SequentialResult:
    """Continue the tests that the previous evaluation of a probe left in the context."""
    return run_sequential_tests(
        functions,
        context.thresholds,
        RunningTests.from_json(context.prior.get(probe)),
        context.window.start,
        rates_of=rates_of,
        judge=judge if context.window.length else lambda *_: no_metrics_yet(context),
    )


def no_metrics_yet(context: ProbeContext) -> Verdict:
    """Return the verdict for a window that ends before the first data can have arrived."""
    return no_metrics_since(context.window.start)
