"""The result of one check. What could not be read is never a pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a check ended."""

    PASS = "PASS"  # noqa: S105 - a result, not a password
    WARN = "WARN"  # it works, and an operator should know
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"  # it does not apply here, or could not be read


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes:
        level: how it ended.
        reason: what was found, a sentence without a full stop.
        remedy: what an operator does or runs; empty if there is nothing to do.
        unreachable: it was skipped because AWS did not answer, or rejected the request.
    """

    level: Level
    reason: str
    remedy: str = ""
    unreachable: bool = False


@dataclass(frozen=True)
class Named:
    """A result with the name of its check."""

    check: str
    result: Result


def passed(reason: str) -> Result:
    """Return a pass."""
    return Result(Level.PASS, reason)


def warned(reason: str, remedy: str) -> Result:
    """Return a warning."""
    return Result(Level.WARN, reason, remedy)


def failed(reason: str, remedy: str) -> Result:
    """Return a failure."""
    return Result(Level.FAIL, reason, remedy)


def skipped(reason: str, remedy: str = "") -> Result:
    """Return that a check was skipped."""
    return Result(Level.SKIPPED, reason, remedy)


def denied(action: str) -> Result:
    """Return the result of a check whose reading was denied.

    Args:
        action: the IAM action that the caller lacks.
    """
    return skipped(f"the caller may not use {action}", f"allow the caller {action} (docs/guides/doctor.md)")


def unread(reason: str) -> Result:
    """Return the result of a check whose reading failed.

    Args:
        reason: what AWS answered, or why it did not.
    """
    return Result(Level.SKIPPED, f"could not be read: {reason}", "repeat the command", unreachable=True)


def has_failed(results: Iterable[Named]) -> bool:
    """Return whether a check failed."""
    return any(named.result.level is Level.FAIL for named in results)


def is_incomplete(results: Iterable[Named]) -> bool:
    """Return whether AWS did not answer a check."""
    return any(named.result.unreachable for named in results)


def listed(names: Iterable[str], at_most: int = 5) -> str:
    """Return names as a list in a sentence, of which only the first are named."""
    every = sorted(names)
    more = f" and {len(every) - at_most} more" if len(every) > at_most else ""
    return f"{', '.join(every[:at_most])}{more}"
