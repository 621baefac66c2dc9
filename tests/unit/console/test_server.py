"""`orchestrator console`: where it listens, what it prints, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import context as cli_context
from orchestrator.cli.main import app
from orchestrator.console import server as console_server
from orchestrator.console.guard import KEY_VARIABLE
from orchestrator.console.server import bound
from orchestrator.domain.errors import Refused
from tests.served_console import KEY, WITH_KEY, scene_in_flight, served

ROOT = Path(__file__).resolve().parents[3]
RUN = CliRunner()
PROGRAM = """
import sys
from orchestrator.console.server import serve
from tests.served_console import scene_in_flight
serve(scene_in_flight()[0].context, 0, json=sys.argv[1] == "json")
"""


@pytest.fixture
def context(monkeypatch):
    context = scene_in_flight()[0].context
    monkeypatch.setattr(cli_context, "context_of", lambda _name: context)
    return context


def test_it_listens_on_loopback_alone():
    with bound(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
        assert listening.family is socket.AF_INET


def test_a_port_that_is_taken_is_refused():
    with bound(0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(Refused, match=f"--port: {port} is refused: name a free port"):
            bound(port)


@pytest.mark.parametrize("words", [["--port", "-1"], ["--port", "65536"], ["--port", "x"]])
def test_a_port_that_is_none_is_refused(words):
    assert RUN.invoke(app, ["console", *words]).exit_code == 2


def test_a_port_that_is_taken_is_named_by_the_command(context):
    with bound(0) as listening:
        answer = RUN.invoke(app, ["console", "--port", str(listening.getsockname()[1]), "--json"])
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"]["field"] == "--port"


def test_a_key_of_the_variable_is_checked_before_anything_listens(context, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "short")
    monkeypatch.setattr(console_server, "bound", lambda _port: pytest.fail("it listens"))
    answer = RUN.invoke(app, ["console", "--json"])
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["error"]["field"] == KEY_VARIABLE


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_printed_address_lets_in_and_ctrl_c_ends_it_without_an_error(form):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, form],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "", "PYTHONPATH": str(ROOT), KEY_VARIABLE: KEY, "PYTHONUNBUFFERED": "1"},
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        if form == "json":
            text = "".join(iter(process.stdout.readline, "}\n")) + "}"
            printed = json.loads(text)
            assert printed["environment"] == "local"
            url = printed["url"]
            assert printed["first_url"] == f"{url}?key={KEY}"
        else:
            url = process.stdout.readline().split(": ")[1].strip().partition("?")[0]
        # A browser still shows a live page when the operator stops the console.
        stream = urllib.request.urlopen(urllib.request.Request(f"{url}deployments/d-1/events", headers=WITH_KEY))
        assert stream.readline() == b"event: change\n"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    finally:
        timer.cancel()
        process.kill()
    assert process.returncode in {0, 130, -signal.SIGINT}
    assert rest == ""
    assert errors == ""


def test_other_names_of_this_machine_do_not_reach_it():
    with served(scene_in_flight()[0].context) as console:
        port = console.guard.port
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/", headers={**WITH_KEY, "Host": f"rebound.example:{port}"}
        )
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request, timeout=10)
