"""The pre-deployment checklist: turn evidence into the references that a deployment carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.deployment.policy import CHECKLIST
from orchestrator.domain.errors import Refused


@dataclass(frozen=True)
class SuiteReport:
    """Results of a JUnit report, with the SHA-256 of its file."""

    name: str
    tests: int
    failed: int
    sha256: str


@dataclass(frozen=True)
class BenchmarkResult:
    """Result of one benchmark: whether it reached its limit."""

    name: str
    reached: bool
    summary: str


def reference_of_tests(reports: Sequence[SuiteReport], where: str) -> str:
    """Turn test reports into a reference.

    Args:
        reports: all reports of the run.
        where: the run, such as its address; empty if unknown.

    Raises:
        Refused: a test failed, or no test ran. Missing evidence never passes.
    """
    for report in reports:
        if report.failed:
            raise Refused(f"tests.{report.name}", f"{report.failed} of {report.tests} failed", "fix the failed tests")
    tests = sum(report.tests for report in reports)
    if not tests:
        raise Refused("tests", 0, "no test ran: give the JUnit reports of a run with tests")
    digests = ", ".join(f"{report.name} sha256:{report.sha256}" for report in reports)
    return " ".join(part for part in (where, f"{tests} tests passed ({digests})") if part)


def reference_of_performance(benchmarks: Sequence[BenchmarkResult], where: str) -> str:
    """Turn benchmark results into a reference.

    Raises:
        Refused: a benchmark missed its limit, or there is no result.
    """
    if not benchmarks:
        raise Refused("performance", 0, "give the output of `python -m benchmarks.NAME --json`")
    for benchmark in benchmarks:
        if not benchmark.reached:
            raise Refused(f"performance.{benchmark.name}", benchmark.summary, "it missed its limit")
    return " ".join(
        part for part in (where, f"limits reached: {', '.join(benchmark.name for benchmark in benchmarks)}") if part
    )


def complete_checklist(items: Mapping[str, str], required: Sequence[str]) -> Mapping[str, str]:
    """Return the items in the order of the checklist.

    Raises:
        Refused: an item that the environment requires is missing.
    """
    missing = [item for item in required if not items.get(item)]
    if missing:
        raise Refused("checklist", sorted(items), f"this environment also requires {', '.join(missing)}")
    return {item: items[item] for item in CHECKLIST if items.get(item)}
