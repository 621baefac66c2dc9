"""The help of the command line: short lines, and docs/reference/cli.md, which is generated from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator.cli.main import app, help_pages

ROOT = Path(__file__).resolve().parents[3]
MAX_CHARACTERS = 60
NOT_OURS = ("help", "install_completion", "show_completion")
"""Options of typer's own."""


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the help of every command, group, option and argument."""
    yield from _texts_of(get_command(app), ("orchestrator",))


def _texts_of(command, words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if len(words) > 1:
        yield " ".join(words), (command.help or "").strip()
    for parameter in command.params:
        if parameter.name not in NOT_OURS:
            yield f"{' '.join(words)} {parameter.opts[0]}", parameter.help or ""
    for name, subcommand in getattr(command, "commands", {}).items():
        yield from _texts_of(subcommand, (*words, name))


@pytest.mark.parametrize(
    ("name", "text"), list(help_texts()), ids=lambda value: value if "orchestrator" in value else ""
)
def test_a_help_text_is_one_line_of_at_most_sixty_characters(name, text):
    assert text, f"{name} has no help"
    assert "\n" not in text
    assert len(text) <= MAX_CHARACTERS


def test_the_committed_pages_are_what_the_command_line_says():
    assert (ROOT / "docs/reference/cli.md").read_text() == help_pages(), "run `python -m orchestrator.cli.main`"
