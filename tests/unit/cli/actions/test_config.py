"""`orchestrator config`, over an archive in memory and an environment that a test changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.cli.main import app
from orchestrator.domain.configuration.normalization import Identities, Part
from orchestrator.domain.configuration.snapshot import snapshot_of
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.s3 import FakeS3

RUN = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"})


class Environment:
    """What the command line reaches."""

    def __init__(self) -> None:
        self.name, self.cloud = "test", self
        self.artifacts = ArtifactStore({"s3": FakeS3(), "dynamodb": FakeDynamoDB()}.__getitem__, "ledger", "bucket")
        self.parts = [Part("function", "f", {"Timeout": 3}), Part("role", "r", {"policies": {"access": "x"}})]
        self.hours = 0

    def configuration(self, why: str):
        self.hours += 1
        at = datetime(2026, 11, 24, self.hours, tzinfo=UTC)
        return snapshot_of("test", Identities("1", "us-west-1"), at, why, self.parts)


@pytest.fixture
def there(monkeypatch):
    found = Environment()
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: found)
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "ann")
    return found


def run(*words: str) -> SimpleNamespace:
    answer = RUN.invoke(app, ["config", *words])
    return SimpleNamespace(code=answer.exit_code, text=answer.output)


def printed(*words: str):
    return json.loads(run(*words, "--json").text)


def test_what_has_not_changed_is_the_same_and_the_exit_code_says_so(there):
    run("backup")

    same = run("diff")

    assert same.code == 0
    assert "equal: 2 resources" in same.text


@pytest.mark.strategy("Manual Intervention: Configuration updates")
def test_a_change_is_reported_by_part_place_and_values_and_by_the_exit_code(there):
    run("backup")
    there.parts = [Part("function", "f", {"Timeout": 30}), Part("alarm", "new", {})]

    different = run("diff", "--live")

    assert different.code == 1
    for line in (
        "function f",
        "  Timeout",
        "    - 3",
        "    + 30",
        "role r",
        "  removed",
        "alarm new",
        "  added",
    ):
        assert line in different.text.splitlines()
    assert "3 differences in 3 resources" in different.text


def test_two_bundles_are_compared_without_looking_at_what_is_there(there):
    first = printed("backup")
    there.parts = there.parts[:1]
    second = printed("backup")
    there.parts = []

    found = printed("diff", first["id"], "--against", second["id"])

    assert [(one["kind"], one["name"]) for one in found["differences"]] == [("role", "r")]
    assert found["after"]["id"] == second["id"]


def test_a_long_value_is_cut_for_people_and_whole_for_programs(there):
    run("backup")
    there.parts = [Part("function", "f", {"Timeout": "x" * 500}), there.parts[1]]

    assert "(502 characters)" in run("diff").text
    assert printed("diff")["differences"][0]["after"] == json.dumps("x" * 500)


def test_a_list_says_where_the_configuration_changed(there):
    assert "no snapshot yet" in run("list").text
    run("backup")
    run("backup")
    there.parts = there.parts[:1]
    run("backup")

    newest, second, first = printed("list")["snapshots"]

    assert newest["digest"] != second["digest"] == first["digest"]
    lines = run("list").text.splitlines()
    assert "(changed)" in lines[1]
    assert "unchanged" in lines[2]
    assert "requested by ann" in lines[3]


def test_a_bundle_is_shown_by_kind_or_by_part(there):
    run("backup")

    assert "function" in run("show").text
    assert '"Timeout": 3' in run("show", "--part", "function/f").text
    assert [one["name"] for one in printed("show", "--part", "role")["parts"]] == ["r"]


@pytest.mark.parametrize(
    ("words", "field", "remedy"),
    [
        (("diff", "c-none"), "bundle", "name one that `orchestrator config list` lists"),
        (("diff", "--against", "c-none"), "bundle", "name one that"),
        (("diff", "--against", "c-x", "--live"), "--against", "give --against or --live, not both"),
        (("show", "--part", "moon"), "--part", "name one of function, role, or kind/name"),
        (("show", "--part", "role/none"), "--part", "name one of"),
    ],
)
def test_a_refusal_names_what_is_wrong_and_what_would_be_right(there, words, field, remedy):
    run("backup")

    answer = run(*words, "--json")

    assert answer.code == 2
    error = json.loads(answer.text)["error"]
    assert error["field"] == field
    assert error["remedy"].startswith(remedy)
