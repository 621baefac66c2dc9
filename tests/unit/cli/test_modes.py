"""An option that has no effect in one of the ways to use a command is refused there, and nothing is done."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.main import get_command

from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.environments.project import NAME, TEMPLATE

PROGRAM = get_command(app)


@pytest.fixture(autouse=True)
def in_a_new_project(tmp_path, monkeypatch):
    shutil.copy(TEMPLATE, tmp_path / NAME)
    monkeypatch.chdir(tmp_path)

    def context_of(_name):
        pytest.fail("the environment was read")

    monkeypatch.setattr("orchestrator.cli.context.context_of", context_of)


WRITE_SETTINGS = [
    *("--to 2026-11-23T03:00:00Z", "--backup b", "--plan", "--yes", "--override-freeze", "--skip-comparison"),
    *("--replay", "--corrupted login", "--key k", "--requested-by ann", "--watch"),
]
REBUILD_PLAN = ["--plan", "--assembly x", "--snapshot c-1", "--create-empty t"]


@pytest.mark.parametrize(
    ("words", "field"),
    [
        *((f"restore --write-settings dr-1 {option}", option.split()[0]) for option in WRITE_SETTINGS),
        ("restore --settings-file x.toml", "--settings-file"),
        ("restore --plan --watch", "--watch"),
        ("restore --plan --key k", "--key"),
        ("failback dr-1 --plan --watch", "--watch"),
        ("failback dr-1 --plan --key k", "--key"),
        ("drill --plan --watch", "--watch"),
        ("drill --plan --key k", "--key"),
        ("report --dora --objectives", "--objectives"),
        ("report --dora --rehearsals x.json", "--rehearsals"),
        ("report --dora --format md", "--format"),
        ("report --dora --format html", "--format"),
        ("repair --watch", "--watch"),
        ("repair --reason x", "--reason"),
        ("clients notify app --subject s --text t --reachable-only", "--reachable-only"),
        ("evidence verify --folder x --env prod", "--env"),
        *((f"rebuild --abandon {option}", option.split()[0]) for option in REBUILD_PLAN),
        ("audit --format csv", "--format"),
    ],
)
def test_an_option_without_an_effect_is_refused(capsys, words, field):
    refused(capsys, words, field)


def test_a_hosted_zone_without_its_domain_is_refused_and_no_project_is_made(capsys, tmp_path):
    (tmp_path / NAME).unlink()
    refused(capsys, "init --hosted-zone-id Z0123456789ABC", "--hosted-zone-id")
    assert list(tmp_path.iterdir()) == []


def refused(capsys, words, field):
    with pytest.raises(SystemExit) as ended:
        PROGRAM.main([*words.split(), "--json"], prog_name="orchestrator")
    output = capsys.readouterr().out
    assert ended.value.code == REFUSED, output
    assert json.loads(output)["error"]["field"] == field
