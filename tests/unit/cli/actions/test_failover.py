"""``orchestrator failover rehearse`` refuses what it cannot rehearse, and shows a plan."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.actions import failover
from orchestrator.cli.errors import REFUSED, UNREACHABLE
from orchestrator.cli.main import app
from orchestrator.domain.failover.manual_plan import CrossRegionBackup
from orchestrator.domain.recovery.record import Role

RUN = CliRunner()


class Known:
    """What another region has: a backup of each table, two hours old."""

    def __init__(self, clients, environment, *, standby, in_use) -> None:
        assert (environment, standby) == ("local", "")
        assert in_use == {Role.STATE: "ib-oauth-state-local", Role.TOKENS: "ib-oauth-tokens-local"}
        self.region = clients("dynamodb").meta.region_name

    def list_backups(self):
        age = datetime.now(UTC) - timedelta(hours=2)
        return tuple(
            CrossRegionBackup(role, f"arn:aws:dynamodb:{self.region}:1:table/t/backup/{role}", age) for role in Role
        )

    def list_with_others(self):
        return self.list_backups(), ()


@pytest.fixture
def running(monkeypatch):
    """As if a local cloud ran."""
    address = {"endpoint_url": "http://127.0.0.1:1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    monkeypatch.setattr("orchestrator.cli.context._address", lambda _: address)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["--env", "nowhere"], "env"),
        (["--env", "prod"], "env"),
        (["--to", "us-west-1"], "--to"),
        (["--manual", "--back"], "--back"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_by_name(arguments, field):
    answer = RUN.invoke(app, ["failover", "rehearse", *arguments, "--json"])
    assert answer.exit_code == REFUSED
    assert json.loads(answer.stdout)["error"]["field"] == field


def test_a_plan_of_the_local_environment_needs_its_cloud():
    answer = RUN.invoke(app, ["failover", "plan"])
    assert answer.exit_code == UNREACHABLE


def test_a_plan_is_shown_with_what_it_needs_and_what_it_cannot_bring_back(running, monkeypatch):
    monkeypatch.setattr(failover, "CrossRegionBackups", Known)
    answer = RUN.invoke(app, ["failover", "plan", "--to", "eu-west-1"])
    assert answer.exit_code == 0, answer.output
    assert "2. restore the tables in eu-west-1" in answer.output
    assert "prerequisites: " in answer.output
    assert "Not recovered by any step:" in answer.output
    assert "data loss (writes since the oldest backup copy): 720" in answer.output


def test_with_a_standby_region_the_plan_says_first_that_it_is_the_manual_way(running, monkeypatch):
    environment = replace(environments.load("local"), failover=SimpleNamespace(region="us-east-2"))
    monkeypatch.setattr(
        failover, "CrossRegionBackups", lambda *args, standby, in_use: Known(*args, standby="", in_use=in_use)
    )
    monkeypatch.setattr(failover, "_environment", lambda _env: environment)
    answer = RUN.invoke(app, ["failover", "plan"])
    assert answer.exit_code == 0, answer.output
    first = answer.output.strip().splitlines()[0]
    assert first.startswith("us-east-2 is the standby region of local: fail over with `orchestrator failover start")


def test_a_plan_is_one_json_object(running, monkeypatch):
    monkeypatch.setattr(failover, "CrossRegionBackups", Known)
    answer = RUN.invoke(app, ["failover", "plan", "--json"])
    made = json.loads(answer.stdout)
    assert (made["home"], made["region"]) == ("us-west-1", "us-east-2")
    assert [step["kind"] for step in made["steps"]][:3] == ["CONFIRM", "RESTORE", "INVALIDATE_TOKENS"]
