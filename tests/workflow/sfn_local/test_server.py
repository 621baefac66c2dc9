"""LocalStack runs apart: on loopback, with nothing of this process's environment, and never longer than its parent."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.sfn_local import server


def test_it_listens_on_loopback_and_keeps_its_files_in_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "secret")
    variables = server.environment_variables(4510, tmp_path, Path("build/mocks.json"))
    assert variables["GATEWAY_LISTEN"] == "127.0.0.1:4510"
    assert variables["FILESYSTEM_ROOT"] == variables["HOME"] == str(tmp_path)
    assert Path(variables["SFN_MOCK_CONFIG"]).is_absolute()
    assert "AWS_ACCESS_KEY_ID" not in variables


def test_without_its_environment_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(server, "PYTHON", server.ROOT / ".venv-missing" / "bin" / "python")
    with pytest.raises(server.NotStarted, match="make localstack"), server.localstack(tmp_path / "mocks.json"):
        pass


def test_a_localstack_that_ends_at_once_is_reported(monkeypatch, tmp_path):
    launcher = tmp_path / "launcher.py"
    launcher.write_text("raise SystemExit(3)")
    monkeypatch.setattr(server, "PYTHON", server.ROOT / ".venv" / "bin" / "python")
    monkeypatch.setattr(server, "LAUNCHER", launcher)
    monkeypatch.setattr(server, "LOG", server.ROOT / "build" / "test-localstack.log")
    with pytest.raises(server.NotStarted, match="ended with 3"), server.localstack(tmp_path / "mocks.json"):
        pass


def test_the_process_is_stopped_where_the_cases_fail():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE)
    server._stop(process)
    assert process.returncode is not None
