"""The commands of the deployment strategy, `npm run …`, are scripts of package.json over the project's own commands."""

from __future__ import annotations

import json
import re
import shlex
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from typer.main import get_command

from orchestrator import environments
from orchestrator.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = json.loads((ROOT / "package.json").read_text())["scripts"]
OF_THE_STRATEGY = ("build", "test", "cdk:deploy:staging", "test:integration", "cdk:deploy:prod", "verify:prod")


def commands(script):
    words = shlex.split(SCRIPTS[script])
    return [list(group) for joined, group in groupby(words, key=lambda word: word == "&&") if not joined]


def test_every_command_of_the_strategy_is_a_script():
    assert tuple(SCRIPTS) == OF_THE_STRATEGY


def test_the_page_of_the_strategy_names_each():
    page = (ROOT / "docs" / "reference" / "strategy.md").read_text()
    assert all(f"npm run {script}" in page for script in OF_THE_STRATEGY)


@pytest.mark.parametrize("script", OF_THE_STRATEGY)
def test_a_script_runs_commands_that_exist(script):
    for program, *arguments in commands(script):
        if program == "make":
            assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE) for target in arguments)
        elif program == "cdk":
            assert arguments[:2] == ["deploy", "--all"]
            (context,) = [value for option, value in pairwise(arguments) if option == "--context"]
            assert context.removeprefix("environment=") in environments.names()
        else:
            assert program == ".venv/bin/orchestrator"
            command = get_command(app)
            while hasattr(command, "commands"):
                command = command.commands[arguments.pop(0)]
            parsed = command.make_context(script, arguments)
            assert parsed.params.get("env", "staging") in environments.names()
