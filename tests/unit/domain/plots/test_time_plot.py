"""Plots over time: every point is where its value and its time are, and nothing leaves the picture."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, isfinite, nan

import pytest

from orchestrator.domain.plots.svg import TimeScale
from orchestrator.domain.plots.time_plot import (
    LEFT,
    MOST_MARKS,
    MOST_POINTS,
    PLOT_HEIGHT,
    RIGHT,
    TOP,
    WIDTH,
    Callout,
    Level,
    Moment,
    Point,
    Series,
    TimePlot,
    render_time_plot,
    thinned,
)

AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
NAMESPACE = "{http://www.w3.org/2000/svg}"
BOTTOM = TOP + PLOT_HEIGHT
COORDINATES = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height", "r")


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def plot(*series: Series, **changes) -> TimePlot:
    return TimePlot("Title", "unit", "description", series, **changes)


def drawn(of: TimePlot) -> ET.Element:
    """The picture, after a check of what holds for every picture."""
    picture = ET.fromstring(render_time_plot(of))
    _, _, width, height = map(float, picture.get("viewBox").split())
    numbers = [(node.get(name), name) for node in picture.iter() for name in COORDINATES if node.get(name)]
    assert all(isfinite(float(number)) for number, _ in numbers)
    assert all(
        -1 <= float(number) <= (height if "y" in name or name == "height" else width) for number, name in numbers
    )
    for node in picture.iter():
        x, y = (float(node.get(name, 0)) for name in ("x", "y"))
        assert x + float(node.get("width", 0)) <= width + 0.01
        assert y + float(node.get("height", 0)) <= height + 0.01
        for pair in (node.get("points") or "").split():
            right, down = map(float, pair.split(","))
            assert 0 <= right <= width
            assert 0 <= down <= height
    assert picture.find(f"{NAMESPACE}title").text
    assert picture.find(f"{NAMESPACE}desc").text
    return picture


def classed(picture: ET.Element, name: str) -> list[ET.Element]:
    return [node for node in picture.iter() if name in (node.get("class") or "").split()]


def words(picture: ET.Element) -> list[str]:
    return [node.text for node in picture.iter(f"{NAMESPACE}text")]


def x_of(of: TimePlot, when: datetime) -> float:
    times = [point.at for one in of.series for point in one.points] + [moment.at for moment in of.moments]
    return TimeScale.over(times, LEFT, WIDTH - RIGHT)(when)


CROSSING = plot(
    Series("evidence", (Point(at(0), 0), Point(at(10), 20), Point(at(20), 160)), stepped=True),
    levels=(Level(100, "proved"),),
    moments=(Moment(at(20.5), "rollback"), Moment(at(23), "aliases reverted")),
    callouts=(Callout(at(20), 160, "03:00:20  5,200 to 1, a rollback needs 130 to 1"),),
    note="how to read it",
)


def test_the_crossing_is_drawn_at_its_recorded_time_with_value_and_threshold():
    picture = drawn(CROSSING)
    (ring,) = classed(picture, "ring")
    assert float(ring.get("cx")) == pytest.approx(x_of(CROSSING, at(20)), abs=0.01)
    (limit,) = classed(picture, "limit")
    level = float(limit.get("y1"))
    assert float(ring.get("cy")) < level < BOTTOM
    assert "03:00:20  5,200 to 1, a rollback needs 130 to 1" in words(picture)
    # The line is below the level until the crossing's time, and rises there.
    steps = [tuple(map(float, pair.split(","))) for pair in classed(picture, "line")[0].get("points").split()]
    above = [x for x, y in steps if y < level]
    assert above == [pytest.approx(x_of(CROSSING, at(20)), abs=0.01)]
    assert [x for x, y in steps if y > level][-1] == above[0]


def test_the_box_of_a_callout_covers_no_level_and_no_other_box():
    barely = replace(
        CROSSING,
        series=(Series("evidence", (Point(at(0), 0), Point(at(20), 104)), stepped=True),),
        callouts=(Callout(at(20), 104, "barely"), Callout(at(20), 104, "another")),
    )
    picture = drawn(barely)
    boxes = [(float(box.get("y")), float(box.get("y")) + float(box.get("height"))) for box in classed(picture, "box")]
    level = float(classed(picture, "limit")[0].get("y1"))
    assert all(not top <= level <= bottom for top, bottom in boxes)
    assert boxes[0][1] < boxes[1][0]


def test_points_are_where_their_values_are():
    picture = drawn(plot(Series("requests", (Point(at(0), 0), Point(at(30), 50), Point(at(60), 100)), style=4)))
    places = [(float(mark.get("cx")), float(mark.get("cy"))) for mark in classed(picture, "mark-4")[:3]]
    top = BOTTOM - PLOT_HEIGHT / 1.08
    assert [y for _, y in places] == [pytest.approx(y, abs=0.05) for y in (BOTTOM, (BOTTOM + top) / 2, top)]
    assert places[1][0] == pytest.approx((places[0][0] + places[2][0]) / 2, abs=0.05)


def test_moments_are_vertical_lines_at_their_times_with_letters_and_a_legend():
    picture = drawn(CROSSING)
    lines = classed(picture, "moment")
    assert [float(line.get("x1")) for line in lines] == [
        pytest.approx(x_of(CROSSING, at(when)), abs=0.01) for when in (20.5, 23)
    ]
    assert all(line.get("x1") == line.get("x2") for line in lines)
    found = words(picture)
    assert "03:00:20  rollback" in found
    assert "03:00:23  aliases reverted" in found
    assert found.count("A") == found.count("B") == 2
    assert "how to read it" in found


def test_the_axes_have_units_and_the_legend_names_every_series():
    found = words(drawn(CROSSING))
    assert {"unit", "time (UTC, 2026-11-23)", "evidence", "proved"} <= set(found)


@pytest.mark.parametrize(
    "values",
    [(0.0,), (1e9,), (0.0, 0.0), (inf, 1.0), (-inf, inf), (nan, 3.0), (1e-9, 2e-9), (1e9, 1e-9), (-5.0, 5.0)],
    ids=str,
)
@pytest.mark.parametrize("levels", [(), (Level(100, "proved"),), (Level(0, "none"),)])
def test_extreme_values_stay_in_the_picture(values, levels):
    points = tuple(Point(at(number), value, value, value) for number, value in enumerate(values))
    text = render_time_plot(plot(Series("s", points), levels=levels, callouts=(Callout(at(0), values[0] or 0, "x"),)))
    assert "nan" not in text.lower()
    assert "inf" not in text.lower()
    drawn(plot(Series("s", points), levels=levels, callouts=(Callout(at(0), inf, "infinite"),)))


def test_a_plot_of_moments_alone_and_of_one_instant_can_be_drawn():
    picture = drawn(plot(moments=(Moment(at(0), "a"), Moment(at(0), "b")), highest=100.0))
    flags = [float(flag.get("x")) for flag in classed(picture, "flag")[:2]]
    assert flags[1] >= flags[0] + 16, "letters of the same time stand side by side"


def test_bands_show_the_interval_and_a_single_one_has_a_width():
    points = (
        Point(at(0), 2, 1, 3),
        Point(at(10), 2, 1.5, 2.5),
        Point(at(20), 1, 0.5, 4, begins=True),
        Point(at(30), 9),
    )
    picture = drawn(plot(Series("canary", points, style=1)))
    (band,) = [node for node in classed(picture, "band") if node.tag.endswith("polygon")]
    (single,) = [node for node in classed(picture, "band") if node.tag.endswith("rect")]
    assert len(band.get("points").split()) == 4
    assert float(single.get("height")) > 0
    assert len(classed(picture, "line")) == 3, "two segments, and the legend"


def test_a_series_of_many_points_is_thinned_and_keeps_its_ends():
    many = tuple(Point(at(number), number) for number in range(10_000))
    shown = thinned(many)
    assert (len(shown), shown[0], shown[-1]) == (MOST_POINTS, many[0], many[-1])
    assert thinned(many[:3]) == many[:3]
    assert len(render_time_plot(plot(Series("s", many)))) < 8_000
    assert len(classed(drawn(plot(Series("s", many))), "mark-0")) == MOST_MARKS + 1, "and the legend"


def test_a_line_that_begins_at_a_point_that_is_left_out_begins_at_the_next_one():
    many = [Point(at(number), number, begins=number in {0, 7, 8, 151, 299}) for number in range(300)]
    begins = [point for point in thinned(many) if point.begins]
    assert [point.at for point in begins] == [at(0), at(8), at(151), at(299)]
    lines = classed(drawn(plot(Series("s", tuple(many)))), "line-0")
    assert len(lines) >= len(begins)


def test_every_style_has_a_mark_and_a_style_beyond_the_last_begins_again():
    for style in range(12):
        picture = drawn(plot(Series("s", (Point(at(0), 1), Point(at(1), 2)), style=style)))
        assert len(classed(picture, f"mark-{style % 8}")) == 3


def test_a_long_legend_has_several_rows_and_an_empty_series_none():
    series = [Series(f"a series with a long name, number {number}", (Point(at(0), 1),), number) for number in range(8)]
    picture = drawn(plot(*series, Series("nothing", (), 7)))
    rows = {node.get("y") for node in picture.iter(f"{NAMESPACE}text") if (node.text or "").startswith("a series")}
    assert len(rows) >= 4
    assert "nothing" not in words(picture)


def test_what_a_record_says_is_text():
    hostile = replace(CROSSING, title="<script>x</script>", moments=(Moment(at(1), '"><script>\u202e'),), note="&<")
    text = render_time_plot(hostile)
    assert not re.search(r"<script|\u202e", text)
    drawn(hostile)


def test_a_level_at_the_top_has_its_name_below_it():
    picture = drawn(plot(Series("s", (Point(at(0), 1),)), levels=(Level(100, "limit"),)))
    (line,) = classed(picture, "limit")
    (name,) = [node for node in picture.iter(f"{NAMESPACE}text") if node.text == "limit"]
    assert float(name.get("y")) > float(line.get("y1")) - 7
