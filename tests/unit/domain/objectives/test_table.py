"""The table of objectives: the newest run counts, and what was not measured is not met."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.objectives.scenarios import ScenarioRun
from orchestrator.domain.objectives.table import (
    MET,
    MISSED,
    NEVER_RUN,
    NOT_MEASURED,
    TREND_RUNS,
    objectives_table,
    trend_in_words,
)
from orchestrator.domain.recovery.record import Objectives
from tests.samples import NOW, seconds

DEFAULT = Objectives(recovery_time=seconds(100), data_loss=seconds(10))


def run(
    age_days: int, took: float | None = 50, lost: float | None = 1, scenario: str = "restore", *, good: bool = True
):
    return ScenarioRun(
        scenario,
        f"rs-{age_days}",
        NOW - timedelta(days=age_days),
        good,
        None if took is None else seconds(took),
        None if lost is None else seconds(lost),
    )


def only(*runs: ScenarioRun, **own: Objectives):
    (row,) = objectives_table(DEFAULT, own, runs)
    return row


def test_scenarios_with_objectives_or_runs_are_listed_by_name():
    own = {"region-lost": Objectives(seconds(1000), seconds(100))}
    rows = objectives_table(DEFAULT, own, [run(1), run(2, scenario="failback")])

    assert [row.scenario for row in rows] == ["failback", "region-lost", "restore"]
    assert rows[1].recovery_time.objective == seconds(1000)
    assert rows[2].recovery_time.objective == seconds(100)
    assert objectives_table(DEFAULT, {}, []) == ()


def test_the_newest_run_counts_in_whatever_order_they_come():
    row = only(run(1, took=80), run(3, took=200), run(2, took=40))

    assert [one.id for one in row.runs] == ["rs-3", "rs-2", "rs-1"]
    assert (row.recovery_time.measured, row.recovery_time.result, row.met) == (seconds(80), MET, True)
    assert row.recovery_time.trend == "33 % below the median of 2 runs"


@pytest.mark.parametrize(
    ("newest", "results", "met"),
    [
        (run(0, took=100, lost=10), (MET, MET), True),
        (run(0, took=101), (MISSED, MET), False),
        (run(0, lost=11), (MET, MISSED), False),
        (run(0, took=None), (NOT_MEASURED, MET), False),
        (run(0, lost=None), (MET, NOT_MEASURED), False),
        (run(0, good=False), (MET, MET), False),
    ],
)
def test_an_objective_is_met_if_it_was_measured_and_kept(newest, results, met):
    row = only(run(1), newest)

    assert (row.recovery_time.result, row.data_loss.result) == results
    assert row.met is met


def test_a_scenario_that_has_never_run_is_not_met():
    row = only(restore=DEFAULT)

    assert (row.recovery_time.result, row.data_loss.result, row.met) == (NEVER_RUN, NEVER_RUN, False)


def test_the_trend_is_against_the_last_runs_that_measured():
    earlier = [run(age, took=1000) for age in range(30, 20, -1)] + [run(age, took=50) for age in range(12, 2, -1)]

    assert only(*earlier, run(2, took=None), run(0, took=100)).recovery_time.trend == (
        f"100 % above the median of {TREND_RUNS} runs"
    )


@pytest.mark.parametrize(
    ("value", "earlier", "words"),
    [
        (5, [], ""),
        (5, [5], "as the median of 1 run"),
        (5.25, [5, 5], "as the median of 2 runs"),
        (6, [5, 5], "20 % above the median of 2 runs"),
        (4, [5, 5], "20 % below the median of 2 runs"),
        (0, [0, 0], "as the median of 2 runs"),
        (1, [0, 0], "above the median of 2 runs, which is 0 s"),
    ],
)
def test_a_trend_in_words(value, earlier, words):
    assert trend_in_words(value, earlier) == words
