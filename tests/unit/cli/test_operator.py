"""Who did it, as records show: resolved in one place, also in a container whose user has no name."""

from __future__ import annotations

import ast
import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from typer.main import get_command
from typer.testing import CliRunner

from orchestrator.cli.main import app
from orchestrator.cli.operator import VARIABLES, credentials_of, operator_name
from orchestrator.domain.errors import Refused, Unreachable
from orchestrator.domain.texts import MAX_NAME

ROOT = Path(__file__).resolve().parents[3]
ARN = "arn:aws:sts::123456789012:assumed-role/deploy/ann"
RUN = CliRunner(env=dict.fromkeys(VARIABLES, ""))


class Sts:
    def __init__(self, answer):
        self.answer = answer

    def get_caller_identity(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Arn": self.answer, "Account": "123456789012"}


def context(answer, *, local=False):
    return SimpleNamespace(environment=SimpleNamespace(local=local), clients={"sts": Sts(answer)}.__getitem__)


@pytest.fixture(autouse=True)
def without_a_name(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345)

    def nameless(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nameless)


UNREACHABLE = [NoCredentialsError(), ClientError({"Error": {"Code": "ExpiredToken"}}, "GetCallerIdentity")]


def test_the_option_decides(monkeypatch):
    monkeypatch.setenv("LOGNAME", "bob")
    assert operator_name("ann", context(ARN)) == "ann"


@pytest.mark.parametrize("variable", VARIABLES)
def test_then_the_environment(monkeypatch, variable):
    monkeypatch.setenv("LOGNAME", " ")
    monkeypatch.setenv(variable, "bob")
    assert operator_name(None, context(ARN)) == "bob"


def test_a_pipeline_s_own_variable_is_stronger_than_that_of_its_machine(monkeypatch):
    monkeypatch.setenv("LOGNAME", "runner")
    monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", "pipeline 42")
    assert operator_name(None, context(ARN)) == "pipeline 42"


def test_then_who_the_credentials_belong_to():
    assert operator_name(None, context(ARN)) == ARN
    assert len(operator_name(None, context(ARN + "x" * 3000))) == MAX_NAME


def test_the_credentials_of_the_local_cloud_name_no_person():
    assert operator_name(None, context(ARN, local=True)) == "uid 12345"


@pytest.mark.parametrize("error", UNREACHABLE, ids=lambda error: type(error).__name__)
def test_at_last_the_user_s_name_or_number(monkeypatch, error):
    assert operator_name(None, context(error)) == "uid 12345"
    monkeypatch.setattr(pwd, "getpwuid", lambda _uid: SimpleNamespace(pw_name="carol"))
    assert operator_name(None, context(error)) == "carol"


@pytest.mark.parametrize("options", [[], ["--requested-by", "bob"]])
def test_a_deployment_in_an_account_is_requested_with_the_caller_s_identity_as_well(monkeypatch, options):
    monkeypatch.setenv("USER", "ann")
    requests = []
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context(ARN))
    monkeypatch.setattr(
        "orchestrator.cli.actions.deploy.deploy", lambda _context, request, *_, **__: requests.append(request) or 0
    )
    answer = RUN.invoke(app, ["deploy", "--env", "prod", *options], env={"USER": "ann"})
    assert answer.exit_code == 0, answer.output
    ((name, arn),) = [(request["requested_by"], request["requested_as"]) for request in requests]
    assert (name, arn) == ("bob" if options else "ann", ARN)


@pytest.mark.parametrize("error", UNREACHABLE, ids=lambda error: type(error).__name__)
def test_a_deployment_whose_caller_is_not_known_is_not_requested(error):
    with pytest.raises((Unreachable, ClientError)):
        credentials_of(context(error))


def test_on_the_local_cloud_a_request_has_no_identity():
    assert credentials_of(context(ARN, local=True)) == {}


