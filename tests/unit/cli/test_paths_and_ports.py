"""A path or a port of any command that cannot be used is refused by its option, before anything is done or recorded."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from typer.main import get_command

from orchestrator import environments
from orchestrator.cli.errors import REFUSED
from orchestrator.cli.files import written
from orchestrator.cli.main import app
from orchestrator.cli.usage import name_of
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.texts import shortened
from orchestrator.environments.project import NAME, TEMPLATE

PROGRAM = get_command(app)

OTHERS = {
    "up": [],
    "deploy": ["--requested-by", "ann"],
    "restore": ["--write-settings", "dr-1"],
    "cost": [],
    "report": ["d-1"],
    "replay": ["d-1"],
    "lint": [],
    "compliance": ["--record"],
    "upkeep": ["--record"],
    "checklist": ["--out=checklist.json"],
    "release sign": [],
    "release promote": ["folder", "--requested-by", "ann"],
    "rebuild": ["--requested-by", "ann"],
    "rehearse": ["--scenario", "all"],
    "evidence export": [],
    "evidence verify": [],
    "evidence key": [],
    "evidence head": [],
    "incident postmortem": ["inc-1"],
    "status-page build": [],
}
"""What each command with a path needs in addition; the path replaces an option of the same name."""

OTHER_FIELDS = {"checklist --before": "release", "release sign folder": "release", "release promote folder": "release"}
"""The manifest of a release is read in one place."""


def _commands(command, words=()):
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, (*words, name))


PATHS = [
    (" ".join(words), name_of(parameter))
    for words, command in _commands(PROGRAM)
    for parameter in command.params
    if parameter.type.name == "path" and words
]
WRITTEN = [
    *("report --output", "replay --output", "compliance --output", "upkeep --output", "checklist --out"),
    *("rehearse --record", "evidence export folder", "evidence key --output", "evidence head --output"),
    *("incident postmortem --output", "status-page build --out"),
]


@pytest.fixture(autouse=True)
def context(tmp_path, monkeypatch):
    shutil.copy(TEMPLATE, tmp_path / NAME)
    monkeypatch.chdir(tmp_path)
    context = MagicMock()
    context.name, context.environment = "local", environments.load("local")
    # What a few commands read before their path.
    context.cloud.restores.read_record.return_value = MagicMock(kind=Kind.RESTORE)
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context)
    monkeypatch.setattr("orchestrator.cli.actions.restore.settings_after", lambda _recovery: {})
    records = MagicMock(find_snapshot=lambda _: ("key", "digest"), read_snapshot=lambda *_: ("record", b""))
    monkeypatch.setattr("orchestrator.cli.actions.rebuild.run.RebuildRecords", lambda _artifacts: records)
    monkeypatch.setattr("orchestrator.cli.actions.rebuild.run.read_snapshot", lambda _content: None)
    return context


def arguments(command, name, path):
    others = [word for word in OTHERS[command] if not word.startswith(name)]
    return [*command.split(), *others, f"{name}={path}" if name.startswith("-") else str(path)]


def refusal(capsys, words):
    with pytest.raises(SystemExit) as ended:
        PROGRAM.main([*words, *(["--json"] if words[0] != "up" else [])], prog_name="orchestrator")
    answer = capsys.readouterr()
    assert ended.value.code == REFUSED, answer
    return answer.err if words[0] == "up" else json.loads(answer.out)


def bad_paths(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    return {"below a file": tmp_path / "file" / "x" / "y", "too long": Path("x" * 300) / "y"}


def test_every_command_with_a_path_is_tested():
    assert {command for command, _ in PATHS} == set(OTHERS)
    assert set(WRITTEN) <= {" ".join(pair) for pair in PATHS}


@pytest.mark.parametrize("kind", ["below a file", "too long"])
@pytest.mark.parametrize(("command", "name"), PATHS)
def test_a_path_that_cannot_be_used_is_refused(capsys, tmp_path, monkeypatch, command, name, kind):
    if name == "--checklist-file":
        monkeypatch.setattr("orchestrator.cli.actions.release.releases.read", lambda _folder: None)
        monkeypatch.setattr("orchestrator.cli.actions.release._latest_of", lambda *_: {})
    path = bad_paths(tmp_path)[kind]
    answer = refusal(capsys, arguments(command, name, path))
    if command == "up":
        assert answer.startswith(f"{name}: ")
    elif command == "lint" and "findings" in answer:
        assert answer["findings"][0]["value"] == str(path)
    else:
        field = OTHER_FIELDS.get(f"{command} {name}", name) if kind == "below a file" else name
        assert (answer["error"]["field"], answer["error"]["value"]) == (field, shortened(str(path)))


@pytest.mark.parametrize("command", WRITTEN)
def test_what_is_written_is_tested_before_anything_is_read_or_recorded(capsys, tmp_path, monkeypatch, command):
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: pytest.fail("the environment was read"))
    *words, name = command.split()
    other = tmp_path if name != "folder" and command != "status-page build --out" else tmp_path / "file"
    for path in (*bad_paths(tmp_path).values(), other):
        answer = refusal(capsys, arguments(" ".join(words), name, path))
        assert answer["error"]["field"] == name
        assert "that can be written" in answer["error"]["remedy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([NAME, "file"])


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_cannot_be_written_in_the_end_is_refused_by_its_option(what):
    path = Path("full")
    with pytest.raises(Refused) as caught, written("--output", path, what):
        raise OSError(28, "No space left on device")
    assert str(caught.value).endswith(f"name a {what} that can be written (No space left on device)")


@pytest.mark.parametrize("command", ["status-page serve", "console --no-sign-in"])
def test_a_port_in_use_is_refused(capsys, command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refusal(capsys, [*command.split(), "--port", str(port)])["error"]
    assert (error["field"], error["value"]) == ("--port", port)
    assert error["remedy"].startswith("name a free port, or 0 for any")


def test_every_command_with_a_port_is_tested():
    ports = {" ".join(words) for words, command in _commands(PROGRAM) for one in command.params if one.name == "port"}
    assert ports == {"status-page serve", "console"}
