"""How long a person stays signed in to the console, and how a session ends."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from orchestrator.console.sign_in import sessions
from orchestrator.console.sign_in.oauth_service import OAuthService
from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.environments.service import REFRESH_GRACE_SECONDS
from tests.console_sign_in import ADA, CLIENT_ID, changed_body
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


def answered(status: int, body: object, path: str = "/token"):
    """What answers in place of the service, as its gateway, its firewall or a broken release does."""
    text = body if isinstance(body, str) else json.dumps(body, allow_nan=False)

    def instead(request):
        return HttpResponse(status, {}, text, 1.0) if request.path == path else None

    return instead


def altered(status: int, body: object):
    """What alters an answer of the service that has exchanged the token."""
    answer = answered(status, body)
    return lambda request, response: answer(request) or response


HTML = "<html><title>Error</title></html>"
NOT_EXCHANGED = {
    "the gateway": (403, {"message": "Forbidden"}), "the firewall": (403, HTML), "a code with 403": (403, {"error": "invalid_grant"}),
    "a code with 401": (401, {"error": "invalid_grant"}), "another code": (400, {"error": "invalid_request"}),
    "an unknown client": (401, {"error": "invalid_client"}), "no client": (400, {"error": "unauthorized_client"}),
    "a code that is no text": (400, {"error": ["invalid_grant"]}), "400 as HTML": (400, HTML), "a list": (400, ["invalid_grant"]),
    "a text": (400, '"invalid_grant"'), "no route": (404, {"message": "Not Found"}), "too many": (429, ""), "moved": (302, ""),
}  # fmt: skip
IN_DOUBT = {
    "no tokens": (200, {}), "a page": (200, HTML), "nothing": (200, ""), "no content": (204, ""),
    "opaque tokens": (200, {"access_token": "x", "id_token": "y", "refresh_token": "z"}),
    "a failure": (500, HTML), "a time-out": (504, {"message": "Endpoint request timed out"}),
}  # fmt: skip


def requests_of_tokens(console) -> int:
    return sum(request.path == "/token" for request in console.web.requests)


@pytest.mark.parametrize("answer", [*NOT_EXCHANGED.values(), *IN_DOUBT.values()], ids=[*NOT_EXCHANGED, *IN_DOUBT])
def test_a_release_that_breaks_the_tokens_signs_no_operator_out(console, answer):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.change = altered(*answer)
    assert console.browser.get("/").status_code == 200
    assert act(console, "/actions/unfreeze/local", reason="x").status_code in {303, 409}


@pytest.mark.parametrize("answer", NOT_EXCHANGED.values(), ids=NOT_EXCHANGED)
def test_a_renewal_that_exchanged_no_token_is_tried_again_later(console, answer):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.instead = answered(*answer)
    sent = requests_of_tokens(console)
    for _ in range(3):
        assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 1
    console.web.instead = lambda _request: None
    console.service.now += sessions.RETRY_SECONDS
    assert console.browser.get("/").status_code == 200
    console.service.now += ACCESS_TOKEN_SECONDS - 1
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 2


@pytest.mark.parametrize("change", [altered(*answer) for answer in IN_DOUBT.values()], ids=IN_DOUBT)
def test_a_renewal_that_may_have_exchanged_the_token_is_repeated_once_at_once_and_never_later(console, change):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.change = change
    sent = requests_of_tokens(console)
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 2
    for seconds in (sessions.RETRY_SECONDS, ACCESS_TOKEN_SECONDS, 6 * 3600):
        console.service.now += seconds
        assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 2
    console.service.now += 2 * 3600
    assert console.browser.get("/").status_code == 403


def test_a_renewal_whose_response_is_lost_ends_neither_the_session_nor_the_grant(console):
    console.sign_in()
    (session,) = vars(console.entrance.sessions)["_sessions"].values()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.lost = ("/token",)
    assert console.browser.get("/").status_code == 200
    console.web.lost = ()
    for _ in range(2):
        console.service.now += sessions.RETRY_SECONDS
        assert console.browser.get("/").status_code == 200
    # Of a family that was revoked no token is accepted.
    assert console.entrance.sessions.close(session.identity)


def test_a_renewal_whose_first_response_is_lost_is_renewed_by_the_repetition(console):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    answers = iter([answered(502, "")])

    def change(request, response):
        lost = next(answers, None) if request.path == "/token" else None
        return lost(request) if lost else response

    console.web.change = change
    sent = requests_of_tokens(console)
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 2
    console.service.now += ACCESS_TOKEN_SECONDS
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 3


@pytest.mark.parametrize("grace", [0, sessions.DELIVERY_SECONDS])
def test_without_enough_grace_a_renewal_is_not_repeated(console, grace):
    console.sign_in()
    vars(console.entrance.sessions)["_grace_seconds"] = grace
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.lost = ("/token",)
    sent = requests_of_tokens(console)
    assert console.browser.get("/").status_code == 200
    console.web.lost = ()
    console.service.now += ACCESS_TOKEN_SECONDS
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 1


@pytest.mark.parametrize(("seconds", "status"), [(0, 403), (REFRESH_GRACE_SECONDS, 200)])
def test_a_refused_repetition_ends_the_session_only_within_the_grace_period(console, seconds, status):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    sent = requests_of_tokens(console)

    def instead(request):
        if request.path != "/token":
            return None
        if requests_of_tokens(console) == sent + 1:
            return HttpResponse(500, {}, "", 1.0)
        console.service.now += seconds
        return HttpResponse(400, {}, '{"error": "invalid_grant"}', 1.0)

    console.web.instead = instead
    assert console.browser.get("/").status_code == status
    assert requests_of_tokens(console) == sent + 2


def test_a_repetition_that_is_not_sent_leaves_the_token_in_doubt(console):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    sent = requests_of_tokens(console)

    def change(_request, response):
        console.web.down = True
        return replace(response, status=500)

    console.web.change = change
    assert console.browser.get("/").status_code == 200
    console.web.down, console.web.change = False, lambda _request, response: response
    console.service.now += sessions.RETRY_SECONDS
    assert console.browser.get("/").status_code == 200
    assert requests_of_tokens(console) == sent + 2


def test_an_answer_without_a_next_refresh_token_leaves_the_present_one(console):
    console.sign_in()
    (session,) = vars(console.entrance.sessions)["_sessions"].values()
    token = session.grant.refresh_token
    console.service.now += ACCESS_TOKEN_SECONDS
    console.web.change = changed_body("/token", refresh_token=None)
    assert console.browser.get("/").status_code == 200
    assert session.grant.refresh_token == token


def test_a_grant_without_a_refresh_token_lasts_as_long_as_its_tokens(console):
    console.web.change = changed_body("/token", refresh_token=None)
    console.sign_in()
    assert console.browser.get("/").status_code == 200
    console.service.now += ACCESS_TOKEN_SECONDS
    assert console.browser.get("/").status_code == 403


def test_no_renewal_reuses_a_connection_that_the_service_has_closed_meanwhile(console):
    console.sign_in()
    console.service.now += ACCESS_TOKEN_SECONDS
    console.browser.get("/")
    renewals = [request for request in console.web.requests if request.path == "/token"]
    assert [request.headers["Connection"] for request in renewals] == ["close", "close"]


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