def test_no_other_module_asks_who_the_user_is():
    asking = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "orchestrator").rglob("*.py")
        if {
            alias.name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        & {"getpass", "pwd"}
    ]
    assert asking == ["orchestrator/cli/operator.py"]


def commands_with_a_requester() -> list[tuple[str, ...]]:
    found = []

    def visit(command, words):
        if any(parameter.name == "requested_by" for parameter in command.params):
            found.append(words)
        for name, child in getattr(command, "commands", {}).items():
            visit(child, (*words, name))

    visit(get_command(app), ())
    return found


ACTIONS = {
    # command: its own arguments, the action that gets the name, and where
    ("deploy",): ([], "deploy.deploy", lambda call: call[0][1]["requested_by"]),
    ("watch",): (["d-1"], "deploy.watch", lambda call: call[0][2]),
    ("rollback",): ([], "deploy.roll_back", lambda call: call[0][3]),
    ("repair",): ([], "repair.repair", lambda call: call[1]["by"]),
    ("promote",): (["d-1"], "deploy.send_command", lambda call: call[0][3]),
    ("resume",): (["d-1"], "deploy.send_command", lambda call: call[0][3]),
    ("abort",): (["d-1"], "deploy.send_command", lambda call: call[0][3]),
    ("drill",): ([], "drill.drill", lambda call: call[0][1]["requested_by"]),
    ("restore",): (["--yes"], "restore.restore", lambda call: call[0][1]["requested_by"]),
    ("restore", "discard"): (["re-1", "--yes"], "restores.restored_tables.discard", lambda call: call[0][2]),
    ("rebuild",): (["--yes"], "rebuild.run.rebuild", lambda call: call[0][4]),
    ("failback",): (["dr-1", "--yes"], "restore.restore", lambda call: call[0][1]["requested_by"]),
    ("freeze",): (["--reason", "x"], "freeze.freeze", lambda call: call[0][2]),
    ("unfreeze",): (["--reason", "x"], "freeze.unfreeze", lambda call: call[0][2]),
    ("release", "promote"): (["folder"], "release.promote", lambda call: call[1]["by"]),
    ("keys", "rotate"): ([], "keys.rotate", lambda call: call[0][1]),
    ("keys", "revoke"): (["k", "--yes"], "keys.revoke", lambda call: call[0][2]),
    ("notify", "test"): ([], "notifications.destinations.send_test", lambda call: call[0][2]),
    ("status-page", "override"): (
        ["login", "operational", "--reason", "x", "--until", "1h"],
        "status_page.commands.override",
        lambda call: call[1]["by"],
    ),
    ("status-page", "subscribers", "remove"): (
        ["s-1", "--reason", "x"],
        "status_page.subscribers.remove",
        lambda call: call[0][3],
    ),
    ("status-page", "subscribers", "erase"): (
        ["a@example.org", "--reason", "x"],
        "status_page.subscribers.erase",
        lambda call: call[0][3],
    ),
    ("status-page", "clear"): (["login"], "status_page.commands.clear", lambda call: call[0][2]),
    ("incident", "open"): (["Logins fail"], "incidents.commands.open_incident", lambda call: call[1]["by"]),
    ("maintenance", "plan"): (
        ["t", "--text", "x", "--component", "token", "--starts", "2026-12-24T20:00Z", "--ends", "2026-12-24T22:00Z"],
        "maintenance.windows.plan",
        lambda call: call[0][1].by,
    ),
    ("maintenance", "start"): (["mnt-1", "--reason", "x"], "maintenance.windows.start", lambda call: call[0][3]),
    ("maintenance", "end"): (["mnt-1"], "maintenance.windows.end", lambda call: call[0][3]),
    ("maintenance", "cancel"): (["mnt-1", "--reason", "x"], "maintenance.windows.cancel", lambda call: call[0][3]),
    ("incident", "ack"): (["inc-1"], "incidents.commands.acknowledge", lambda call: call[0][3]),
    ("incident", "update"): (["inc-1", "text"], "incidents.commands.update", lambda call: call[0][4]),
    ("incident", "role"): (["inc-1", "commander", "x"], "incidents.commands.assign_role", lambda call: call[0][4]),
    ("incident", "resolve"): (["inc-1", "--reason", "x"], "incidents.commands.resolve", lambda call: call[0][3]),
    ("incident", "action", "add"): (
        ["inc-1", "text", "--owner", "x", "--due", "2026-12-01"],
        "incidents.commands.add_action",
        lambda call: call[0][5],
    ),
    ("incident", "action", "done"): (["inc-1", "1"], "incidents.commands.complete_action", lambda call: call[0][3]),
    ("clients", "add"): (
        ["app-x", "--name", "X", "--redirect-uri", "https://x.example/", "--scope", "profile", "--reason", "x"],
        "clients.changes.add",
        lambda call: call[0][3],
    ),
    ("clients", "rotate-secret"): (
        ["app-x", "--reason", "x"],
        "clients.changes.rotate_secret",
        lambda call: call[0][4],
    ),
    ("clients", "disable"): (["app-x", "--reason", "x"], "clients.changes.disable", lambda call: call[0][3]),
    ("clients", "enable"): (["app-x", "--reason", "x"], "clients.changes.enable", lambda call: call[0][3]),
    ("clients", "remove"): (["app-x", "--reason", "x"], "clients.changes.remove", lambda call: call[0][3]),
    ("clients", "contacts"): (["app-x", "--reason", "x"], "clients.changes.set_contacts", lambda call: call[0][4]),
    ("clients", "notify"): (
        ["app-x", "--subject", "s", "--text", "t", "--dry-run"],
        "clients.notices.notify",
        lambda call: call[0][3],
    ),
    ("grants", "revoke-all"): (["--reason", "x", "--yes"], "grants.revoke_all.revoke_all", lambda call: call[0][2]),
    ("clients", "reapply"): (["--reason", "x"], "clients.changes.reapply", lambda call: call[0][2]),
    ("config", "backup"): ([], "config.take_snapshot", lambda call: call[0][1]),
}


