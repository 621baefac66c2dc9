"""A new project is made from the template and five answers, is valid, and replaces no file."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from orchestrator import environments
from orchestrator.cli.actions.project import init
from orchestrator.cli.errors import REFUSED
from orchestrator.cli.main import app
from orchestrator.environments import project

RUN = CliRunner()
EVERYTHING = {
    "region": "us-east-2",
    "account": "123456789012",
    "email": "on-call@example.org",
    "domain": "login.example.org",
    "hosted_zone_id": "Z0ANSWERED",
    "repository": "owner/name",
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.delenv(project.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options(answers):
    return [text for name, value in answers.items() for text in (f"--{name.replace('_', '-')}", value)]


def test_with_yes_there_is_no_question_and_every_environment_is_valid(tmp_path):
    answer = RUN.invoke(app, ["init", "--yes"])
    assert answer.exit_code == 0, answer.output
    assert [path.name for path in tmp_path.iterdir()] == [project.NAME]
    loaded = {name: environments.load(name) for name in environments.names()}
    assert list(loaded) == ["dev", "staging", "prod", "local"]
    assert not any(one.api.domain or one.account or one.pipeline for one in loaded.values())
    assert {one.region for one in loaded.values()} == {"us-west-1"}


def test_the_comments_of_the_template_are_kept(tmp_path):
    RUN.invoke(app, ["init", "--yes"])
    comments = [line for line in project.TEMPLATE.read_text().splitlines() if line.lstrip().startswith("#")]
    assert len(comments) > 40
    assert set(comments) <= set((tmp_path / project.NAME).read_text().splitlines())


def test_every_answer_is_in_the_settings(tmp_path):
    answer = RUN.invoke(app, ["init", "--yes", *options(EVERYTHING)])
    assert answer.exit_code == 0, answer.output
    prod, staging = environments.load("prod"), environments.load("staging")
    assert (prod.region, prod.account) == ("us-east-2", "123456789012")
    assert prod.backups.copy_region not in {None, prod.region}
    assert prod.contacts == {**dict.fromkeys(init.AUDIENCES, ("on-call@example.org",)), "clients": ()}
    assert (prod.api.domain.name, staging.api.domain.name) == ("login.example.org", "staging.login.example.org")
    assert {one.api.domain.hosted_zone for one in (prod, staging)} == {"example.org"}
    assert {one.api.domain.hosted_zone_id for one in (prod, staging)} == {"Z0ANSWERED"}
    assert [one.pipeline.github_environment for one in (prod, staging)] == ["production", "staging"]
    template = init.WORKFLOW_TEMPLATE.read_text(encoding="utf-8")
    assert (tmp_path / init.WORKFLOW).read_text(encoding="utf-8") == template.replace("us-west-1", "us-east-2")


def test_an_apex_is_its_own_zone():
    RUN.invoke(app, ["init", "--yes", "--domain", "example.org", "--hosted-zone-id", "Z0ANSWERED"])
    assert environments.load("prod").api.domain.hosted_zone == "example.org"


def test_it_asks_five_questions_and_the_zone_only_with_a_domain():
    questions = []
    assert len(init.QUESTIONS) == 5
    init.answered({}, lambda question: questions.append(question.name) or question.default)
    assert questions == [question.name for question in init.QUESTIONS]
    questions.clear()
    options = {"region": "eu-west-1", "domain": "login.example.org", "repository": ""}
    answers = init.answered(options, lambda question: questions.append(question.name) or " typed ")
    assert questions == ["account", "email", "hosted_zone_id"]
    assert (answers["region"], answers["email"]) == ("eu-west-1", "typed")


def test_the_answers_are_read_from_the_terminal(tmp_path):
    answer = RUN.invoke(app, ["init"], input="eu-central-1\n\non-call@example.org\n\n\n")
    assert answer.exit_code == 0, answer.output
    assert environments.load("dev").region == "eu-central-1"
    assert environments.load("dev").contacts["security"] == ("on-call@example.org",)
    assert not (tmp_path / init.WORKFLOW).exists()


def test_without_a_terminal_it_refuses_and_names_yes(tmp_path):
    answer = RUN.invoke(app, ["init"], input="")
    assert answer.exit_code == REFUSED
    assert "--yes" in answer.output
    assert not list(tmp_path.iterdir())


def test_the_workflow_deploys_to_the_region_of_the_settings(tmp_path):
    answer = RUN.invoke(app, ["init", "--yes", *options({"region": "eu-west-1", "repository": "owner/name"})])
    assert answer.exit_code == 0, answer.output
    workflow = (tmp_path / init.WORKFLOW).read_text(encoding="utf-8")
    assert "vars.REGION || 'eu-west-1'" in workflow
    assert "us-west-1" not in workflow


def test_when_the_workflow_cannot_be_written_there_are_no_settings_either(tmp_path):
    (tmp_path / ".github").write_text("a file")
    answer = RUN.invoke(app, ["init", "--yes", "--workflow"])
    assert answer.exit_code == REFUSED
    assert [path.name for path in tmp_path.iterdir()] == [".github"]


@pytest.mark.parametrize("existing", [project.NAME, str(init.WORKFLOW)])
def test_a_file_that_exists_is_named_and_nothing_is_written(tmp_path, existing):
    file = tmp_path / existing
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    answer = RUN.invoke(app, ["init", "--yes", "--workflow"])
    assert answer.exit_code == REFUSED
    assert str(file) in answer.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("region", "cn-north-1", "region"),
        ("account", "12", "prod.account"),
        ("email", "on-call", "contacts.operators"),
        ("domain", "Example", "domain.name"),
        ("hosted_zone_id", "", "--hosted-zone-id"),
        ("repository", "name", "pipeline.repository"),
    ],
)
def test_an_answer_that_no_reader_would_accept_is_refused_by_its_place_and_nothing_is_written(
    tmp_path, name, value, field
):
    answers = {key: text for key, text in {**EVERYTHING, name: value}.items() if text}
    answer = RUN.invoke(app, ["init", "--json", *options(answers)])
    assert answer.exit_code == REFUSED
    assert field in json.loads(answer.stdout)["error"]["field"]
    assert not list(tmp_path.iterdir())


def test_a_named_settings_file_is_the_one_that_is_written(tmp_path):
    named = tmp_path / "settings" / "mine.toml"
    answer = RUN.invoke(app, ["--settings", str(named), "init", "--json"])
    assert json.loads(answer.stdout) == {"files": [str(named)]}
    assert environments.names(named)
