"""`orchestrator report --objectives`: what is promised, what the ledger's recoveries measured, and the plot."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.main import app
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.record import Measured, RecoveryOutcome
from tests.samples import NOW, recovery, recovery_table, seconds

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"})
REHEARSALS = {
    "region-lost": {
        "started_at": "2026-11-20T06:00:00+00:00", "ended": "after commands", "problem": "", "recovery_seconds": 95,
        "loss_seconds": 3,
    }
}  # fmt: skip


def ended(age_days: int, took: float | None, **changes):
    at = NOW - timedelta(days=age_days)
    measured = Measured(recovery_time=None if took is None else seconds(took), data_loss=seconds(1))
    return replace(
        recovery(id=f"dr-{age_days}", requested_at=at),
        **{"ended_at": at, "outcome": RecoveryOutcome.SUCCEEDED, "measured": measured, **changes},
    )


@pytest.fixture
def records():
    return [
        ended(0, 9000),
        ended(1, 600),
        ended(2, 500),
        ended(3, 400, kind=Kind.RESTORE, id="rs-3"),
        ended(4, None, kind=Kind.RESTORE, id="rs-4"),
    ]


@pytest.fixture
def run(records, monkeypatch, tmp_path):
    table = {**recovery_table(), "scenarios": {"region-lost": {"rto_minutes": 1, "rpo_minutes": 1}}}
    context = SimpleNamespace(
        name="test",
        environment=SimpleNamespace(recovery=table),
        cloud=SimpleNamespace(drills=SimpleNamespace(newest_records=lambda _limit: records)),
    )
    monkeypatch.setattr(cli_context, "context_of", lambda _name: context)
    (tmp_path / "environments.toml").write_bytes(environments.settings_file().read_bytes())
    (tmp_path / "rehearsals.json").write_text(json.dumps(REHEARSALS))
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        answer = RUN.invoke(app, ["report", *arguments], catch_exceptions=False)
        assert answer.exit_code == code, answer.output
        return answer.output

    return run


def test_measured_values_are_next_to_their_objectives_with_the_trend(run):
    document = json.loads(run("--objectives", "--json"))
    by_name = {row["scenario"]: row for row in document["scenarios"]}

    drill = by_name["drill-pitr"]
    assert drill["recovery_time"] == {
        "objective_seconds": 7200, "measured_seconds": 9000, "result": "MISSED",
        "trend": "1536 % above the median of 2 runs",
    }  # fmt: skip
    assert (drill["met"], [one["id"] for one in drill["runs"]]) == (False, ["dr-2", "dr-1", "dr-0"])
    assert by_name["restore"]["met"] is True
    assert by_name["region-lost"]["recovery_time"]["result"] == "never run"


def test_a_rehearsal_is_a_run_of_its_scenario_and_held_to_its_own_objectives(run):
    document = json.loads(run("--objectives", "--rehearsals", "rehearsals.json", "--json"))
    (lost,) = [row for row in document["scenarios"] if row["scenario"] == "region-lost"]

    assert (lost["recovery_time"]["objective_seconds"], lost["recovery_time"]["result"]) == (60, "MISSED")
    assert (lost["data_loss"]["measured_seconds"], lost["runs"][0]["id"]) == (3, "rehearsal")


def test_the_report_has_a_plot_without_scripts_for_each_measured_value(run, tmp_path):
    printed = " ".join(run("--objectives").split())
    page = (tmp_path / "build/reports/objectives-test.html").read_text()

    assert "3 scenarios; not met: drill-pitr; never run: region-lost." in printed
    assert "report: build/reports/objectives-test.html" in printed
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "RTO 2 h" in page
    assert "drill-pitr: recovery time by run" in page
    assert "region-lost has never run: its objectives are not proved." in page


@pytest.mark.parametrize("form", ["md", "json"])
def test_every_format_can_be_written_to_a_named_file(run, tmp_path, form):
    run("--objectives", "--format", form, "--output", f"out.{form}")

    assert "drill-pitr" in (tmp_path / f"out.{form}").read_text()


def test_an_environment_without_a_recovery_says_so(run, records, tmp_path):
    records.clear()

    assert "never run: region-lost" in run("--objectives")
    assert "<svg" not in (tmp_path / "build/reports/objectives-test.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--objectives", "dr-1"], "--objectives: 'dr-1' is refused"),
        (["--objectives", "--format", "pdf"], "--format: 'pdf' is refused"),
        (["--objectives", "--rehearsals", "none.json"], "--rehearsals: 'none.json' is refused: name a file"),
        (["--objectives", "--rehearsals", "environments.toml"], "--rehearsals: 'environments.toml' is refused: give a"),
        (["--objectives", "--since", "9d"], "--since: '9d' is refused"),
        (["dr-1", "--rehearsals", "rehearsals.json"], "--rehearsals: 'rehearsals.json' is refused: give it with"),
    ],
)
def test_wrong_input_is_refused(run, tmp_path, arguments, words):
    assert words in " ".join(run(*arguments, code=2).split())
    assert not (tmp_path / "build").exists()