def test_every_command_that_records_a_name_takes_one():
    assert set(commands_with_a_requester()) == set(ACTIONS)


@pytest.mark.parametrize("words", commands_with_a_requester(), ids=" ".join)
@pytest.mark.parametrize(("options", "name"), [([], "uid 12345"), (["--requested-by", "ann"], "ann")])
def test_a_command_works_for_a_user_without_a_name(monkeypatch, words, options, name):
    arguments, action, found = ACTIONS[words]
    calls = []
    monkeypatch.setattr("orchestrator.cli.context.context_of", lambda _name: context(ARN, local=True))
    monkeypatch.setattr("orchestrator.cli.actions.keys.consequences", lambda *_: [])
    monkeypatch.setattr(f"orchestrator.cli.actions.{action}", lambda *args, **more: calls.append((args, more)) or 0)
    answer = RUN.invoke(app, [*words, *arguments, *options])
    assert answer.exit_code == 0, answer.output
    assert [found(call) for call in calls] == [name]


def test_a_refusal_of_the_input_comes_before_the_cloud_is_needed():
    answer = RUN.invoke(app, ["deploy", "--steps", "10:x", "--json"])
    assert json.loads(answer.stdout)["error"]["field"] == "--steps[0]"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("x" * (MAX_NAME + 1), "give at most 256 characters"), ("ann \udcff", "UTF-8")],
)
@pytest.mark.parametrize("source", ["option", "variable"])
def test_a_name_that_no_record_could_keep_is_refused(monkeypatch, source, name, remedy):
    if source == "variable":
        monkeypatch.setenv("ORCHESTRATOR_REQUESTED_BY", name)
    with pytest.raises(Refused, match=rf"--requested-by: .*is refused: .*{remedy}"):
        operator_name(name if source == "option" else None, context(ARN))
