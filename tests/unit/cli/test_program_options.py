"""The options of the program itself: version, settings file and completion. Commands are built when they are used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.cli.program import Command, Group
from orchestrator.environments import project

ROOT = Path(__file__).resolve().parents[3]
RUN = CliRunner()


@pytest.fixture(autouse=True)
def outside_of_every_project(tmp_path, monkeypatch):
    monkeypatch.delenv(project.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_version_is_that_of_the_package_and_needs_no_project():
    answer = RUN.invoke(app, ["--version"])
    assert (answer.exit_code, answer.stdout) == (0, f"orchestrator {version('ib-oauth-orchestrator')}\n")


def test_a_named_settings_file_is_used_for_the_command_and_no_longer(tmp_path):
    file = tmp_path / "elsewhere" / "mine.toml"
    file.parent.mkdir()
    shutil.copy(project.TEMPLATE, file)
    answer = RUN.invoke(app, ["--settings", str(file), "strategies", "--json"])
    assert answer.exit_code == 0, answer.output
    assert "linear-10" in json.loads(answer.stdout)
    assert project.VARIABLE not in os.environ
    assert RUN.invoke(app, ["strategies"]).exit_code == REFUSED


def test_a_settings_file_that_is_not_there_is_refused_by_the_option_s_name():
    answer = RUN.invoke(app, ["--settings", "nowhere.toml", "strategies", "--json"])
    assert answer.exit_code == REFUSED
    assert json.loads(answer.stdout)["error"]["field"] == "--settings"


@pytest.mark.parametrize(
    ("words", "expected"),
    [("orchestrator dep", "deploy"), ("orchestrator deploy --str", "--strategy"), ("orchestrator keys ro", "rotate")],
)
def test_the_shell_completes_commands_and_options(tmp_path, words, expected):
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "_ORCHESTRATOR_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    answer = subprocess.run(
        [sys.executable, "-m", "orchestrator"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert expected in answer.stdout.split()


def test_a_command_reads_its_parameters_when_it_is_used():
    program = get_command(app)
    deploy, status = program.commands["deploy"], program.commands["status"]
    assert isinstance(deploy, Command)
    assert "_complete" not in vars(deploy)
    assert "--strategy" in {name for parameter in deploy.params for name in parameter.opts}
    assert "_complete" in vars(deploy)
    assert "_complete" not in vars(status)


PROGRAM = get_command(app)


def _options_before_a_command():
    for name, group in PROGRAM.commands.items():
        if isinstance(group, Group) and group.invoke_without_command:
            for option in (one for one in group.params if one.name != "help"):
                typed = [option.opts[0]] if option.is_flag else [option.opts[0], "x"]
                for command in group.commands:
                    yield pytest.param(name, typed, command, id=f"{name} {option.opts[0]} {command}")


@pytest.mark.parametrize(("group", "typed", "command"), list(_options_before_a_command()))
def test_an_option_of_a_group_that_is_a_command_too_is_refused_before_another_command(capsys, group, typed, command):
    with pytest.raises(SystemExit) as ended:
        PROGRAM.main([group, *typed, command, "--json"], prog_name="orchestrator")
    assert ended.value.code == REFUSED
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["field"], error["remedy"]) == (typed[0], f"give it after `orchestrator {group} {command}`")


def test_the_groups_that_are_commands_themselves_are_tested_with_every_option():
    tested = {(case.values[0], case.values[1][0]) for case in _options_before_a_command()}
    assert {("keys", "--env"), ("restore", "--watch"), ("rehearse", "--json")} <= tested
