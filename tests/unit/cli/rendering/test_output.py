"""Tables and timelines on terminals of every width: nothing is cut, and nothing stands one letter a line."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.cli.rendering import output
from orchestrator.cli.rendering.deployment_timeline import TimelineEntry
from orchestrator.cli.rendering.step_metrics import StepMetrics
from tests.samples import NOW, seconds

WIDE, NARROW = 120, 40
ROWS = [
    ("11-23 03:00", "d-20261123T030000Z-abcdef", "SUCCEEDED", "canary-10-50", "0123456789ab"),
    ("11-22 03:00", "d-20261122T030000Z-abcdef", "ROLLED_BACK", "all-at-once: known good d-1", "ba9876543210"),
]
COLUMNS = ("when", "deployment", "outcome", "strategy", "release")
TEXT = "the canary returns 5xx to more requests than stable does, and that is proved"


def shown(renderable, width):
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(renderable)
    return console.file.getvalue().splitlines()


def words(lines):
    return " ".join(" ".join(lines).split())


def test_a_wide_terminal_gets_a_table():
    lines = shown(output.text_table(COLUMNS, ROWS, ("deployment", "outcome")), WIDE)
    assert lines[0].split() == list(COLUMNS)
    assert len(lines) == 1 + len(ROWS)


@pytest.mark.parametrize("width", [30, NARROW, 60])
def test_a_narrow_terminal_gets_a_list_with_every_cell_in_one_piece(width):
    lines = shown(output.text_table(COLUMNS, ROWS, ("deployment", "outcome")), width)
    assert max(map(len, lines)) <= width
    printed = words(lines)
    assert all(f"{name}: {cell}" in printed for row in ROWS for name, cell in zip(COLUMNS, row, strict=True))
    assert min(len(line.strip()) for line in lines) > 1


@pytest.mark.parametrize("width", [30, NARROW, WIDE])
def test_an_entry_of_a_timeline_is_readable_at_any_width(width):
    lines = shown(output.timeline_row(TimelineEntry(NOW, "verify after promotion", TEXT)), width)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "verify after promotion" in words(lines)
    assert len(lines) <= 2 + len(TEXT) // 20


@pytest.mark.parametrize("width", [30, NARROW, WIDE])
def test_the_steps_are_readable_at_any_width(width):
    step = StepMetrics(0, 10, NOW, NOW + seconds(60), (100, 7), (900, 0))
    printed = words(shown(output.steps_table([step]), width))
    assert all(piece in printed for piece in ("5xx canary", "7.0 %", "10.0 %", "1000"))


@given(
    st.integers(20, 200),
    st.lists(st.tuples(*[st.text("abcdefg ", max_size=60)] * 3), max_size=4),
)
@example(20, [("a" * 15, "", "")])
@example(25, [("a" * 20, "", "")])
def test_no_width_loses_a_letter(width, rows):
    def letters(text):
        return sorted(text.replace(" ", ""))

    lines = "".join(shown(output.text_table(("x", "y", "z"), rows, ("x",)), width)).replace("…", "")
    as_table, as_list = (
        letters("xyz" + "".join(map("".join, rows))),
        letters("".join(f"{name}:{cell}" for row in rows for name, cell in zip("xyz", row, strict=True))),
    )
    assert letters(lines) in (as_table, as_list)


def test_columns_that_are_set_are_respected_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert output.console().width == NARROW
    monkeypatch.delenv("COLUMNS")
    assert output.console().width == output.LOG_WIDTH


def test_a_table_whose_words_would_be_cut_is_a_list():
    rows = [("authorize", "2", "fencing_token=5 deployment=d-20261129T034841Z-724c20")]
    lines = shown(output.text_table(("function", "stable", "last changed by"), rows), NARROW)
    assert lines[0].rstrip() == "function: authorize"
    assert any("deployment=d-20261129T034841Z-724c20" in line for line in lines)
