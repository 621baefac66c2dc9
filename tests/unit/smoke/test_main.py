"""The command: it says what it costs, asks, and touches nothing before the operator agreed."""

import argparse
import io
import json
import subprocess
import sys

import pytest

from orchestrator import environments
from orchestrator.smoke import __main__ as smoke
from orchestrator.smoke.results import select_steps
from orchestrator.smoke.settings import account_settings, local_settings
from orchestrator.smoke.steps import STEPS

ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    """No test may reach an account."""

    def reached(*_):
        raise AssertionError("the account was reached")

    monkeypatch.setattr(smoke, "_account_clients", reached)


def test_cost_and_time_of_every_step_are_printed_first(capsys):
    assert smoke.main(["--dry-run"]) == 0
    shown = capsys.readouterr().out
    for step in STEPS:
        assert f"{step.number}. {step.title}: {step.minutes} min, {step.usd:.2f} USD" in shown
        assert step.proves in shown
    assert "together about 245 minutes and 4.05 USD, in stacks named ib-oauth-*-smoke, which are removed" in shown


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ([], "--account: '' is refused: name the account's 12 digits"),
        (["--account", ACCOUNT], "--yes-spend: False is refused: nothing was changed"),
        (["--account", ACCOUNT, "--yes-spend", "--region", "us-gov-west-1"], "--region: 'us-gov-west-1' is refused"),
        (["--account", ACCOUNT, "--yes-spend", "--second-region", "moon"], "--second-region: 'moon' is refused"),
        (["--steps", "x"], "--steps: 'x' is refused: give numbers, such as 1,3,7"),
        (["--steps", "12"], "--steps: [12] is refused"),
        (["--steps", "", "--yes-spend"], "--steps: '' is refused: give numbers, such as 1,3,7"),
        (["--steps", ",", "--yes-spend"], "--steps: ',' is refused: give numbers, such as 1,3,7"),
        (["--region", "", "--dry-run"], "--region: '' is refused"),
        (["--second-region", "", "--dry-run"], "--second-region: '' is refused"),
    ],
)
def test_what_is_missing_or_wrong_is_refused_before_anything_happens(capsys, arguments, refusal):
    assert smoke.main(arguments) == 2
    assert refusal in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "agrees"), [("yes", True), (" yes ", True), ("y", False), ("", False), ("no", False)]
)
def test_only_a_whole_yes_at_a_terminal_agrees(monkeypatch, answer, agrees):
    options, questions = argparse.Namespace(yes_spend=False, account=ACCOUNT), []
    monkeypatch.setattr("sys.stdin", argparse.Namespace(isatty=lambda: True))

    def ask(question):
        questions.append(question)
        return answer

    assert smoke.agreed(options, select_steps(STEPS, [4]), ask) is agrees
    assert questions == [f"Spend about 0.05 USD in account {ACCOUNT}? Type yes: "]
    monkeypatch.setattr("sys.stdin", argparse.Namespace(isatty=lambda: False))
    assert smoke.agreed(options, STEPS, ask) is False


def test_the_credentials_of_another_account_are_refused(monkeypatch, capsys):
    sts = argparse.Namespace(get_caller_identity=lambda: {"Account": "999999999999"})
    monkeypatch.setattr(smoke, "_account_clients", lambda: lambda _region: lambda _service: sts)
    assert smoke.main(["--account", ACCOUNT, "--yes-spend"]) == 2
    assert f"--account: '{ACCOUNT}' is refused: the credentials are of account 999999999999" in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["", "owner/name"])
def test_the_environment_of_an_account_protects_its_data_and_has_a_client_for_the_load(tmp_path, repository):
    file = tmp_path / "environments.toml"
    file.write_text(account_settings("us-west-1", ACCOUNT, "a" * 64, repository))
    smoke_environment = environments.load("smoke", file)
    assert (smoke_environment.deletion_protection, smoke_environment.customer_managed_keys) == (True, True)
    assert (smoke_environment.account, smoke_environment.network is not None) == (ACCOUNT, True)
    assert {client.client_id for client in smoke_environment.service.clients} == {"synthetic", "smoke-server"}
    assert (smoke_environment.pipeline is not None) is bool(repository)
    assert environments.names(file)[-1] == "smoke"


def test_the_local_environment_protects_its_data_too(tmp_path):
    file = tmp_path / "environments.toml"
    file.write_text(local_settings())
    assert environments.load("local", file).deletion_protection
    assert not environments.load("dev", file).deletion_protection


def test_the_make_target_runs_this_command():
    makefile = (environments.settings_file().parent / "Makefile").read_text()
    assert "smoke-aws: install\n\t$(BIN)/python -m orchestrator.smoke" in makefile


def test_the_report_is_json_and_a_page(tmp_path):
    from orchestrator.smoke.report import write_report
    from orchestrator.smoke.results import Fact, Verdict
    from tests.unit.smoke.test_runner import run, step

    report, _ = run(step(1, Fact("12", Verdict.FAIL, "<b>no</b>", {"seconds": 1.5})), left=("table t",))
    as_json, page = write_report(report, tmp_path)
    document = json.loads(as_json.read_bytes())
    assert document["steps"][0]["facts"] == [
        {"row": "12", "verdict": "FAIL", "answer": "<b>no</b>", "data": {"seconds": 1.5}}
    ]
    assert (document["succeeded"], document["left"]) == (False, ["table t"])
    text = page.read_text()
    assert "&lt;b&gt;no&lt;/b&gt;" in text
    assert "<b>" not in text
    assert "Not removed:</strong> table t" in text


def test_a_reader_that_is_gone_ends_neither_the_steps_nor_the_clean_up(monkeypatch):
    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Closed())
    for _ in range(2):
        smoke._say("a line")
    assert isinstance(sys.stdout, smoke._Unread)


def test_what_the_terminal_cannot_show_is_a_question_mark():
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator.smoke", "--steps", "ü"],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}, cwd=environments.settings_file().parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (
        2,
        "--steps: '?' is refused: give numbers, such as 1,3,7",
    )
