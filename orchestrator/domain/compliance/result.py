"""The result of a control. What was not checked is never a pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How the check of a control ended, the most urgent first."""

    FAIL = "fail"
    NOT_CHECKED = "not checked"
    NOT_APPLICABLE = "not applicable"
    PASS = "pass"  # noqa: S105 - a result, not a password


@dataclass(frozen=True)
class Result:
    """The result of a control.

    Attributes:
        control: its id.
        reason: what was found; why it does not apply or was not checked. Empty for a pass without a note.
        remedy: what to do; empty for the control's own remedy.
    """

    control: str
    status: Status
    reason: str = ""
    remedy: str = ""


class NotChecked(Exception):
    """A control could not be checked.

    Args:
        reason: why.
        remedy: how it can be checked.
    """

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class NotApplicable(Exception):
    """A control does not apply to the environment. The message says why."""


def result_of_problem(control: str, problem: str) -> Result:
    """Return the result of a control that was checked. problem: what is wrong; empty for a pass."""
    return Result(control, Status.FAIL, problem) if problem else Result(control, Status.PASS)
