"""The result of an upkeep check. What was not checked is never clear."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from orchestrator.domain.doctor.result import Level, Result
from orchestrator.domain.upkeep.finding import Finding, Owner, Severity


class Status(StrEnum):
    """How a check ended, the most urgent first."""

    FINDINGS = "findings"
    NOT_CHECKED = "not checked"
    NOT_APPLICABLE = "not applicable"
    CLEAR = "clear"


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        check: its name.
        reason: what was read; why it was not checked or does not apply.
        remedy: how it can be checked; empty if it was.
        findings: also of a check that was completed only in part.
        unreachable: it was not checked because AWS did not answer, or rejected the request.
    """

    check: str
    status: Status
    reason: str
    remedy: str = ""
    findings: tuple[Finding, ...] = ()
    unreachable: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that the check is about was read."""
        return self.status is not Status.NOT_CHECKED


def found(check: str, findings: Iterable[Finding], reason: str) -> CheckResult:
    """Return the result of a check that read everything.

    Args:
        check: its name.
        findings: without any, the check is clear.
        reason: what was read, with its figures.
    """
    every = tuple(findings)
    return CheckResult(check, Status.FINDINGS if every else Status.CLEAR, reason, findings=every)


def not_checked(check: str, reason: str, remedy: str, findings: Iterable[Finding] = ()) -> CheckResult:
    """Return that a check could not be completed. `findings`: those of the part that was read."""
    return CheckResult(check, Status.NOT_CHECKED, reason, remedy, tuple(findings))


def not_applicable(check: str, reason: str) -> CheckResult:
    """Return that a check does not apply to the environment."""
    return CheckResult(check, Status.NOT_APPLICABLE, reason)


def result_of_doctor(check: str, result: Result) -> CheckResult:
    """Return the result of one of the checks of `orchestrator doctor`.

    A failure is a finding of high severity, a warning one of medium severity.
    """
    if result.level is Level.SKIPPED:
        if result.remedy:
            return replace(not_checked(check, result.reason, result.remedy), unreachable=result.unreachable)
        return not_applicable(check, result.reason)
    if result.level is Level.PASS:
        return found(check, (), result.reason)
    severity = Severity.HIGH if result.level is Level.FAIL else Severity.MEDIUM
    finding = Finding(check, "environment", severity, Owner.OPERATORS, result.reason, {}, result.remedy)
    return found(check, (finding,), result.reason)
