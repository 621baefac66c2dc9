"""Logs probe: does the canary log kinds of errors that stable does not?

Tested in `orchestrator.domain.analysis.log_kinds`, judged in `orchestrator.domain.analysis.log_verdict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orchestrator.domain.analysis.log_errors import LoggedError, count_by_kind, parse_log_error
from orchestrator.domain.analysis.log_kinds import KindsTest, LogTests, Look, canary_share
from orchestrator.domain.analysis.log_verdict import SOURCE, FunctionErrors, judge_log_errors
from orchestrator.domain.analysis.observations import LogPage, Measurements, VersionComparison
from orchestrator.domain.analysis.spending import FALSE_ALARM, false_alarm_figures
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.verdict import Evidence, Json, Window
from orchestrator.probes.context import ProbeContext
from orchestrator.probes.ports import LogsReader
from orchestrator.probes.sequential_tests import no_metrics_yet

PROBE = "logs"
MAX_KINDS = 10
"""How many kinds of errors the evidence lists for each version, the most frequent first."""


@dataclass(frozen=True)
class LogEvidence:
    """The probe's evidence, and its running tests after the evaluation."""

    evidence: Evidence
    tests: LogTests


@dataclass(frozen=True)
class _FunctionLook:
    """What was read of one function, and its test afterwards."""

    errors: FunctionErrors
    test: KindsTest


def run(context: ProbeContext, functions: tuple[VersionComparison, ...], logs: LogsReader) -> LogEvidence:
    """Read the errors that the changed functions have logged since the previous evaluation, and test their kinds.

    Args:
        context: the subject of the evaluation.
        functions: the requests of the same functions, to which the errors are related.
        logs: the log groups. Stable's errors before the deployment are read before a function's first errors count.

    Raises:
        Throttled, Unreachable: the log groups cannot be read.
    """
    before = LogTests.from_json(context.prior.get(PROBE))
    look = Window(max(context.window.start, before.read_until or context.window.start), context.window.end)
    requests = {function.name: function for function in functions}
    looks = tuple(
        _look(context, function, look, requests[function.name], before.functions.get(function.name, KindsTest()), logs)
        for function in context.changed
    )
    tests = LogTests(look.end if look.length else before.read_until, {one.errors.name: one.test for one in looks})
    errors = tuple(one.errors for one in looks)
    verdict = judge_log_errors(errors, tests, context.thresholds) if context.window.length else no_metrics_yet(context)
    evidence = Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=context.versions,
        window=context.window,
        source="cloudwatch logs, lines with ERROR, version by log stream or by the line itself",
        samples=sum(function.canary_requests for function in errors),
        figures={
            FALSE_ALARM: false_alarm_figures(context.thresholds.false_alarm_probability(SOURCE), tests.log_evidence),
            "functions": {one.errors.name: _figures(one) for one in looks},
        },
    )
    return LogEvidence(evidence, tests)


def _look(
    context: ProbeContext,
    function: Function,
    look: Window,
    requests: VersionComparison,
    test: KindsTest,
    logs: LogsReader,
) -> _FunctionLook:
    """Read one function's errors and test them. Errors that were not all read would be a biased sample: none counts."""
    page = logs.read_errors(_log_group(function), look) if look.length else LogPage((), complete=True)
    logged = _parse(page)
    errors = FunctionErrors(
        name=function.name,
        stable=count_by_kind(logged, function.stable_version),
        canary=count_by_kind(logged, function.canary_version),
        stable_requests=requests.stable.requests,
        canary_requests=requests.canary.requests,
        complete=page.complete,
    )
    if not page.complete or not look.length:
        return _FunctionLook(errors, test)
    if logged and not test.background_read:
        test = _with_background(context, function, test, logs)
    share = canary_share(
        context.weight_percent, _requests_within(requests.canary, look), _requests_within(requests.stable, look)
    )
    tested = test.update(Look(logged, function.stable_version, function.canary_version, share, context.period))
    return _FunctionLook(errors, tested)


def _with_background(context: ProbeContext, function: Function, test: KindsTest, logs: LogsReader) -> KindsTest:
    """Return the test with the kinds that stable logged before the deployment."""
    read = replace(test, background_read=True)
    if context.baseline_window is None:
        return read
    page = logs.read_errors(_log_group(function), context.baseline_window)
    return read.remember(count_by_kind(_parse(page), function.stable_version))


def _requests_within(measurements: Measurements, window: Window) -> int:
    return sum(sample.requests for sample in measurements.samples if window.start <= sample.start < window.end)


def _parse(page: LogPage) -> list[LoggedError]:
    return [error for line in page.lines if (error := parse_log_error(line)) is not None]


def _log_group(function: Function) -> str:
    return f"/aws/lambda/{function.function_name}"


def _figures(look: _FunctionLook) -> Mapping[str, Json]:
    errors, test = look.errors, look.test
    return {
        "stable": {"requests": errors.stable_requests, "errors": _most_frequent(errors.stable)},
        "canary": {"requests": errors.canary_requests, "errors": _most_frequent(errors.canary)},
        "new_on_canary": {
            kind.text: {"canary": kind.canary, "stable": kind.stable, "log_evidence": round(kind.log_evidence, 3)}
            for kind in sorted(test.kinds, key=lambda kind: -kind.log_evidence)[:MAX_KINDS]
        },
        "discoveries": {"canary": test.discoveries.canary, "stable": test.discoveries.stable},
        "complete": errors.complete,
    }


def _most_frequent(kinds: Mapping[str, int]) -> Mapping[str, Json]:
    ranked = sorted(kinds.items(), key=lambda entry: -entry[1])
    return dict(ranked[:MAX_KINDS])
