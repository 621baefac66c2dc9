"""docs/cli.md is what the command line says of itself."""

from pathlib import Path

from orchestrator.cli.main import help_pages

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_pages_are_what_the_command_line_says():
    assert (ROOT / "docs/cli.md").read_text() == help_pages(), "run `python -m orchestrator.cli.main`"
