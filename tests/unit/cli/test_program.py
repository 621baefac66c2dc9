"""What no option of any command may be: blank, not a number, without an end, not text. The commands are not listed here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.cli.program import Command, Group
from orchestrator.environments.project import NAME, TEMPLATE

RUN = CliRunner()
PROGRAM: Any = get_command(app)


@dataclass(frozen=True)
class Parameter:
    """One parameter of one command.

    Attributes:
        kind: what the command gets: str, int, float or Path.
        required: the parameters that the command needs, in their order.
    """

    words: tuple[str, ...]
    name: str
    kind: type
    low: float | None
    high: float | None
    required: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' '.join(self.words)} {self.name}"

    def arguments(self, value: str) -> list[str]:
        values = {**dict.fromkeys(self.required, "x"), self.name: value}
        options = [f"{name}={text}" for name, text in values.items() if name.startswith("-")]
        return [*self.words, *options, "--", *(text for name, text in values.items() if not name.startswith("-"))]


@dataclass(frozen=True)
class Answer:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys):
    """Run the program in this process; building its commands for each case would take most of the time."""

    def run(arguments: list[str]) -> Answer:
        with pytest.raises(SystemExit) as ended:
            PROGRAM.main(arguments, prog_name="orchestrator")
        return Answer(ended.value.code, *capsys.readouterr())

    return run


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    yield from _commands_of(PROGRAM, ())


def _commands_of(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands_of(child, (*words, name))


def _name(parameter: Any) -> str:
    return parameter.opts[0] if parameter.param_type_name == "option" else parameter.name


KINDS = {"int": int, "float": float, "str": str, "path": Path, "boolean": bool}
"""The names of click's types, without those of their ranges."""


def _kind(parameter: Any) -> type:
    return KINDS[parameter.type.name.removesuffix(" range")]


def _range(parameter: Any) -> tuple[float | None, float | None]:
    return getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)


def parameters() -> list[Parameter]:
    found = []
    for words, command in commands():
        own = [parameter for parameter in command.params if parameter.name != "help"]
        required = tuple(_name(one) for one in own if one.required)
        found += [
            Parameter(words, _name(one), _kind(one), *_range(one), required)
            for one in own
            if one.param_type_name == "argument" or not one.is_flag
        ]
    return found


ALL = parameters()
NUMBERS = [one for one in ALL if one.kind in {int, float}]


@pytest.fixture(autouse=True)
def in_a_new_project(tmp_path, monkeypatch):
    shutil.copy(TEMPLATE, tmp_path / NAME)
    monkeypatch.chdir(tmp_path)


def test_every_command_is_checked():
    found = dict(commands())
    assert len(found) > 35
    assert all(isinstance(command, Command | Group) for command in found.values())
    assert len(ALL) > 90
    assert {one.kind for one in ALL} == {str, int, float, Path}


@pytest.mark.parametrize("parameter", ALL, ids=str)
@pytest.mark.parametrize("value", ["", " \t"], ids=["empty", "blank"])
def test_a_blank_value_is_refused_by_its_name_and_never_a_default(run, parameter, value):
    answer = run(parameter.arguments(value))
    assert answer.exit_code == REFUSED
    remedy = "give a value" if parameter.name in parameter.required else "give a value, or omit it"
    assert answer.stderr == f"{parameter.name}: {value!r} is refused: {remedy}\n"
    assert answer.stdout == ""


@pytest.mark.parametrize("parameter", NUMBERS, ids=str)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "-1e999"])
def test_a_number_has_an_end(run, parameter, value):
    answer = run(parameter.arguments(value))
    assert answer.exit_code == REFUSED
    assert parameter.name in answer.stderr


@pytest.mark.parametrize("parameter", NUMBERS, ids=str)
def test_a_number_has_two_bounds(run, parameter):
    assert None not in {parameter.low, parameter.high}
    for value in (parameter.low - 1, parameter.high * 2):
        answer = run(parameter.arguments(f"{value:.0f}" if parameter.kind is int else str(value)))
        assert answer.exit_code == REFUSED
        assert parameter.name in answer.stderr


@pytest.mark.parametrize("parameter", [one for one in NUMBERS if one.kind is int], ids=str)
def test_a_count_is_whole(run, parameter):
    answer = run(parameter.arguments("1.5"))
    assert answer.exit_code == REFUSED
    assert parameter.name in answer.stderr


