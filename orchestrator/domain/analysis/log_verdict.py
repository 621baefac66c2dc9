"""Judge the errors in the log: the verdict on the tests of `log_kinds.py`, and its reason.

FAIL          the tests prove that canary logs errors of its own
INCONCLUSIVE  the log could not be read to its end, a new kind is doubtful, or canary has fewer requests than the minimum
PASS          otherwise. New kinds are named, but one odd error among thousands does not stop a release
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from orchestrator.domain.analysis.log_kinds import Kind, KindsTest, LogTests
from orchestrator.domain.analysis.odds import MOST_LOG_ODDS_IN_REASONS, odds_of_log
from orchestrator.domain.deployment.policy import Thresholds
from orchestrator.domain.texts import two_digits
from orchestrator.domain.verdict import Verdict

SOURCE = "logs"
"""The source's name in `FalseAlarmShares`."""

DOUBTFUL_FROM = 0.5
"""The share of the evidence for a failure, as a logarithm, from which new kinds make the verdict inconclusive."""

NAMED_KINDS = 3
"""How many new kinds a reason names, those with the most evidence first."""

"""Natural logarithm of the highest odds that a reason states."""


@dataclass(frozen=True)
class FunctionErrors:
    """One function's errors of the latest look, and the numbers of its requests.

    Attributes:
        stable, canary: number of errors by kind.
        stable_requests, canary_requests: requests in the window.
        complete: whether all log lines were read.
    """

    name: str
    stable: Mapping[str, int]
    canary: Mapping[str, int]
    stable_requests: int
    canary_requests: int
    complete: bool = True


def judge_log_errors(functions: tuple[FunctionErrors, ...], tests: LogTests, thresholds: Thresholds) -> Verdict:
    """Judge the kinds of errors. Their number is judged with the request metrics, which count the same failures.

    Args:
        functions: the changed functions.
        tests: the running tests, updated with the looks that were complete.
        thresholds: the tolerated false alarms and the minimum number of requests.
    """
    needed = -log(thresholds.false_alarm_probability(SOURCE))
    if tests.log_evidence >= needed:
        return Verdict.failed(_proof(tests))
    partial = [function.name for function in functions if not function.complete]
    if partial:
        return Verdict.inconclusive(f"too many log lines to read all of them in time: {', '.join(partial)}")
    if tests.log_evidence >= DOUBTFUL_FROM * needed:
        return Verdict.inconclusive(f"may still be chance: {_proof(tests)}")
    few = [function for function in functions if function.canary_requests < thresholds.minimum_requests]
    if few:
        counts = ", ".join(f"{function.name} {function.canary_requests}" for function in few)
        return Verdict.inconclusive(f"too few requests on canary: {counts} of {thresholds.minimum_requests}")
    totals = [
        f"{function.name} {sum(function.canary.values())} in {function.canary_requests} requests"
        for function in functions
    ]
    new_kinds = "; ".join(_describe_kind(name, kind) for name, kind in _new_kinds(tests))
    return Verdict.passed(f"{new_kinds or 'no new kind of error on canary'}; errors logged: {', '.join(totals)}")


def _proof(tests: LogTests) -> str:
    """Return the function with the most evidence, what it is, and its odds against chance."""
    name, test = max(tests.functions.items(), key=lambda entry: entry[1].log_evidence)
    odds = two_digits(odds_of_log(tests.log_evidence, MOST_LOG_ODDS_IN_REASONS))
    kinds = sorted(test.kinds, key=lambda kind: kind.log_evidence, reverse=True)
    if kinds and kinds[0].log_evidence >= test.discoveries.log_evidence:
        return f"{_describe_kind(name, kinds[0])}; evidence {odds} to 1 against chance"
    return f"{_describe_discoveries(name, test)}; evidence {odds} to 1 against chance"


def _describe_kind(name: str, kind: Kind) -> str:
    times = f"in {kind.canary} periods" if kind.canary > 1 else "once"
    stable = f"stable in {kind.stable}" if kind.stable else "stable never"
    return f"{name} has a new kind of error on canary, {times}, {stable}: {kind.text}"


def _describe_discoveries(name: str, test: KindsTest) -> str:
    found = test.discoveries
    newest = "; ".join(kind.text for kind in test.kinds[-NAMED_KINDS:])
    examples = f", the latest: {newest}" if newest else ""
    both = found.canary + found.stable
    return f"{name} has new kinds of errors on canary in {found.canary} of the {both} periods that have any{examples}"


def _new_kinds(tests: LogTests) -> list[tuple[str, Kind]]:
    """Return the kinds that only canary has, by function, those with the most evidence first."""
    new = [(name, kind) for name, test in tests.functions.items() for kind in test.kinds if not kind.stable]
    return sorted(new, key=lambda entry: -entry[1].log_evidence)[:NAMED_KINDS]
