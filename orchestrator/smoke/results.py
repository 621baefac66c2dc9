"""What the smoke test asks and answers: steps, facts, and the report. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from orchestrator.domain.errors import Refused

ACCOUNT, SECOND_REGION = "an AWS account", "a second region"
"""What a step may need that the local cloud does not have."""


class Verdict(StrEnum):
    """What a fact says about the product."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    MEASURED = "MEASURED"
    NOT_RUN = "NOT_RUN"


@dataclass(frozen=True)
class Fact:
    """The answer to one question.

    Attributes:
        row: the finding that it answers, such as "12"; its number in `QUESTIONS`.
        verdict: PASS or FAIL where there is an expectation, else MEASURED; NOT_RUN with the reason as the answer.
        answer: one sentence.
        data: what was measured, with units in the names.
    """

    row: str
    verdict: Verdict
    answer: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """A step of the smoke test.

    Attributes:
        number: its place, from 1.
        title: what it does.
        proves: what its success shows, one sentence.
        rows: the findings that it answers.
        usd: its estimated cost.
        minutes: its estimated duration.
        calls: the commands and AWS operations that it uses.
        run: yields facts as they are found.
        needs: what it needs beyond one region with the stacks.
        after: numbers of the steps that must have succeeded before.
    """

    number: int
    title: str
    proves: str
    rows: tuple[str, ...]
    usd: float
    minutes: int
    calls: tuple[str, ...]
    run: Callable[[Any], Iterator[Fact]]
    needs: frozenset[str] = frozenset()
    after: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class StepResult:
    """The facts of a step, and why it ended early; empty if it did not."""

    step: Step
    facts: tuple[Fact, ...]
    problem: str
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """FAIL if it ended early or a fact is FAIL; NOT_RUN if nothing was measured; else PASS."""
        verdicts = {fact.verdict for fact in self.facts}
        if self.problem or Verdict.FAIL in verdicts:
            return Verdict.FAIL
        return Verdict.NOT_RUN if verdicts <= {Verdict.NOT_RUN} else Verdict.PASS


@dataclass(frozen=True)
class Report:
    """A run of the smoke test.

    Attributes:
        account: its id.
        region: the environment's region.
        started_at: when it began.
        ended_at: when the clean-up had ended.
        results: of the steps that ended.
        left: what the clean-up could not remove.
        interrupted: whether an operator or a signal ended it before its last step.
    """

    account: str
    region: str
    started_at: datetime
    ended_at: datetime
    results: tuple[StepResult, ...]
    left: tuple[str, ...]
    interrupted: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether every step ended, none failed, and nothing is left."""
        return (
            not self.left
            and not self.interrupted
            and all(result.verdict is not Verdict.FAIL for result in self.results)
        )


def select_steps(steps: Sequence[Step], numbers: Collection[int]) -> tuple[Step, ...]:
    """Return the steps to run, with those that must precede them; all of them if no number is given.

    Raises:
        Refused: there is no such step.
    """
    by_number = {step.number: step for step in steps}
    if unknown := sorted(set(numbers) - by_number.keys()):
        raise Refused("--steps", unknown, f"give numbers from 1 to {len(steps)}")
    wanted, waiting = set(), list(numbers or by_number)
    while waiting:
        number = waiting.pop()
        wanted.add(number)
        waiting += [needed for needed in by_number[number].after if needed not in wanted]
    return tuple(step for step in steps if step.number in wanted)


def total_usd(steps: Iterable[Step]) -> float:
    """Return the estimated cost of steps in USD."""
    return sum(step.usd for step in steps)


def total_minutes(steps: Iterable[Step]) -> int:
    """Return the estimated duration of steps, one after the other."""
    return sum(step.minutes for step in steps)


def missing_for(step: Step, available: Collection[str], ended: Mapping[int, Verdict]) -> str:
    """Return why a step cannot run; empty if it can.

    Args:
        step: the step.
        available: what there is of `ACCOUNT` and `SECOND_REGION`.
        ended: the verdicts of the steps before.
    """
    if missing := sorted(step.needs - set(available)):
        return f"it needs {' and '.join(missing)}"
    if failed := [number for number in step.after if ended.get(number) is not Verdict.PASS]:
        return f"step {failed[0]} did not succeed"
    return ""
