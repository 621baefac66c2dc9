"""``orchestrator rehearse`` lists the scenarios, and refuses what it cannot run before it starts a cloud."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.domain.rehearsal.catalogue import SCENARIOS

RUN = CliRunner(env={"COLUMNS": "240"})


def test_the_list_has_every_scenario_with_its_end_and_runbook():
    answer = RUN.invoke(app, ["rehearse", "list"])
    assert answer.exit_code == 0
    assert [scenario.name for scenario in SCENARIOS if scenario.name not in answer.stdout] == []
    listed = json.loads(RUN.invoke(app, ["rehearse", "list", "--json"]).stdout)["scenarios"]
    assert [scenario["runbook"] for scenario in listed] == [scenario.runbook for scenario in SCENARIOS]


@pytest.mark.parametrize("arguments", [[], ["--scenario", "volcano"]])
def test_a_rehearsal_without_a_known_scenario_is_refused_by_name(arguments):
    answer = RUN.invoke(app, ["rehearse", *arguments, "--json"])
    assert answer.exit_code == REFUSED
    assert json.loads(answer.stdout)["error"]["field"] == "--scenario"


def test_a_record_that_is_none_is_refused_before_anything_runs(tmp_path):
    file = tmp_path / "record.json"
    file.write_text("[]")
    answer = RUN.invoke(app, ["rehearse", "--scenario", "ledger-lost", "--record", str(file), "--json"])
    assert answer.exit_code == REFUSED
    assert json.loads(answer.stdout)["error"]["field"] == "--record"
    assert file.read_text() == "[]"
