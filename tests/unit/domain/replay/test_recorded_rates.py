"""The recorded input of the sequential tests: what was written is what the tests run on again."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.analysis.dispersion import Periods
from orchestrator.domain.analysis.running_tests import ComparedRate, RunningTests
from orchestrator.domain.analysis.sequential_testing import Limit, Margin, Tally
from orchestrator.domain.replay.recorded_rates import RecordedRow, rates_to_json
from tests.samples import NOW, seconds


def rate(name: str, canary: list[int], stable: list[int], null, before=()) -> ComparedRate:
    """A rate whose periods have 50 requests each, and so many bad ones."""
    periods = [Periods(1.0, tuple(Tally(50, bad) for bad in bads)) for bads in (canary, stable, before)]
    return ComparedRate(name, name, periods[0].total, periods[1].total, null, *periods)


WINDOWS = [
    (NOW, [[0, 9, 9, 0], [0, 1, 0, 0]], [3, 0, 0]),
    (NOW, [[0, 9, 9, 0, 8, 8], [0, 1, 0, 0, 2, 0]], []),
    (NOW + seconds(60), [[30, 0, 0], []], []),
    (NOW + seconds(60), [[30, 0, 0, 25], []], []),
]


@pytest.mark.parametrize("null", [Margin(0.01), Limit(0.02), None], ids=str)
def test_tests_on_the_recorded_counts_are_those_on_the_periods(null):
    measured, replayed = RunningTests(), RunningTests()
    for start, (canary, stable), before in WINDOWS:
        rates = (rate("a", canary, stable, null, before), rate("b", [], [], None))
        measured = RunningTests.from_json(json.loads(json.dumps(measured.to_json()))).update(start, rates)
        rows = json.loads(json.dumps(rates_to_json(measured, rates)))
        read = {name: RecordedRow.from_json(row) for name, row in rows.items()}
        again = tuple(read[one.name].rate(one.name, one.description, one.weight, read[one.name].null) for one in rates)
        assert [(one.canary, one.stable, one.null) for one in again] == [
            (one.canary, one.stable, one.null) for one in rates
        ]
        replayed = RunningTests.from_json(replayed.to_json()).update(start, again)
        assert replayed.log_evidence == measured.log_evidence
        assert replayed.to_json() == measured.to_json()


def test_a_row_leaves_out_what_is_not_known():
    tests = RunningTests().update(NOW, (rate("a", [0], [0], Margin(0.01)),))
    assert rates_to_json(tests, (rate("a", [0], [0], Margin(0.01)),)) == {
        "a": {"canary": [50, 0], "stable": [50, 0], "null": ["margin", 0.01]}
    }


@pytest.mark.parametrize(
    "row",
    [
        None,
        {},
        {"canary": [1], "stable": [1, 0], "null": None},
        {"canary": [1, 0], "stable": [1, 0], "null": ["odd", 1]},
    ],
)
def test_another_document_is_an_error(row):
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        RecordedRow.from_json(row)
