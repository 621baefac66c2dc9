"""How well a judge ends the rollouts of the labelled set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

from benchmarks.rollouts.labelled import Answer, Rollout, Signal
from benchmarks.rollouts.pipeline import run_product
from benchmarks.rollouts.rivals import RIVALS
from benchmarks.rollouts.run import Judge, RunResult

PRODUCT = "this project"
JUDGES: Mapping[str, Judge] = {PRODUCT: run_product, **RIVALS}
HTTP_SIGNALS = frozenset({Signal.ERRORS, Signal.DEATHS})
"""The faults that every judge can see: 5xx, exceptions and timeouts."""


@dataclass(frozen=True)
class Score:
    """One judge's score on one half.

    Attributes:
        precision: of the releases that it stopped, the share that had to be; rollouts with either answer do not count.
        recall: of the releases that had to be stopped, the share that it stopped.
        http_recall: the same of those whose requests fail by 5xx, an exception or a timeout.
        detection_seconds: median time from the first shift to the stop, of those that it rightly stopped.
        harmed: median number of requests that a bad release served badly.
        mistakes: rollouts that it ended wrongly, each with the reason.
    """

    judge: str
    precision: float
    recall: float
    http_recall: float
    detection_seconds: float
    harmed: float
    mistakes: tuple[tuple[Rollout, RunResult], ...]


def run_all(rollouts: Sequence[Rollout], processes: int = 1) -> Mapping[str, list[RunResult]]:
    """Run every judge on every rollout, divided among processes."""
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            by_rollout = list(pool.map(run_judges, rollouts, chunksize=3))
    else:
        by_rollout = [run_judges(rollout) for rollout in rollouts]
    return {name: [results[name] for results in by_rollout] for name in JUDGES}


def run_judges(rollout: Rollout) -> Mapping[str, RunResult]:
    """Run every judge on one rollout."""
    return {name: judge(rollout) for name, judge in JUDGES.items()}


def score(judge: str, rollouts: Sequence[Rollout], results: Sequence[RunResult]) -> Score:
    """Return a judge's score."""
    pairs = [pair for pair in zip(rollouts, results, strict=True) if pair[0].answer is not Answer.EITHER]
    bad = [(rollout, result) for rollout, result in pairs if rollout.answer is Answer.ROLL_BACK]
    stopped = [rollout.answer is Answer.ROLL_BACK for rollout, result in pairs if result.stopped]
    found = [result for _, result in bad if result.stopped]
    http = [result.stopped for rollout, result in bad if rollout.signal in HTTP_SIGNALS]
    mistakes = tuple(
        (rollout, result) for rollout, result in pairs if result.stopped is not (rollout.answer is Answer.ROLL_BACK)
    )
    return Score(
        judge=judge,
        precision=sum(stopped) / len(stopped) if stopped else 1.0,
        recall=len(found) / len(bad) if bad else 1.0,
        http_recall=sum(http) / len(http) if http else 1.0,
        detection_seconds=median(result.seconds for result in found) if found else float("inf"),
        harmed=median(result.harmed for _, result in bad) if bad else 0.0,
        mistakes=mistakes,
    )
