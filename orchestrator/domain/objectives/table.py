"""The table of objectives: each scenario with its objectives, what its newest run measured, and the trend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from orchestrator.domain.objectives.scenarios import ScenarioRun
from orchestrator.domain.recovery.record import Objectives
from orchestrator.domain.texts import NOT_MEASURED

TREND_RUNS = 10
"""A value is compared with the median of so many earlier runs at most."""
STEADY_PERCENT = 10.0
"""Within so much of the median, a value counts as unchanged."""
MET, MISSED, NEVER_RUN = "met", "MISSED", "never run"


@dataclass(frozen=True)
class Figure:
    """One objective of a scenario.

    Attributes:
        objective: what is promised.
        measured: by the newest run; None without.
        result: one of the words of this module.
        trend: the newest value against the median of earlier ones, in words; empty without earlier ones.
    """

    objective: timedelta
    measured: timedelta | None
    result: str
    trend: str


@dataclass(frozen=True)
class ScenarioObjectives:
    """One scenario: its runs, oldest first, and both figures."""

    scenario: str
    runs: tuple[ScenarioRun, ...]
    recovery_time: Figure
    data_loss: Figure

    @property
    def met(self) -> bool:
        """Whether the newest run succeeded within both objectives. Without a measurement they are not met."""
        return (
            bool(self.runs)
            and self.runs[-1].succeeded
            and all(figure.result == MET for figure in (self.recovery_time, self.data_loss))
        )


def objectives_table(
    default: Objectives, by_scenario: Mapping[str, Objectives], runs: Iterable[ScenarioRun]
) -> tuple[ScenarioObjectives, ...]:
    """Return every scenario that has objectives of its own or a run, by name.

    Args:
        default: the objectives of scenarios without their own.
        by_scenario: the objectives of scenarios by name.
        runs: in any order.
    """
    ordered = sorted(runs, key=lambda run: (run.at, run.id))
    names = sorted({*by_scenario, *(run.scenario for run in ordered)})
    return tuple(
        _row(name, by_scenario.get(name, default), tuple(run for run in ordered if run.scenario == name))
        for name in names
    )


def _row(name: str, objectives: Objectives, runs: tuple[ScenarioRun, ...]) -> ScenarioObjectives:
    return ScenarioObjectives(
        name,
        runs,
        _figure(objectives.recovery_time, runs, lambda run: run.recovery_time),
        _figure(objectives.data_loss, runs, lambda run: run.data_loss),
    )


def _figure(
    objective: timedelta, runs: tuple[ScenarioRun, ...], value_of: Callable[[ScenarioRun], timedelta | None]
) -> Figure:
    if not runs:
        return Figure(objective, None, NEVER_RUN, "")
    measured = value_of(runs[-1])
    if measured is None:
        return Figure(objective, None, NOT_MEASURED, "")
    earlier = [value.total_seconds() for run in runs[:-1] if (value := value_of(run)) is not None][-TREND_RUNS:]
    result = MET if measured <= objective else MISSED
    return Figure(objective, measured, result, trend_in_words(measured.total_seconds(), earlier))


def trend_in_words(seconds: float, earlier: list[float]) -> str:
    """Return a value against the median of earlier ones, such as ``25 % above the median of 8 runs``."""
    if not earlier:
        return ""
    usual, runs = median(earlier), f"the median of {len(earlier)} run{'s' if len(earlier) > 1 else ''}"
    if usual == 0:
        return f"as {runs}" if seconds == 0 else f"above {runs}, which is 0 s"
    percent = 100 * (seconds / usual - 1)
    if abs(percent) <= STEADY_PERCENT:
        return f"as {runs}"
    return f"{abs(percent):.0f} % {'above' if percent > 0 else 'below'} {runs}"
