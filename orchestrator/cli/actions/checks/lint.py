"""The command `lint`: everything that is wrong with a settings file."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.rendering.output import console, print_json
from orchestrator.domain.printable import printable
from orchestrator.domain.schema import EnvironmentRefused
from orchestrator.domain.texts import shortened
from orchestrator.environments.lint import findings
from orchestrator.environments.settings_document import shown

VALID, INVALID = 0, 2


def lint(file: Path, *, json: bool) -> int:
    """Print the findings in a settings file, by line; return the exit code: 0 without a finding, else 2."""
    found = findings(file)
    if json:
        print_json({"file": shown(file), "findings": [_as_json(error) for error in found]})
    else:
        screen = console()
        for error in found:
            # Not wrapped, so that an editor finds FILE:LINE:COLUMN at the beginning of each line.
            screen.print(printable(_as_line(error)), markup=False, highlight=False, soft_wrap=True)
        screen.print(f"{shown(file)}: {len(found) or 'no'} finding{'' if len(found) == 1 else 's'}", markup=False)
    return INVALID if found else VALID


def _as_line(error: EnvironmentRefused) -> str:
    unlocated = EnvironmentRefused(error.field, error.value, error.remedy)
    return f"{error.file}:{error.line}:{error.column}: {unlocated}"


def _as_json(error: EnvironmentRefused) -> dict[str, object]:
    value = shortened(error.value) if isinstance(error.value, str) else error.value
    return {
        "file": error.file,
        "line": error.line,
        "column": error.column,
        "field": shortened(error.field),
        "value": value,
        "remedy": error.remedy,
    }