@pytest.mark.parametrize("parameter", [one for one in ALL if one.kind is str], ids=str)
def test_bytes_that_are_no_text_are_refused(run, parameter):
    answer = run(parameter.arguments("caf\udce9"))
    assert answer.exit_code == REFUSED
    assert f"{parameter.name}: 'caf\\udce9' is refused: give text in UTF-8" in answer.stderr


@pytest.mark.parametrize("argument", ["--strategy=", "--checklist=", "--requested-by= "])
def test_with_json_the_refusal_is_an_object(argument):
    answer = RUN.invoke(app, ["deploy", argument, "--json"])
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert (error["field"], error["value"]) == tuple(argument.split("="))
    assert error["remedy"] == "give a value, or omit it"


@pytest.mark.parametrize(
    ("arguments", "field", "value", "remedy"),
    [
        ("history --limit 0 --json", "--limit", "0", "0 is not in the range 1<=x<=200"),
        ("history --limit=x --json", "--limit", "x", "'x' is not a valid int"),
        ("history --json --limit", "--limit", "", "requires an argument"),
        ("history --limt 5 --json", "--limt", "", "No such option: --limt"),
        ("history --limit 5 extra --json", "arguments", "extra", "Got unexpected extra argument"),
        ("freeze --json", "--reason", "", "Missing option '--reason'"),
        ("approve --json", "deployment", "", "Missing argument 'DEPLOYMENT'"),
        ("histry --json", "COMMAND", "histry", "No such command 'histry'"),
        ("keys rotat --json", "COMMAND", "rotat", "No such command 'rotat'"),
        ("--setings x status --json", "--setings", "", "No such option: --setings"),
        ("keys --evn prod --json", "--evn", "", "No such option: --evn"),
        ("up --json", "--json", "", "No such option: --json"),
    ],
)
def test_with_json_a_usage_error_is_an_object(run, arguments, field, value, remedy):
    answer = run(arguments.split(" "))
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert (error["field"], error["value"]) == (field, value)
    assert remedy in error["remedy"]
    assert answer.stderr == ""


@pytest.mark.parametrize(("words", "required"), sorted({(one.words, one.required) for one in ALL if one.required}))
def test_with_json_what_is_missing_is_an_object(run, words, required):
    answer = run([*words, "--json"])
    assert answer.exit_code == REFUSED
    assert json.loads(answer.stdout)["error"]["field"] in required


@pytest.mark.parametrize("parameter", NUMBERS, ids=str)
def test_with_json_a_number_beyond_its_bounds_is_an_object(run, parameter):
    if parameter.words == ("up",):
        pytest.skip("it has no --json")
    value = f"{parameter.low - 1:.0f}"
    words, options = list(parameter.words), parameter.arguments(value)[len(parameter.words) :]
    answer = run([*words, "--json", *options])
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert (error["field"], error["value"]) == (parameter.name, value)


def test_with_watch_a_usage_error_is_one_line():
    answer = RUN.invoke(app, ["deploy", "--nothing", "--watch", "--json"])
    assert answer.exit_code == REFUSED
    (line,) = answer.stdout.splitlines()
    assert (json.loads(line)["type"], json.loads(line)["error"]["field"]) == ("result", "--nothing")


def test_without_json_a_usage_error_shows_the_usage():
    answer = RUN.invoke(app, ["history", "--limit", "0"])
    assert (answer.exit_code, answer.stdout) == (REFUSED, "")
    assert "Usage: " in answer.stderr


def test_what_follows_two_dashes_is_no_option():
    answer = RUN.invoke(app, ["history", "--", "--json"])
    assert (answer.exit_code, answer.stdout) == (REFUSED, "")


def test_of_several_values_none_may_be_blank():
    answer = RUN.invoke(app, ["deploy", "--checklist", "tests=https://ci.example/1", "--checklist", ""])
    assert (answer.exit_code, answer.stderr) == (REFUSED, "--checklist: '' is refused: give a value, or omit it\n")


@pytest.mark.parametrize("typed", ["no\n", ""], ids=["no", "no answer"])
def test_what_is_not_confirmed_is_refused_and_did_not_fail(monkeypatch, typed):
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: object())
    monkeypatch.setattr("orchestrator.cli.actions.keys.consequences", lambda _context, _kid: ["its tokens end"])
    answer = RUN.invoke(app, ["keys", "revoke", "k"], input=typed)
    assert answer.exit_code == REFUSED
    assert "not confirmed, nothing was changed: agree, or give --yes" in answer.stderr
