"""The phases of a recovery as bars, with the limit of its time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.plots.gantt import NAMES, Bar, Gantt, Limit, render_gantt
from orchestrator.domain.plots.svg import TimeScale
from orchestrator.domain.plots.time_plot import RIGHT, WIDTH
from tests.unit.domain.plots.test_time_plot import ET, at, classed, words

BARS = (Bar("await restore", at(0), at(60), "60.0 s"), Bar("compare <contents>", at(60), at(80), "20.0 s"))


def drawn(of: Gantt) -> ET.Element:
    picture = ET.fromstring(render_gantt(of))
    _, _, width, height = map(float, picture.get("viewBox").split())
    for node in picture.iter():
        assert 0 <= float(node.get("x", 0)) + float(node.get("width", 0)) <= width
        assert 0 <= float(node.get("y", 0)) + float(node.get("height", 0)) <= height
    return picture


def test_bars_begin_and_end_at_their_times():
    picture = drawn(Gantt("Phases", "two phases", BARS))
    across = TimeScale.over([at(0), at(80)], NAMES, WIDTH - RIGHT)
    bars = [(float(bar.get("x")), float(bar.get("width"))) for bar in classed(picture, "mark-0")]
    assert bars[0] == (pytest.approx(across(at(0))), pytest.approx(across(at(60)) - across(at(0)), abs=0.02))
    assert bars[1][0] == pytest.approx(across(at(60)))
    assert {"await restore", "compare <contents>", "60.0 s", "20.0 s"} <= set(words(picture))
    assert not classed(picture, "limit")


def test_a_limit_in_sight_is_a_line_at_its_time():
    limit = Limit("RTO of 1 min 30 s", at(0), at(90), "80 s")
    picture = drawn(Gantt("Phases", "two phases", BARS, limit))
    (line,) = classed(picture, "limit")
    across = TimeScale.over([at(0), at(90)], NAMES, WIDTH - RIGHT)
    assert float(line.get("x1")) == pytest.approx(across(at(90)))
    assert "RTO of 1 min 30 s ends at 03:01:30; measured 80 s" in words(picture)


def test_a_limit_far_away_is_named_and_does_not_press_the_bars_together():
    limit = Limit("RTO of 2 h 0 min", at(0), at(7200), "80 s")
    picture = drawn(Gantt("Phases", "two phases", BARS, limit))
    assert not classed(picture, "limit")
    assert "RTO of 2 h 0 min ends at 05:00:00, beyond the right edge; measured 80 s" in words(picture)


def test_a_phase_without_a_duration_is_seen():
    picture = drawn(Gantt("Phases", "one phase", (Bar("plan", at(0), at(0), "0.0 s"),)))
    assert float(classed(picture, "mark-0")[0].get("width")) == 2
    late = Gantt("Phases", "two", (*BARS, Bar("end", at(80), at(80) + timedelta(milliseconds=1), "0.0 s")))
    assert len(classed(drawn(late), "mark-0")) == 3
