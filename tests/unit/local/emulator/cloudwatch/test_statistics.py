"""Metrics kept as statistics by second."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.local.emulator.cloudwatch.statistics import (
    FINE_DATA_SECONDS,
    RETENTION_SECONDS,
    Series,
    Statistics,
    from_statistic_set,
    is_known_statistic,
)

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def published(*values):
    found = Statistics()
    for value in values:
        found.add(value)
    return found


@given(VALUES)
def test_the_basic_statistics_are_those_of_the_values(values):
    found = published(*values)
    assert found.value("SampleCount") == len(values)
    assert found.value("Sum") == pytest.approx(sum(values))
    assert found.value("Average") == pytest.approx(statistics.fmean(values))
    assert (found.value("Minimum"), found.value("Maximum")) == (min(values), max(values))


@given(VALUES, st.integers(1, 99))
def test_a_percentile_interpolates_between_the_nearest_ranks(values, percent):
    expected = values[0]
    if len(values) > 1:
        expected = statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
    assert published(*values).value(f"p{percent}") == pytest.approx(expected)


@given(VALUES, VALUES)
def test_merged_statistics_are_those_of_all_values(some, others):
    merged = published(*some)
    merged.merge(published(*others))
    whole = published(*some, *others)
    for name in ("SampleCount", "Minimum", "Maximum", "p50", "p99"):
        assert merged.value(name) == pytest.approx(whole.value(name))


def test_a_value_counts_as_often_as_it_was_seen():
    found = Statistics()
    found.add(1, count=99)
    found.add(1000, count=1)
    assert (found.value("SampleCount"), found.value("Sum"), found.value("p50")) == (100, 1099, 1)


def test_a_statistic_set_has_percentiles_only_where_all_its_values_are_the_same():
    assert from_statistic_set(3, 6, 1, 3).value("p50") is None
    assert from_statistic_set(3, 6, 2, 2).value("p99") == 2


def test_negative_values_have_no_percentiles():
    assert published(-1, 1).value("p50") is None


def test_statistics_that_there_are_not_are_known_as_such():
    assert all(map(is_known_statistic, ("Sum", "SampleCount", "p0", "p50", "p99.9", "p100")))
    assert not any(map(is_known_statistic, ("", "sum", "p", "p101", "p-1", "P99", "tm90", "p50x")))


def test_periods_are_counted_from_the_start_and_the_end_is_not_part_of_them():
    series = Series({})
    for second in (9, 10, 19, 20, 29, 30):
        series.add(second + 0.9, published(1), resolution_seconds=1)
    found = series.periods(10, 30, 10)
    assert {start: one.value("Sum") for start, one in found.items()} == {10: 2, 20: 2}
    assert {start: one.value("Sum") for start, one in series.periods(9, 31, 11).items()} == {9: 3, 20: 3}


def test_a_standard_metric_is_kept_by_the_minute():
    series = Series({})
    series.add(119.5, published(1))
    assert list(series.periods(0, 300, 1)) == [60]


def test_old_data_is_kept_by_the_minute_and_very_old_data_is_not():
    series = Series({})
    for second in (61, 62, 119):
        series.add(second, published(second), resolution_seconds=1)
    assert series.drop_old_data(now=119 + FINE_DATA_SECONDS)
    assert {start: one.value("SampleCount") for start, one in series.periods(0, 300, 1).items()} == {60: 2, 119: 1}
    assert not series.drop_old_data(now=121 + RETENTION_SECONDS)
    assert series.periods(0, 300, 1) == {}
