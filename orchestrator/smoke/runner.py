"""Runs the steps in order, keeps what they found even if one fails, and always cleans up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.domain.errors import OrchestratorError
from orchestrator.smoke.results import Fact, Report, Step, StepResult, Verdict, missing_for
from orchestrator.smoke.world import DeployFailed, TimedOut

EXPECTED = (OrchestratorError, ClientError, BotoCoreError, DeployFailed, TimedOut, OSError)
"""Errors that end a step and not the run."""


def run_steps(
    steps: Sequence[Step],
    world: Any,
    available: Collection[str],
    *,
    tear_down: Callable[[], tuple[str, ...]],
    say: Callable[[str], None],
) -> Report:
    """Run steps and clean up; an interruption (Ctrl-C) ends the steps, not the clean-up.

    Args:
        steps: in order.
        world: what the steps work on.
        available: of `ACCOUNT` and `SECOND_REGION`.
        tear_down: removes everything and returns what it could not remove.
        say: prints a line.
    """
    started = datetime.now(UTC)
    results: list[StepResult] = []
    interrupted = False
    try:
        for step in steps:
            results.append(_run(step, world, available, results, say))
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted; cleaning up")
    finally:
        left = tear_down()
    return Report(world.account, world.region, started, datetime.now(UTC), tuple(results), left, interrupted)


def _run(
    step: Step, world: Any, available: Collection[str], results: Sequence[StepResult], say: Callable[[str], None]
) -> StepResult:
    say(f"step {step.number}: {step.title}")
    began, facts, problem = time.monotonic(), [], ""
    if missing := missing_for(step, available, {result.step.number: result.verdict for result in results}):
        facts = [Fact(row, Verdict.NOT_RUN, missing) for row in step.rows]
    else:
        try:
            for fact in step.run(world):
                facts.append(fact)
                say(f"  {fact.verdict:<8} row {fact.row}: {fact.answer}")
        except EXPECTED as error:
            problem = f"{type(error).__name__}: {error}"
    result = StepResult(step, tuple(facts), problem, round(time.monotonic() - began, 1))
    say(
        f"  {result.verdict} after {result.seconds} s{f': {problem}' if problem else ''}{f': {missing}' if missing else ''}"
    )
    return result
