"""What people, AWS or the upstream wrote is printed as text: no escape code, no markup, no emoji name of theirs works."""

from __future__ import annotations

import ast
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.text import Text

from orchestrator.cli.rendering.deployment_timeline import TimelineEntry
from orchestrator.cli.rendering.output import console, show_freeze, text_table, timeline_row
from orchestrator.cli.rendering.screen import Screen
from orchestrator.domain.deployment.freeze import Freeze

ROOT = Path(__file__).resolve().parents[4]
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m [bold]x[/bold] [/no] :warning: \u202etxt\x08\r"
SHOWN = r"\x1b[2J\x1b]0;owned\x07 \x9b31m [bold]x[/bold] [/no] :warning: \u202etxt\x08\r"
AT = datetime(2026, 11, 29, tzinfo=UTC)


def rendered(renderable, **options) -> str:
    screen = Screen(file=io.StringIO(), width=200, **options)
    screen.print(renderable)
    return screen.file.getvalue()


@pytest.mark.parametrize(
    ("renderable", "shown"),
    [
        (HOSTILE, SHOWN),
        # Rich drops these control characters of a styled text before it can be escaped.
        (Text(HOSTILE), re.sub(r"\\x0[78]|\\r", "", SHOWN)),
        (text_table(("reason",), [(HOSTILE,)]), SHOWN),
        (text_table((HOSTILE,), [("x",)]), SHOWN),
        (timeline_row(TimelineEntry(AT, "planned", HOSTILE, "bad")), SHOWN),
    ],
    ids=["a text", "a styled text", "a cell", "a heading", "an entry of a timeline"],
)
def test_a_text_of_a_stranger_is_shown_and_not_obeyed(renderable, shown):
    printed = rendered(renderable)
    assert shown in printed
    assert not set(printed) & set("\x1b\x9b\x07\x08\r\u202e")


@pytest.mark.parametrize("width", [20, 40, 71])
def test_on_a_narrow_terminal_as_well(width):
    screen = Screen(file=io.StringIO(), width=width)
    screen.print(timeline_row(TimelineEntry(AT, "planned", HOSTILE, "bad")))
    screen.print(text_table(("reason", "by"), [(HOSTILE, HOSTILE)], ("by",)))
    shown = screen.file.getvalue()
    assert not set(shown) & set("\x1b\x9b\x07\x08\r\u202e")
    assert "x1b" in shown.replace("\n", "").replace(" ", "")


def test_colours_of_ours_stay_and_cover_what_they_covered():
    text = Text.assemble(("a\x1bb", "red"), ("c", "blue"))
    shown = rendered(text, force_terminal=True, color_system="standard", no_color=False)
    assert shown == "\x1b[31ma\\x1bb\x1b[0m\x1b[34mc\x1b[0m\n"
    assert text.plain == "a\x1bbc"


def test_a_frozen_environment_shows_the_reason_that_a_person_gave(capsys):
    show_freeze(console(), Freeze("ann", HOSTILE, AT))
    assert SHOWN in " ".join(capsys.readouterr().out.split())


def test_every_console_of_the_command_line_is_such_a_one():
    assert isinstance(console(), Screen)
    made = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "orchestrator").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console"
    }
    assert not made


def test_nothing_else_prints_past_it():
    """`print` and `typer.echo` would write what they get; `sys.stdout` is for JSON, which escapes."""
    past = []
    for file in sorted((ROOT / "orchestrator/cli").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            name = ast.unparse(called) if called else ""
            if name in {"print", "typer.echo", "typer.secho", "click.echo", "sys.stdout.write"}:
                past.append(f"{file.relative_to(ROOT)}: {name}")
    assert past == [
        "orchestrator/cli/commands/project.py: typer.echo",  # the version alone, within its limit of time
        "orchestrator/cli/rendering/output.py: sys.stdout.write",  # CSV, whose cells are escaped
        "orchestrator/cli/rendering/output.py: sys.stdout.write",
    ]
