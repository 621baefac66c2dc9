"""The upstream platform of the local cloud: by a program, by a browser's forms, and gone with its parent."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest

from orchestrator.local import identity_provider

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def url():
    with identity_provider.serve() as url:
        yield url


def _ask(address, form=None):
    body = urlencode(form).encode() if form is not None else None
    try:
        with urllib.request.urlopen(address, body, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _login(url):
    status, body = _ask(f"{url}/v1/auth/app/token", {})
    assert status == 200
    return json.loads(body)


def test_a_program_logs_in_by_the_protocol(url):
    login = _login(url)
    assert 1 <= login["logintimeoutperiod"] <= 120
    info = f"{url}/v1/auth/app/info?token={login['content']}"
    assert _ask(info)[0] == 404
    assert _ask(f"{url}/auth/login", {"token": login["content"], "account": "grace"})[0] == 200
    answer = json.loads(_ask(info)[1])
    assert (answer["info"]["firstname"], answer["session"]["sid"]) == ("Grace", login["sid"])
    assert answer["session"]["userUuid"] == identity_provider.ACCOUNTS["grace"].user_uuid


def test_a_person_finds_every_account_on_the_page_and_its_form_logs_them_in(url):
    token = _login(url)["content"]
    status, page = _ask(f"{url}/auth/?login=0&token={token}&display=iframe")
    assert status == 200
    assert set(re.findall(r'name="account" value="([^"]+)"', page)) == set(identity_provider.ACCOUNTS)
    action = re.search(r'action="([^"]+)"', page)[1]
    hidden = re.search(r'name="token" value="([^"]+)"', page)[1]
    assert _ask(f"{url}{action}", {"token": hidden, "account": "alan"})[0] == 200


def test_the_page_shows_for_whom_a_login_is_if_the_application_says_so(url):
    context = {"client_name": "An <app>", "client_host": "app.example", "user_code": "BCDF-GHJK"}
    _, opened = _ask(f"{url}/v1/auth/app/token", context)
    _, page = _ask(f"{url}/auth/?login=0&token={json.loads(opened)['content']}")
    for shown in ("An &lt;app&gt;", "app.example", "BCDF-GHJK", "If you did not begin there"):
        assert shown in page
    _, silent = _ask(f"{url}/auth/?login=0&token={_login(url)['content']}")
    assert "You are logging in" not in silent


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/auth/?login=0&token=unknown", None, 404),
        ("/v1/auth/app/info", None, 404),
        ("/v1/auth/app/info?token=unknown", None, 404),
        ("/nothing", None, 404),
        ("/nothing", {}, 404),
        ("/auth/login", {"token": "unknown", "account": "ada"}, 400),
        ("/auth/login", {"account": "ada"}, 400),
        ("/v1/auth/app/token", {"x": "y" * 5000}, 413),
    ],
)
def test_what_is_unknown_or_too_large_is_refused(url, path, form, status):
    assert _ask(f"{url}{path}", form)[0] == status


def test_no_user_logs_in_with_an_account_that_does_not_exist(url):
    token = _login(url)["content"]
    assert _ask(f"{url}/auth/login", {"token": token, "account": "mallory"})[0] == 400
    assert _ask(f"{url}/v1/auth/app/info?token={token}")[0] == 404


def test_a_login_ends_after_its_time(url, monkeypatch):
    token = _login(url)["content"]
    monkeypatch.setattr(identity_provider, "LOGIN_SECONDS", 0)
    assert _ask(f"{url}/auth/?token={token}")[0] == 404


def test_old_logins_make_room(monkeypatch):
    monkeypatch.setattr(identity_provider, "MAX_LOGINS", 2)
    monkeypatch.setattr(identity_provider, "LOGIN_SECONDS", 0)
    logins = identity_provider.Logins()
    for _ in range(10):
        logins.open()
    assert len(logins._by_token) <= 2


def _serve(starter=()):
    return subprocess.Popen(
        [*starter, sys.executable, "-m", "orchestrator.local.identity_provider"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_the_command_prints_its_address_and_ends_when_it_is_terminated():
    process = _serve()
    url = json.loads(process.stdout.readline())["url"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert _login(url)["sid"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()


def test_the_command_ends_when_its_parent_is_gone():
    parent = "import subprocess, sys; subprocess.Popen([sys.executable, '-m', 'orchestrator.local.identity_provider']); sys.stdin.read()"
    starter = subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    url = json.loads(starter.stdout.readline())["url"]
    starter.stdin.close()
    starter.wait(10)
    deadline = time.monotonic() + 10
    while True:
        try:
            _login(url)
        except OSError:
            break
        assert time.monotonic() < deadline, f"still serving after its parent {starter.pid} of {os.getpid()} has ended"
        time.sleep(0.05)
    starter.stdout.close()
