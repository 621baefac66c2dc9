"""How long a person stays signed in to the console, and how a session ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from orchestrator.console.sign_in import sessions
from orchestrator.console.sign_in.oauth_service import OAuthService
from tests.console_sign_in import ADA, CLIENT_ID
from tests.unit.console.test_actions import token_in
from tests.unit.console.test_sign_in import ACCESS_TOKEN_SECONDS, ADA_NAME, act, console, service, words_of
from tests.unit.service.conftest import aws, keys, platform_url

__all__ = ["aws", "console", "keys", "platform_url", "service"]


def test_a_session_is_known_by_a_digest_alone(console):
    console.sign_in()
    secret = console.browser.cookies[console.guard.cookie]
    known = vars(console.entrance.sessions)["_sessions"]
    assert len(secret) >= 43
    assert secret not in repr(known)
    assert "refresh_token=" not in repr(known)


def test_the_tokens_are_renewed_when_they_expire_and_the_session_goes_on(console):
    console.sign_in()
    sent = len(console.web.requests)
    assert console.browser.get("/").status_code == 200
    assert len(console.web.requests) == sent
    for _ in range(3):
        console.service.now += ACCESS_TOKEN_SECONDS
        assert console.browser.get("/").status_code == 200
    assert [request.path for request in console.web.requests[sent:]] == ["/token"] * 3


def test_a_grant_that_was_revoked_at_the_service_ends_the_session(console):
    console.sign_in()
    (session,) = vars(console.entrance.sessions)["_sessions"].values()
    console.service.call(
        "token", "POST", "/revoke", form={"token": session.grant.refresh_token, "client_id": CLIENT_ID}
    )
    assert console.browser.get("/").status_code == 200
    console.service.now += ACCESS_TOKEN_SECONDS
    assert console.browser.get("/").status_code == 403
    assert not vars(console.entrance.sessions)["_sessions"]


def test_a_service_that_is_down_signs_no_operator_out_and_is_not_called_again_at_once(console):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.down = True
    sent = len(console.web.requests)
    for _ in range(5):
        assert act(console, "/actions/unfreeze/local", reason="x").status_code in {303, 409}
    assert len(console.web.requests) == sent + 1
    console.service.now += sessions.RETRY_SECONDS
    console.web.down = False
    assert console.browser.get("/").status_code == 200
    assert len(console.web.requests) == sent + 2


def test_a_session_ends_after_its_hours_whether_or_not_the_service_answers(console):
    console.sign_in()
    console.web.down = True
    console.service.now += console.settings.session_hours * 3600 - 1
    assert console.browser.get("/").status_code == 200
    console.service.now += 1
    assert console.browser.get("/").status_code == 403


def test_a_renewal_with_less_scope_ends_the_session(console, monkeypatch):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS

    def with_less_scope(_service, grant):
        return replace(grant, signed_in=replace(grant.signed_in, scopes=("openid", "console:viewer")))

    monkeypatch.setattr(OAuthService, "refresh", with_less_scope)
    assert console.browser.get("/").status_code == 403


@pytest.mark.parametrize(
    "changed",
    [{"operators": ("demo:other",)}, {"operators": ("demo:other",), "viewers": (ADA,)}],
    ids=["removed", "viewer"],
)
def test_a_person_who_loses_the_role_is_signed_out_with_the_next_request(console, changed):
    console.sign_in()
    form = console.browser.get("/actions/promote/d-1")
    sent = len(console.web.requests)
    console.settings = replace(console.settings, **changed)
    answer = console.browser.post("/actions/promote/d-1", data={"token": token_in(form.text)}, headers=console.origin)
    assert answer.status_code == 403
    assert console.scene.cloud.ledger.pending_command("d-1") is None
    assert len(console.web.requests) == sent


def test_signing_out_ends_the_session_here_and_at_the_service(console):
    console.sign_in()
    page = console.browser.get("/sign-out")
    assert f"You are signed in as {ADA_NAME}, operator." in words_of(page)
    secret = console.browser.cookies[console.guard.cookie]
    for token in ("", "0" * 64):
        assert console.browser.post("/sign-out", data={"token": token}, headers=console.origin).status_code == 403
        assert console.browser.get("/").status_code == 200
    answer = console.browser.post("/sign-out", data={"token": token_in(page.text)}, headers=console.origin)
    assert (answer.status_code, "has revoked its tokens" in words_of(answer)) == (200, True)
    assert "Ada Lovelace" not in answer.text
    assert console.guard.cookie not in console.browser.cookies
    console.browser.cookies.set(console.guard.cookie, secret)
    assert console.browser.get("/").status_code == 403
    assert console.web.requests[-1].path == "/revoke"


def test_signing_out_works_while_the_service_is_down(console):
    console.sign_in()
    token = token_in(console.browser.get("/sign-out").text)
    console.web.down = True
    answer = console.browser.post("/sign-out", data={"token": token}, headers=console.origin)
    assert "did not answer" in words_of(answer)
    assert console.browser.get("/").status_code == 403


def test_another_page_cannot_sign_a_person_out(console):
    console.sign_in()
    token = token_in(console.browser.get("/sign-out").text)
    answer = console.browser.post("/sign-out", data={"token": token}, headers={"Origin": "https://attacker.example"})
    assert answer.status_code == 403
    assert console.browser.get("/").status_code == 200


def test_a_stream_ends_with_the_session(console):
    console.sign_in()
    (session,) = vars(console.entrance.sessions)["_sessions"].values()

    async def read() -> list[str]:
        events = []
        app = console.site.app()
        sent: asyncio.Queue = asyncio.Queue()
        scope = {
            "type": "http", "method": "GET", "path": "/events", "query_string": b"", "http_version": "1.1",
            "headers": [(b"host", b"127.0.0.1:8484"),
                        (b"cookie", f"{console.guard.cookie}={console.browser.cookies[console.guard.cookie]}".encode())],
        }  # fmt: skip

        async def receive():
            await asyncio.sleep(60)

        task = asyncio.create_task(app(scope, receive, sent.put))
        started = await sent.get()
        assert started["status"] == 200
        events.append((await sent.get())["body"].decode())
        console.entrance.sessions.close(session.identity)
        console.scene.cloud.freezes.unfreeze("ann", "they left", console.scene.cloud.now())
        await asyncio.wait_for(task, 20)
        while not sent.empty():
            events.append(sent.get_nowait().get("body", b"").decode())
        return events

    events = asyncio.run(read())
    assert events[0].startswith("event: change")
    assert not any("event: change" in event for event in events[1:])


def test_no_more_sessions_are_kept_than_fit(console, monkeypatch):
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    browsers = [console.new_browser() for _ in range(3)]
    for browser in browsers:
        console.sign_in(browser=browser)
    assert [browser.get("/").status_code for browser in browsers] == [403, 200, 200]
