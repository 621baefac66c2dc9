"""The commands `report` and `replay`: what they write, what they print, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli import context as cli_context
from orchestrator.cli.actions.reports.dora import commit_times
from orchestrator.cli.main import app
from orchestrator.domain.deployment.record import DecisionEntry, EventRecord
from orchestrator.domain.environment_lock import Kind
from tests.recorded import Recorder, bad_release
from tests.samples import plan, recovery, seconds

RUN = CliRunner()
THRESHOLDS = "delivery.thresholds"


@pytest.fixture(scope="module")
def recorder():
    recorder = bad_release()
    recorder.deploy("d-1")
    return recorder


@pytest.fixture
def run(recorder, monkeypatch, tmp_path):
    monkeypatch.setattr(cli_context, "context_of", lambda _name: recorder.scene.context)
    (tmp_path / "environments.toml").write_bytes(environments.settings_file().read_bytes())
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        answer = RUN.invoke(app, [*arguments], catch_exceptions=False)
        assert answer.exit_code == code, answer.output
        return answer.output

    return run


# --- report ----------------------------------------------------------------------------------------------


def test_a_report_is_written_below_the_folder_and_its_path_is_printed(run, tmp_path):
    assert "report: build/reports/d-1.html" in run("report", "d-1")
    assert "was rolled back" in (tmp_path / "build/reports/d-1.html").read_text()


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_every_format_can_be_written_to_a_named_file(run, tmp_path, form):
    file = tmp_path / "new" / f"out.{form}"
    document = json.loads(run("report", "d-1", "--format", form, "--output", str(file), "--json"))
    assert document == {"report": str(file), "format": form, "id": "d-1", "outcome": "ROLLED_BACK"}
    assert "640,000 to 1" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["d-unknown"], "there is no such deployment"),
        (["dr-unknown"], "there is no such recovery"),
        (["d-1", "--format", "pdf"], "--format: 'pdf' is refused: give one of html, md, json"),
        (["d-1", "--output", "."], "name a file that can be written"),
    ],
)
def test_wrong_input_is_refused(run, tmp_path, arguments, words):
    assert words in run("report", *arguments, code=2)
    assert not (tmp_path / "build").exists()


def test_refusals_have_reports_too(run, recorder, tmp_path):
    cloud = recorder.scene.cloud
    at = recorder.scene.clock.now()
    for name, ledger in (("d-no", cloud.ledger), ("dr-no", cloud.drills)):
        ledger.record_refusal(EventRecord(name, at, "request", name, acted=False, why="<frozen>", deployment=name))
        run("report", name)
        text = (tmp_path / f"build/reports/{name}.html").read_text()
        assert f"{name} was refused" in text
        assert "&lt;frozen&gt;" in text


def test_a_drill_has_a_report(run, recorder):
    drill = recovery(environment="local").with_phase("PlanRecovery", recovery().requested_at + seconds(3))
    drills = recorder.scene.cloud.drills
    drills.create_record(drill)
    assert "dr-1 is running" in run("report", "dr-1")
    assert drill.kind is Kind.DRILL


# --- report --dora ----------------------------------------------------------------------------------------


def test_the_four_keys_are_those_of_the_ledger(run):
    document = json.loads(run("report", "--dora", "--json"))
    assert document["complete"] is True
    assert document["change_failure_rate"] == 1
    keys = document["dora"]
    assert (keys["deployments"], keys["failed"]) == (1, 1)
    assert keys["failed_deployment_recovery_time"]["measured"] == 1
    printed = " ".join(run("report", "--dora", "--since", "30d").split())
    assert "change failure rate 100.0% 1 of 1 rolled back" in printed
    assert "deployment frequency 0.033 a day 1 that clients met" in printed


def test_a_period_without_a_deployment_has_no_rates(run, recorder):
    recorder.scene.clock.advance(3600)
    printed = " ".join(run("report", "--dora", "--since", "1m").split())
    assert "change failure rate - 0 of 0 rolled back" in printed
    assert "change lead time - 0 measured" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dora", "d-1"], "--dora: 'd-1' is refused: give either --dora, which prints, or the id of one report"),
        (["--dora", "--output", "x.html"], "--dora: 'x.html' is refused"),
        (["--dora", "--since", "90"], "--since: '90' is refused: give an age in days, hours or minutes"),
        (["d-1", "--since", "9d"], "--since: '9d' is refused: give it with --dora"),
        ([], "give the id of a deployment, drill or restore, --dora or --objectives"),
    ],
)
def test_a_period_and_one_report_are_not_mixed_up(run, arguments, words):
    assert words in " ".join(run("report", *arguments, code=2).split())


def test_times_of_commits_are_read_from_git_and_unknown_ones_are_left_out(tmp_path):
    def git(*arguments, at=0):
        identity = {"GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
        command = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        done = subprocess.run(command, env={**os.environ, **identity}, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    made = {}
    for at in (1_700_000_000, 1_600_000_000):
        git("commit", "--allow-empty", "--quiet", "-m", "one\n\ncommitter x 1 +0000\n0123456 missing", at=at)
        made[git("rev-parse", "HEAD")] = datetime.fromtimestamp(at, UTC)
    tree = git("rev-parse", "HEAD^{tree}")
    assert commit_times({*made, "0" * 40, tree}, tmp_path) == made
    git("config", "log.showSignature", "true")
    assert commit_times({*made, "0" * 40, tree}, tmp_path) == made
    assert commit_times({"0" * 40}, tmp_path) == {}
    assert commit_times(made, tmp_path / "nowhere") == {}
    assert commit_times((), tmp_path) == {}


def test_times_of_commits_are_not_known_while_git_hangs(tmp_path, monkeypatch):
    def hangs(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", hangs)
    assert commit_times({"0" * 40}, tmp_path) == {}


# --- replay ----------------------------------------------------------------------------------------------


def test_a_replay_by_the_recorded_settings_is_the_same_and_says_what_it_recomputes(run):
    page = run("replay", "d-1")
    assert "every decision is the same" in page
    assert "recomputed: the sequential tests of the request metrics" in page
    assert "taken as given: health, security, flows, compatibility, alarms, custom_checks" in page


def test_other_settings_show_what_they_would_have_decided(run):
    document = json.loads(run("replay", "d-1", "--set", f"{THRESHOLDS}.tolerated_increase_percent=9", "--json"))
    assert document["settings"] == {f"{THRESHOLDS}.tolerated_increase_percent": 9}
    (found,) = document["replays"]
    assert (found["result"], found["minutes"]) == ("later", pytest.approx(1 / 6))
    assert [one["recorded"]["action"] for one in found["decisions"]][-1] == "ROLL_BACK"
    page = run("replay", "d-1", "--set", f"{THRESHOLDS}.tolerated_increase_percent=9")
    assert "at least 0.2 later" in page


def test_an_earlier_rollback_is_stated_in_minutes(run):
    settings = ("max_error_percent=1", "tolerated_increase_percent=0", "false_alarm_percent=99")
    page = run("replay", "d-1", *(part for one in settings for part in ("--set", f"{THRESHOLDS}.{one}")))
    assert "earlier" in page
    assert "0.2 earlier" in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give the id of a deployment, or --since, and not both"),
        (["d-1", "--since", "90d"], "give the id of a deployment, or --since, and not both"),
        (["--since", "soon"], "give an age in days, hours or minutes"),
        (["--since", "0d"], "give an age in days, hours or minutes"),
        (["d-unknown"], "there is no such deployment"),
        (["d-1", "--set", "x"], "give delivery.KEY=VALUE"),
        (["d-1", "--set", "service.x=1"], "give delivery.KEY=VALUE"),
        (["d-1", "--set", f"{THRESHOLDS}.max_error_percent=101"], "give a number from 0 to 100"),
        (["d-1", "--set", f"{THRESHOLDS}.max_error_percent=nan"], "give a number from 0 to 100"),
        (["d-1", "--set", f"{THRESHOLDS}.max_error_percent=many"], "give a number from 0 to 100"),
        (["d-1", "--set", f"{THRESHOLDS}.unknown=1"], f"{THRESHOLDS}.unknown: 1 is refused: remove it"),
        (["d-1", "--set", f"{THRESHOLDS}.minimum_requests.x=1"], "give a whole number"),
        (["d-1", "--set", f"{THRESHOLDS}.max_p99_ms=500"], "the record does not show the effect of others"),
        (["d-1", "--set", f"{THRESHOLDS}.false_alarm_shares.checks=0.01"], "the record does not show the effect"),
        (["d-1", "--set", f"{THRESHOLDS}.false_alarm_shares.latency=0.9"], "a sum of"),
    ],
)
def test_wrong_settings_are_refused_as_in_the_settings_file(run, arguments, words):
    assert words in run("replay", *arguments, code=2)


def test_all_of_a_time_are_replayed_and_an_older_record_is_named(run, recorder, monkeypatch):
    assert "every decision is the same" in run("replay", "--since", "90d")
    recorder.scene.clock.advance(3600)
    assert "no deployment of this time was evaluated" in run("replay", "--since", "30m")
    entries, stored = recorder.ledger.read_decisions, recorder.ledger.read_stored
    monkeypatch.setattr(
        recorder.ledger, "read_decisions", lambda name: [_without_basis(entry) for entry in entries(name)]
    )
    monkeypatch.setattr(recorder.ledger, "read_stored", lambda name: _without_bases(stored(name)))
    page = run("replay", "--since", "1d", code=2)
    assert "not recorded" in page
    assert "no time of the evaluation" in page
    assert "no time of the evaluation" in run("replay", "d-1", code=2)


def _without_bases(stored):
    from dataclasses import replace

    import msgspec

    entries = [msgspec.json.decode(one, type=DecisionEntry) for one in stored.decisions]
    return replace(stored, decisions=tuple(msgspec.json.encode(_without_basis(entry)).decode() for entry in entries))


def test_a_replay_of_a_time_leaves_out_what_is_older(run, recorder):
    recorder.scene.clock.advance(7200)
    assert "no deployment of this time was evaluated" in run("replay", "--since", "1h")
    assert "every decision is the same" in run("replay", "--since", "1d")


def test_other_processes_judge_many_deployments_with_the_same_result(run, monkeypatch):
    from orchestrator.cli.actions.reports import replay

    arguments = ("replay", "--since", "90d", "--set", f"{THRESHOLDS}.tolerated_increase_percent=9", "--json")
    alone = json.loads(run(*arguments))
    monkeypatch.setattr(replay, "MANY", 1)
    assert json.loads(run(*arguments)) == alone
    assert alone["replays"][0]["result"] == "later"


def test_a_judging_process_imports_neither_the_clients_of_aws_nor_the_command_line():
    program = (
        "import sys, orchestrator.cli.actions.reports.replay_judge\n"
        "print({'botocore', 'rich', 'typer'} & sys.modules.keys())"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


def test_of_many_deployments_those_that_take_another_course_are_listed(run, monkeypatch):
    from orchestrator.cli.actions.reports import replay

    monkeypatch.setattr(replay, "MOST_ROWS", 0)
    page = run("replay", "--since", "90d")
    assert "same" in page
    assert "d-1" not in page
    assert "later" in run("replay", "--since", "90d", "--set", f"{THRESHOLDS}.tolerated_increase_percent=9")


def test_a_replay_is_written_as_a_page_with_its_table_and_a_plot(run, tmp_path):
    file = tmp_path / "replay.html"
    page = run("replay", "--since", "90d", "--set", f"{THRESHOLDS}.tolerated_increase_percent=9", "--output", str(file))
    assert f"report: {file}" in page
    html = file.read_text(encoding="utf-8")
    assert "Replay of 1 deployments of" in html
    assert "Deployments by result of the replay" in html
    assert "<svg" in html
    assert "later" in html
    assert "<script" not in html


def _without_basis(entry):
    from dataclasses import replace

    return replace(entry, basis=None)


def test_rules_that_decide_differently_today_are_a_failure(run, recorder, monkeypatch):
    entries = recorder.ledger.read_decisions

    def other(name):
        from dataclasses import replace

        return [replace(one, decision=replace(one.decision, reason="another")) for one in entries(name)]

    monkeypatch.setattr(recorder.ledger, "read_decisions", other)
    page = run("replay", "d-1", code=1)
    assert "recorded BAKE, now BAKE" in page
    assert "every decision is the same" not in page


def test_the_settings_of_the_recorded_plan_count_and_not_those_of_today(run, monkeypatch):
    other = Recorder()
    other.deploy(plan=plan(max_bake_seconds=77))
    monkeypatch.setattr(cli_context, "context_of", lambda _name: other.scene.context)
    document = json.loads(run("replay", "d-1", "--json"))
    assert document["replays"][0]["result"] == "same"
    document = json.loads(run("replay", "d-1", "--set", "delivery.max_bake_seconds=90", "--json"))
    assert document["replays"][0]["result"] == "same"
