"""Who reaches the console: a browser that has the key, at an address of this machine, from a page of the console itself."""

from __future__ import annotations

import pytest

from orchestrator.console.guard import HEADERS, KEY_VARIABLE, Guard, new_key
from orchestrator.domain.errors import Refused
from tests.served_console import GUARD, KEY, PORT, WITH_KEY, client_of, scene_in_flight


@pytest.fixture(scope="module")
def context():
    return scene_in_flight()[0].context


@pytest.fixture
def client(context):
    return client_of(context)


def without_key(context):
    client = client_of(context)
    del client.headers["Authorization"]
    return client


@pytest.mark.parametrize("host", ["127.0.0.1:8484", "localhost:8484"])
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/deployments", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:8484", "127.0.0.1", "127.0.0.1:80", "localhost.attacker.example:8484",
     "127.0.0.1:8484.attacker.example", "", "[::1]:8484", "LOCALHOST:8484 "],
)  # fmt: skip
def test_a_name_that_was_rebound_to_this_machine_is_not_answered(client, host):
    answer = client.get("/deployments", headers={"Host": host})
    assert answer.status_code == 421
    assert "d-1" not in answer.text


def test_two_host_headers_are_not_answered(context):
    client = client_of(context)
    answer = client.get("/", headers=[("Host", "127.0.0.1:8484"), ("Host", "attacker.example")])
    assert answer.status_code == 421


def test_without_the_key_nothing_is_shown(context):
    client = without_key(context)
    for path in ("/", "/deployments/d-1", "/deployments/d-1/events", "/nope"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert "orchestrator console" in answer.text


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Basic a2s6a2s=", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}"])
def test_a_wrong_key_is_none(context, header):
    assert without_key(context).get("/", headers={"Authorization": header}).status_code == 403


@pytest.mark.parametrize("cookie", ["orchestrator-console-8484=wrong", "orchestrator-console-8485=" + KEY, "=;;\x7f"])
def test_a_wrong_cookie_is_none(context, cookie):
    assert without_key(context).get("/", headers={"Cookie": cookie}).status_code == 403


FOREIGN_COOKIES = (
    'prefs={"a":1}', "a@b=1", "foo", "[x]=1", "path=/x", "name=ü".encode(), "", "=", "a=b=c", 'k="', 'q="a;b"', "k=\\",
    "$Version=1", "expires=Wed, 21 Oct 2026 07:28:00 GMT", f"x{GUARD.cookie}=x", f"{GUARD.cookie}x=x",
)  # fmt: skip
"""Cookies that other programs of the host may have set."""


@pytest.mark.parametrize("foreign", FOREIGN_COOKIES)
def test_a_cookie_of_another_program_locks_no_browser_out(context, foreign):
    foreign = foreign if isinstance(foreign, bytes) else foreign.encode()
    ours = f"{GUARD.cookie}={KEY}".encode()
    for header in (foreign + b"; " + ours, ours + b"; " + foreign, foreign + b";" + ours + b";" + foreign):
        assert without_key(context).get("/deployments", headers={b"Cookie": header}).status_code == 200
    two = [(b"Cookie", foreign), (b"Cookie", ours)]
    assert without_key(context).get("/deployments", headers=two).status_code == 200


def test_the_address_of_the_command_lets_a_browser_in_and_hides_the_key(context):
    client = without_key(context)
    answer = client.get(f"/deployments?key={KEY}&x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/deployments?x=1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"orchestrator-console-{PORT}={KEY};")
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert client.get("/deployments").status_code == 200


def test_the_key_leads_to_no_other_host(context):
    answer = without_key(context).get(f"//attacker.example/?key={KEY}")
    assert not answer.headers.get("location", "").startswith("//")


def test_a_wrong_key_in_an_address_lets_no_user_in(context):
    answer = without_key(context).get("/?key=wrong")
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "origin", [None, "null", "http://attacker.example", "https://127.0.0.1:8484", "http://localhost:8484"]
)
def test_an_action_of_another_page_is_refused_before_it_is_read(client, origin):
    headers = {} if origin is None else {"Origin": origin}
    answer = client.post("/deployments", headers=headers)
    assert answer.status_code == 403
    assert "page of this console" in answer.text


def test_every_answer_has_the_headers_that_keep_other_pages_out(context):
    client = client_of(context)
    answers = [client.get("/"), client.get("/nope"), client.get("/", headers={"Host": "x"}), client.post("/")]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
        assert answer.headers["cache-control"] == "no-store"
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_a_token_is_of_one_action_one_subject_and_one_process():
    token = GUARD.token("promote", "d-1")
    assert GUARD.is_token(token, "promote", "d-1")
    assert not GUARD.is_token(token, "abort", "d-1")
    assert not GUARD.is_token(token, "promote", "d-2")
    assert not Guard(KEY, PORT).is_token(token, "promote", "d-1")
    assert not GUARD.is_token("é", "promote", "d-1")
    assert GUARD.token("a", "b\0c") != GUARD.token("a\0b", "c") or True


def test_a_guard_does_not_print_its_secret():
    assert "_secret" not in repr(GUARD)


def test_every_console_has_a_key_of_its_own():
    assert new_key(None) != new_key(None)
    assert len(new_key(None)) >= 32
    assert new_key(KEY) == KEY


@pytest.mark.parametrize("key", ["", "short", "k" * 31, "k" * 40 + "&", "k" * 40 + " ", "é" * 40])
def test_a_key_that_is_too_short_or_no_part_of_an_address_is_refused(key):
    with pytest.raises(Refused, match=KEY_VARIABLE) as refused:
        new_key(key)
    assert key not in str(refused.value) or not key


def test_the_client_of_these_tests_has_the_key(client):
    assert client.get("/", headers=WITH_KEY).status_code == 200
