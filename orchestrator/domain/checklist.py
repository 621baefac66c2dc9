"""The pre-deployment checklist: evidence, looked at, becomes the references that a deployment carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.policy import CHECKLIST


@dataclass(frozen=True)
class SuiteReport:
    """What a JUnit report says, and the SHA-256 of the file that said it."""

    name: str
    tests: int
    failed: int
    sha256: str


@dataclass(frozen=True)
class Benchmark:
    """What one benchmark printed: whether it reached its limit."""

    name: str
    reached: bool
    told: str


def reference_of_tests(reports: Sequence[SuiteReport], where: str) -> str:
    """Turn reports of tests into a reference.

    Args:
        reports: all that were given.
        where: the run, such as its address; empty where there is none.

    Raises:
        Refused: a test failed, or none ran: missing evidence is never a pass.
    """
    for report in reports:
        if report.failed:
            raise Refused(f"tests.{report.name}", f"{report.failed} of {report.tests} failed", "mend what failed")
    ran = sum(report.tests for report in reports)
    if not ran:
        raise Refused("tests", 0, "no test ran: give the JUnit reports of a run that ran some")
    digests = ", ".join(f"{report.name} sha256:{report.sha256}" for report in reports)
    return " ".join(part for part in (where, f"{ran} tests passed ({digests})") if part)


def reference_of_performance(benchmarks: Sequence[Benchmark], where: str) -> str:
    """Turn results of benchmarks into a reference.

    Raises:
        Refused: one missed its limit, or there is none.
    """
    if not benchmarks:
        raise Refused("performance", 0, "give what `python -m benchmarks.NAME --json` printed")
    for one in benchmarks:
        if not one.reached:
            raise Refused(f"performance.{one.name}", one.told, "it missed its limit")
    return " ".join(part for part in (where, f"limits reached: {', '.join(one.name for one in benchmarks)}") if part)


def complete(items: Mapping[str, str], wanted: Sequence[str]) -> Mapping[str, str]:
    """Put the items in the checklist's order.

    Raises:
        Refused: an item that the environment wants is missing.
    """
    missing = [item for item in wanted if not items.get(item)]
    if missing:
        raise Refused("checklist", sorted(items), f"this environment also wants evidence of {', '.join(missing)}")
    return {item: items[item] for item in CHECKLIST if items.get(item)}
