"""Scales, ticks and numbers of the plots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from orchestrator.domain.plots.svg import (
    MOST_TICKS,
    Scale,
    TimeScale,
    element,
    fitting,
    is_number,
    short_number,
    text,
    value_ticks,
)

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


def test_a_scale_maps_its_ends_and_holds_what_is_outside():
    scale = Scale(0, 10, 200, 100)
    assert [scale(value) for value in (0, 5, 10, -inf, inf, 11)] == [200, 150, 100, 200, 100, 100]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (0, ["03:00:00", "03:00:01"]),
        (40, ["03:00:00", "03:00:10", "03:00:20", "03:00:30", "03:00:40"]),
        (1800, ["03:00", "03:05", "03:10", "03:15", "03:20", "03:25", "03:30"]),
        (30 * 86_400, ["11-23", "11-28", "12-03", "12-08", "12-13", "12-18"]),
    ],
)
def test_the_ticks_of_a_time_axis_are_round_and_few(seconds, labels):
    scale = TimeScale.over([AT, AT + timedelta(seconds=seconds)], 0, 100)
    found = [label for _, label in scale.ticks()]
    assert set(labels) <= set(found)
    assert len(found) <= MOST_TICKS + 1
    assert all(0 <= x <= 100 for x, _ in scale.ticks())


@pytest.mark.parametrize(
    ("low", "high", "first", "last"), [(0, 1, 0, 1), (0, 0.0107, 0, 0.01), (0, 1e9, 0, 1e9), (0, 73.4, 0, 60)]
)
def test_the_ticks_of_a_value_axis_are_round_and_few(low, high, first, last):
    ticks = value_ticks(low, high)
    assert (ticks[0], ticks[-1]) == (first, pytest.approx(last))
    assert 3 <= len(ticks) <= MOST_TICKS


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (0.25, "0.25"), (999, "999"), (1500, "1.5 k"), (-2e6, "-2 M"), (1e9, "1 G")]
)
def test_numbers_on_an_axis_are_short(value, words):
    assert short_number(value) == words


def test_text_is_escaped_and_shortened():
    assert "<script>" not in text("<script>\n\x1b", 1, 2)
    assert element("g", x=1.005, class_='"') == '<g x="1" class="&quot;"/>'
    assert fitting("abcdefghij", 40) == "abcd…"
    assert fitting("abc", 40) == "abc"


def test_infinity_can_be_drawn_and_nan_cannot():
    assert [is_number(value) for value in (1.0, inf, -inf, nan, None)] == [True, True, True, False, False]
