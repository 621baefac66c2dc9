"""What the command line says to input that makes no sense, and to a cloud that is not there."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.errors import FAILED, REFUSED, UNREACHABLE
from orchestrator.cli.main import app
from orchestrator.environments import EnvironmentRefused
from orchestrator.environments.project import NAME, TEMPLATE

RUN = CliRunner()


@pytest.fixture(autouse=True)
def in_a_new_project(tmp_path, monkeypatch):
    shutil.copy(TEMPLATE, tmp_path / NAME)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "field", "value", "remedy"),
    [
        (["deploy", "--steps", "10:x"], "--steps[0]", "10:x", "give percent:seconds, such as 10:60,50:120"),
        (["deploy", "--steps", "10:9", "--strategy", "a"], "--steps", "10:9", "give --strategy or --steps, not both"),
        (["deploy", "--checklist", "tests"], "--checklist", "tests", "give item=reference, such as"),
        (["status", "--env", "prd"], "env", "prd", "name one of dev, staging, prod, local"),
        (["strategies", "--env", "prd"], "env", "prd", "name one of dev, staging, prod, local"),
    ],
)
def test_a_refusal_names_field_value_and_remedy(arguments, field, value, remedy):
    answer = RUN.invoke(app, [*arguments, "--json"])
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert (error["field"], error["value"]) == (field, value)
    assert error["remedy"].startswith(remedy)


@pytest.mark.parametrize("command", ["status", "cost", "strategies", "check-quotas"])
def test_a_setting_that_makes_no_sense_is_refused_by_its_place_whatever_the_command(monkeypatch, command):
    def load(name):
        raise EnvironmentRefused(f"{name}.service.alarms.datapoints", "two", "give a whole number from 1 to 10")

    monkeypatch.setattr(environments, "load", load)
    answer = RUN.invoke(app, [command, "--env", "dev", "--json"])
    assert answer.exit_code == REFUSED
    error = json.loads(answer.stdout)["error"]
    assert (error["field"], error["value"]) == ("dev.service.alarms.datapoints", "two")


def test_without_a_local_cloud_it_says_how_to_start_one():
    answer = RUN.invoke(app, ["status"])
    assert answer.exit_code == UNREACHABLE
    assert "orchestrator up" in answer.output


def test_only_a_local_environment_can_be_started():
    answer = RUN.invoke(app, ["up", "--env", "prod"])
    assert answer.exit_code == REFUSED
    assert 'cloud = "local"' in answer.output


def test_a_restore_takes_no_less_than_no_time():
    answer = RUN.invoke(app, ["up", "--restore-seconds", "-1"])
    assert answer.exit_code == REFUSED
    assert "--restore-seconds" in answer.output


def test_strategies_say_looks_and_transitions_as_one_json_object():
    answer = RUN.invoke(app, ["strategies", "--json"])
    assert answer.exit_code == 0
    listed = json.loads(answer.stdout)
    assert listed["canary-10-50"]["transitions"] == 19 + 4 * listed["canary-10-50"]["evaluations"]


def test_strategies_state_who_may_roll_back_how_many_healthy_releases():
    answer = RUN.invoke(app, ["strategies", "--env", "prod"])
    assert answer.exit_code == 0
    said = " ".join(answer.output.split())
    assert "releases that chance may roll back: at most 1 % (request metrics 0.75 %, latency 0.05 %" in said


def test_the_four_exit_codes_are_different():
    assert len({0, FAILED, REFUSED, UNREACHABLE}) == 4
