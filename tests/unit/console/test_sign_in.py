"""Sign-in to the console with the service's own functions: who gets in, who may act, and under which name."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.console.actions import ACTIONS
from orchestrator.console.guard import HEADERS
from orchestrator.console.server import issuer_of
from orchestrator.console.sign_in.entrance import SECONDS_TO_SIGN_IN
from orchestrator.domain.errors import Refused
from tests.console_sign_in import ADA, CLIENT_ID, GRACE, SignInScene, changed_body, with_console
from tests.served_console import KEY, ConsoleScene, Tables, busy_scene
from tests.unit.console.test_actions import path_to, token_in
from tests.unit.service.conftest import Service, aws, keys, new_variables, platform_url

__all__ = ["aws", "keys", "platform_url"]

ISSUER = "https://auth.example"
ACCESS_TOKEN_SECONDS = 600
ADA_NAME = f"Ada Lovelace ({ADA})"


@pytest.fixture(scope="module")
def service(aws, keys, platform_url):
    return Service(aws, with_console(new_variables(aws, keys, platform_url)))


@pytest.fixture
def console(service):
    service.now = 1_800_000_000.0
    return SignInScene(busy_scene(), service)


def words_of(response) -> str:
    return unescape(" ".join(word for words in Tables(response.text).words.values() for word in words))


def test_without_a_session_nothing_is_shown_and_the_way_in_is(console):
    for path in ("/", "/deployments/d-1", "/deployments/d-1/events", "/events", "/metrics", "/nope", "/sign-out"):
        answer = console.browser.get(path)
        assert answer.status_code == 403
        assert "inc-1" not in answer.text
        assert "Sign in to read only" in answer.text
    assert "/sign-in?to=%2Fdeployments%2Fd-1" in unescape(console.browser.get("/deployments/d-1").text)


def test_the_key_of_a_console_without_sign_in_lets_no_browser_in(console):
    assert console.browser.get(f"/?key={KEY}").status_code == 403
    console.browser.cookies.set(console.guard.cookie, KEY)
    assert console.browser.get("/").status_code == 403


def test_a_scraper_reads_the_metrics_with_the_key_and_nothing_else(console):
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert console.browser.get("/metrics", headers=bearer).status_code == 200
    assert console.browser.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert console.browser.get("/deployments", headers=bearer).status_code == 403
    acted = console.browser.post("/metrics", headers={**bearer, **console.origin})
    assert acted.status_code == 403


def test_a_browser_is_sent_to_the_service_with_a_code_challenge_and_a_nonce(console):
    answer = console.browser.get("/sign-in?to=/deployments/d-1")
    address = urlsplit(answer.headers["location"])
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ISSUER}/authorize"
    assert (query["response_type"], query["client_id"]) == ("code", CLIENT_ID)
    assert query["redirect_uri"] == f"{console.guard.address}signed-in"
    assert query["scope"] == "openid profile console:viewer console:operator"
    assert query["code_challenge_method"] == "S256"
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    again = parse_qs(urlsplit(console.new_browser().get("/sign-in").headers["location"]).query)
    assert again["state"] != [query["state"]]
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "path=/", f"max-age={SECONDS_TO_SIGN_IN}"))
    assert query["state"] not in cookie


def test_an_operator_signs_in_and_sees_the_page_that_was_wanted(console):
    answer = console.sign_in(start="/sign-in?to=/deployments/d-1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/deployments/d-1")
    cookies = answer.headers.get_list("set-cookie")
    session = next(cookie for cookie in cookies if cookie.startswith(f"{console.guard.cookie}=")).lower()
    assert all(word in session for word in ("httponly", "samesite=lax", "path=/"))
    assert "max-age" not in session
    page = console.browser.get("/deployments/d-1")
    assert page.status_code == 200
    assert f"{ADA_NAME}, operator" in unescape(page.text)


def act(console, path, **values):
    form = console.browser.get(path)
    assert form.status_code == 200, words_of(form)
    return console.browser.post(path, data={"token": token_in(form.text), **values}, headers=console.origin)


def test_an_action_is_recorded_with_the_name_of_the_token_and_never_with_one_of_the_form(console):
    console.sign_in()
    form = console.browser.get("/actions/promote/d-1")
    assert "requested by" not in {name for name in ("requested by",) if f'name="{name}"' in form.text}
    assert f"recorded as requested by {ADA_NAME}" in unescape(form.text)
    answer = act(console, "/actions/promote/d-1", **{"requested by": "eve"})
    assert answer.status_code == 303
    assert console.scene.cloud.ledger.pending_command("d-1").by == ADA_NAME


def test_every_record_of_an_action_has_the_person(console):
    console.sign_in()
    cloud = console.scene.cloud
    act(console, "/actions/unfreeze/local", reason="they left")
    act(console, "/actions/freeze/local", reason="they are back")
    assert cloud.freezes.read_freeze().by == ADA_NAME
    act(console, "/actions/acknowledge/inc-1", note="on it")
    assert cloud.incidents.read_incident("inc-1").acknowledged_by == ADA_NAME


@pytest.mark.parametrize("name", ACTIONS)
def test_a_viewer_sees_every_page_and_may_not_act(console, name):
    console.sign_in("grace")
    assert console.browser.get("/deployments/d-1").status_code == 200
    token = console.guard.token(name, "d-1", next(iter(vars(console.entrance.sessions)["_sessions"])))
    data = {"token": token, "reason": "x"}
    for answer in (
        console.browser.get(path_to(name)),
        console.browser.post(path_to(name), data=data, headers=console.origin),
    ):
        assert answer.status_code == 403
        assert "You are signed in as a viewer, and only an operator may act. Nothing was changed." in words_of(answer)
        assert "local.console.operators" in words_of(answer)
    assert console.scene.cloud.ledger.pending_command("d-1") is None


def test_an_operator_who_signs_in_to_read_only_is_led_to_the_other_role(console):
    console.sign_in(start="/sign-in?role=viewer")
    answer = console.browser.get("/actions/promote/d-1")
    assert answer.status_code == 403
    assert "sign in again to act" in words_of(answer)
    assert "Sign in as operator" in answer.text


def test_a_viewer_who_requests_the_scope_of_operators_stays_a_viewer(console):
    console.sign_in("grace")
    assert ", viewer" in console.browser.get("/").text


def test_an_approval_needs_the_credentials_of_the_person(console):
    console.sign_in()
    for answer in (
        console.browser.get("/actions/approve/d-1"),
        console.browser.post("/actions/approve/d-1", data={"token": "x"}, headers=console.origin),
    ):
        assert answer.status_code == 403
        assert "orchestrator approve ID --env local" in words_of(answer)


def test_a_form_of_another_session_does_nothing(console):
    other = console.new_browser()
    console.sign_in()
    console.sign_in(browser=other)
    token = token_in(other.get("/actions/promote/d-1").text)
    answer = console.browser.post("/actions/promote/d-1", data={"token": token}, headers=console.origin)
    assert answer.status_code == 403
    assert console.scene.cloud.ledger.pending_command("d-1") is None


def test_a_person_who_is_not_listed_is_refused_by_name_and_the_grant_is_revoked(console):
    console.settings = replace(console.settings, operators=("demo:other",))
    console.__post_init__()
    answer = console.sign_in()
    assert answer.status_code == 403
    assert f"The subject {ADA} is not permitted" in words_of(answer)
    assert "local.console.viewers" in words_of(answer)
    assert console.web.requests[-1].path == "/revoke"
    assert console.browser.get("/").status_code == 403


@pytest.mark.parametrize("paths", [("/revoke",), ("/revoke", "/userinfo")])
def test_a_person_who_is_not_listed_sees_the_subject_also_while_the_service_revokes_nothing(console, paths):
    console.settings = replace(console.settings, operators=("demo:other",))
    console.web.change = failing(*paths)
    answer = console.sign_in()
    assert answer.status_code == 403
    assert f"The subject {ADA} is not permitted" in words_of(answer)


def failing(*paths, status=503, body=""):
    def change(request, response):
        return replace(response, status=status, body=body) if request.path in paths else response

    return change


@pytest.mark.parametrize(
    "change",
    [
        failing("/userinfo"), failing("/userinfo", status=401), failing("/userinfo", status=403),
        failing("/userinfo", status=404), failing("/userinfo", status=200, body="<html>"),
        failing("/userinfo", status=200, body="[]"), failing("/userinfo", status=200, body="{}"),
        changed_body("/userinfo", given_name=None, family_name=None),
    ],
)  # fmt: skip
def test_a_person_signs_in_without_a_name_when_the_service_does_not_answer_with_one(console, change):
    console.web.change = change
    assert console.sign_in().status_code == 303
    assert f"{ADA}, operator" in unescape(console.browser.get("/").text)


def test_the_answer_with_a_name_may_be_lost(console):
    console.web.lost = ("/userinfo",)
    assert console.sign_in().status_code == 303
    assert f"{ADA}, operator" in unescape(console.browser.get("/").text)


def test_a_person_who_does_not_consent_is_not_signed_in(console):
    begun = console.browser.get("/sign-in").headers["location"]
    state = parse_qs(urlsplit(begun).query)["state"][0]
    answer = console.browser.get(f"/signed-in?error=access_denied&state={state}&iss={ISSUER}")
    assert answer.status_code == 403
    assert "The service answered access_denied" in words_of(answer)


def back(console, **changes) -> str:
    """Return the way back from the service, with changed parameters; None removes one."""
    address = urlsplit(console.answer_of_service())
    query = {name: values[0] for name, values in parse_qs(address.query).items()} | changes
    pairs = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
    return f"{address.path}?{pairs}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "0" * 64}, "not that of this browser"),
        ({"state": None}, "not that of this browser"),
        ({"state": "%C3%A9"}, "not that of this browser"),
        ({"iss": "https://other.example"}, "another service"),
        ({"iss": None}, "another service"),
        ({"code": None}, "no code"),
        ({"code": "wrong"}, "refused: invalid_grant"),
        ({"error": "server_error%1B[31m"}, "server_error"),
    ],
)
def test_an_answer_that_is_not_the_services_to_this_browser_signs_no_person_in(console, changes, words):
    answer = console.browser.get(back(console, **changes))
    assert answer.status_code == 403
    assert words in words_of(answer)
    assert "\x1b" not in answer.text
    assert console.browser.get("/").status_code == 403


def test_another_browser_cannot_use_the_way_back(console):
    address = back(console)
    other = console.new_browser()
    assert "begun no sign-in" in words_of(other.get(address))
    other.get("/sign-in")
    assert "not that of this browser" in words_of(other.get(address))
    assert console.browser.get(address).status_code == 303


def test_a_way_back_signs_in_once(console):
    address = back(console)
    cookie = console.browser.cookies[f"{console.guard.cookie}-begun"]
    assert console.browser.get(address).status_code == 303
    assert f"{console.guard.cookie}-begun" not in console.browser.cookies
    console.browser.cookies.clear()
    console.browser.cookies.set(f"{console.guard.cookie}-begun", cookie)
    assert "refused: invalid_grant" in words_of(console.browser.get(address))


def test_a_sign_in_that_took_too_long_is_begun_again(console):
    address = back(console)
    console.service.now += SECONDS_TO_SIGN_IN
    assert "too long ago" in words_of(console.browser.get(address))


@pytest.mark.parametrize("cookie", ["", "a", "a.b.c.d", "a.operator.9999999999.%%%", "a.admin.9999999999.Lw=="])
def test_a_cookie_that_this_console_did_not_make_signs_no_person_in(console, cookie):
    address = back(console)
    console.browser.cookies.clear()
    console.browser.cookies.set(f"{console.guard.cookie}-begun", cookie)
    assert console.browser.get(address).status_code == 403


@pytest.mark.parametrize(
    "target",
    ["//attacker.example", "https://attacker.example", "/\\attacker.example", "/x%0d%0aSet-Cookie:a", "", "x",
     "/sign-in", "/signed-in?code=x", "/" + "a" * 2000, "/é"],
)  # fmt: skip
def test_a_sign_in_leads_to_no_other_host(console, target):
    answer = console.sign_in(start=f"/sign-in?to={target}")
    assert answer.headers["location"] == "/"


def forged(text: str, **claims) -> str:
    """Return a token with changed claims and the signature of the original."""
    header, body, signature = text.split(".")
    found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))) | claims
    changed = base64.urlsafe_b64encode(json.dumps(found, allow_nan=False).encode()).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"


def forging(member: str, **claims):
    def change(request, response):
        if request.path != "/token":
            return response
        body = json.loads(response.body)
        return replace(response, body=json.dumps({**body, member: forged(body[member], **claims)}, allow_nan=False))

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (forging("id_token", sub=ADA), "published key"),
        (forging("access_token", scope="console:operator"), "published key"),
        (changed_body("/token", id_token=None), "no JWT"),
        (changed_body("/token", access_token="x"), "no JWT"),
        (changed_body("/userinfo", sub=GRACE), "another person"),
        (changed_body("/.well-known/jwks.json", keys=[]), "published key"),
        (changed_body("/.well-known/jwks.json", keys="x"), "published key"),
        (changed_body("/.well-known/jwks.json", keys=[5, {"kid": "x"}]), "published key"),
        (lambda request, response: replace(response, body="[]") if request.path == "/token" else response, "JSON"),
        (lambda request, response: replace(response, body="{") if request.path == "/token" else response, "JSON"),
        (lambda request, response: replace(response, status=400, body="[") if request.path == "/token" else response,
         "status 400"),
    ],
    ids=["forged id token", "forged access token", "no id token", "opaque", "another person", "no keys", "keys", "key",
         "list", "no json", "no error"],
)  # fmt: skip
def test_an_answer_that_proves_nothing_signs_no_person_in(console, change, words):
    address = back(console)
    answered = []
    console.web.change = lambda request, response: (answered.append(change(request, response)), answered[-1])[1]
    answer = console.browser.get(address)
    assert answer.status_code == 403
    assert words in words_of(answer)
    assert console.browser.get("/").status_code == 403
    # What was granted nevertheless is revoked.
    tokens = [one.body for one in answered if '"refresh_token"' in one.body]
    assert [request.path for request in console.web.requests[-1:]] == (["/revoke"] if tokens else ["/token"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"authorization_endpoint": "https://attacker.example/authorize"}, "authorization_endpoint"),
        ({"authorization_endpoint": f"{ISSUER}.attacker.example/authorize"}, "authorization_endpoint"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"authorization_endpoint": 5}, "authorization_endpoint"),
    ],
)
def test_metadata_of_another_service_lead_nowhere(console, changes, words):
    console.web.change = changed_body("/.well-known/openid-configuration", **changes)
    answer = console.browser.get("/sign-in")
    assert answer.status_code == 403
    assert words in words_of(answer)


def test_a_service_that_does_not_answer_is_said_with_the_way_around_it(console):
    console.web.down = True
    answer = console.browser.get("/sign-in")
    assert answer.status_code == 503
    assert "--no-sign-in" in words_of(answer)


def test_a_failure_of_the_service_is_not_a_refusal(console):
    address = back(console)
    console.web.change = lambda request, response: (
        replace(response, status=500) if request.path == "/token" else response
    )
    answer = console.browser.get(address)
    assert answer.status_code == 503
    assert "/token of the OAuth service answered 500" in words_of(answer)


def test_behind_a_proxy_the_cookies_are_secure_and_only_its_host_is_answered(service):
    service.now = 1_800_000_000.0
    console = SignInScene(
        busy_scene(), service, replace(SignInScene.settings, address="https://console.example"),
        "https://console.example",
    )  # fmt: skip
    answer = console.sign_in()
    session = next(
        cookie for cookie in answer.headers.get_list("set-cookie") if "__Host-orchestrator-console=" in cookie
    )
    assert all(word in session.lower() for word in ("secure", "httponly", "samesite=lax", "path=/"))
    assert "domain" not in session.lower()
    assert console.browser.get("/").status_code == 200
    assert act(console, "/actions/unfreeze/local", reason="x").status_code == 303
    for host in ("127.0.0.1:8484", "localhost:8484", "console.example:8484", "attacker.example"):
        assert console.browser.get("/", headers={"Host": host}).status_code == 421


def test_the_pages_of_signing_in_have_the_headers_and_the_style_of_all_pages(console):
    for path in ("/", "/sign-in", "/signed-in"):
        answer = console.browser.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    style = console.browser.get("/").text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert console.browser.get(style).status_code == 200


def test_the_issuer_is_that_of_the_settings_or_of_the_newest_deployment():
    context = busy_scene().context
    assert issuer_of(context) == context.cloud.ledger.newest_records(1)[0].service.issuer
    configured = replace(context.environment.service, issuer=ISSUER)
    assert issuer_of(replace(context, environment=replace(context.environment, service=configured))) == ISSUER


def test_a_sign_in_without_a_deployed_service_is_refused_with_the_way_around_it():
    with pytest.raises(Refused, match="--no-sign-in") as refused:
        issuer_of(ConsoleScene().context)
    assert refused.value.field == "local.console"
