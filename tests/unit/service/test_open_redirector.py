"""A client that no operator configured cannot have the service send a browser anywhere before its person agreed (RFC 9700 §4.11.2)."""

from __future__ import annotations

import json
import re

import pytest

from service.oauth.errors import OAuthError
from tests.unit.service.conftest import CHALLENGE, Service
from tests.unit.service.story import REGISTRATION_TOKEN, SELF_DESCRIBED, document_site

EVIL = "https://evil.example/phish"
GOOD = {
    "response_type": "code", "redirect_uri": EVIL, "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip
WRONG = {
    "no response_type": {"response_type": None}, "unknown response_type": {"response_type": "x"}, "implicit": {"response_type": "token"},
    "hybrid": {"response_type": "code id_token"}, "fragment": {"response_mode": "fragment"}, "form post": {"response_mode": "form_post"},
    "web message": {"response_mode": "web_message"}, "unknown scope": {"scope": "admin"}, "malformed scope": {"scope": 'a "b"'},
    "double space": {"scope": "profile  email"}, "plain PKCE": {"code_challenge_method": "plain"}, "no PKCE": {"code_challenge": None},
    "no PKCE method": {"code_challenge_method": None}, "malformed PKCE": {"code_challenge": "short"},
    "padded PKCE": {"code_challenge": f"{CHALLENGE}="}, "foreign resource": {"resource": "https://api.example"},
    "malformed resource": {"resource": "x#y"}, "request object": {"request": "e30.e30."}, "request by reference": {"request_uri": "https://e/x"},
    "repeated scope": [("scope", "profile"), ("scope", "email")], "repeated state": [("state", "a"), ("state", "b")],
    "repeated unknown": [("x", "1"), ("x", "2")], "repeated response_type": [("response_type", "code"), ("response_type", "code")],
    "silent": {"prompt": "none"}, "silent with scope": {"prompt": "none", "scope": "openid"}, "prompts": {"prompt": "none login", "scope": "openid"},
    "empty state": {"state": ""}, "surrogate": {"state": "\ud800"}, "too long": {"state": "x" * 9000}, "claims": {"claims": "{"},
    "registration": {"registration": "{}"}, "max_age": {"max_age": "-1", "scope": "openid"}, "hint": {"id_token_hint": "a.b.c", "scope": "openid"},
}  # fmt: skip
"""Every way to make a request wrong, and the ways to ask for an answer without a page."""


@pytest.fixture
def service(aws, variables):
    return Service(aws, {**variables, **SELF_DESCRIBED})


def documented(service):
    return document_site().publish("/phish", client_name="Your bank", redirect_uris=[EVIL])


def registered(service, method):
    body = {"client_name": "Your bank", "redirect_uris": [EVIL], "token_endpoint_auth_method": method}
    headers = {"content-type": "application/json", "authorization": f"Bearer {REGISTRATION_TOKEN}"}
    return service.call("token", "POST", "/register", body=json.dumps(body), headers=headers).json["client_id"]


STRANGERS = {
    "by document": documented,
    "registered, public": lambda service: registered(service, "none"),
    "registered, with a secret": lambda service: registered(service, "client_secret_basic"),
}


@pytest.fixture(params=STRANGERS.values(), ids=STRANGERS)
def stranger(request, service):
    return request.param(service)


def ask(service, client_id, wrong):
    query = {**GOOD, "client_id": client_id}
    if isinstance(wrong, dict):
        query |= wrong
        return service.call(
            "authorize", "GET", "/authorize", query={key: value for key, value in query.items() if value is not None}
        )
    for name, _ in wrong:
        query.pop(name, None)
    return service.call("authorize", "GET", "/authorize", query=[*query.items(), *wrong])


def leads_nowhere(answer):
    return answer.header("location") is None and answer.header("refresh") is None and "http-equiv" not in answer.body


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_no_request_of_a_stranger_leads_anywhere_before_a_person_agreed(service, stranger, wrong):
    answer = ask(service, stranger, wrong)
    assert answer.status in {200, 400}, answer.body
    assert leads_nowhere(answer)
    if answer.status == 400:
        assert "<a " not in answer.body
        assert "<form" not in answer.body
        assert EVIL not in answer.body


@pytest.mark.parametrize(
    "name", ["unknown response_type", "unknown scope", "plain PKCE", "repeated scope", "request object"]
)
def test_the_page_says_what_is_wrong_and_names_the_host_and_not_what_the_stranger_calls_itself(service, stranger, name):
    answer = ask(service, stranger, WRONG[name])
    code = re.search(r"<code>(\w+)</code>", answer.body)[1]
    assert code in {error.code for error in OAuthError.__subclasses__()}
    assert '<strong class="host">evil.example</strong>' in answer.body
    assert "Your bank" not in answer.body
    assert answer.status == 400


def test_the_page_names_the_host_of_the_document_too(service):
    site = document_site()
    client_id = documented(service)
    assert site.url in client_id
    assert "which 127.0.0.1 describes" in ask(service, client_id, WRONG["implicit"]).body


@pytest.mark.parametrize(
    "wrong", [one for name, one in WRONG.items() if name in {"implicit", "unknown scope", "plain PKCE"}]
)
def test_a_client_that_an_operator_configured_hears_of_its_errors(service, wrong):
    query = {**GOOD, "client_id": "web", "redirect_uri": "https://web.example/cb?x=1"} | wrong
    answer = service.call("authorize", "GET", "/authorize", query=query)
    assert (answer.status, answer.redirect["state"]) == (303, "s")


def post(service, **form):
    return service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie})


def begun(service, client_id):
    page = service.authorize(client=client_id, redirect=EVIL)
    return re.search(r'name="transaction" value="([^"]+)"', page.body)[1]


def test_a_person_who_cancels_is_not_sent_to_a_stranger_but_may_go(service, stranger):
    transaction = begun(service, stranger)
    post(service, transaction=transaction, platform="demo")
    for _ in range(2):  # once more, because an answer may be lost
        page = post(service, transaction=transaction, decision="deny")
        assert page.status == 200
        assert leads_nowhere(page)
        assert '<strong class="host">evil.example</strong>' in page.body
        assert page.link.startswith(f"{EVIL}?error=access_denied&")


def test_a_person_who_agreed_is_sent_on_by_the_page(service, stranger):
    transaction = begun(service, stranger)
    service.log_in_upstream(service.login_page(transaction))
    page = post(service, transaction=transaction, decision="continue")
    assert page.moves_on_to == page.link
    assert page.link.startswith(f"{EVIL}?code=ibc_")


@pytest.mark.parametrize(
    "form", [{"decision": "continue"}, {"decision": "x"}, {"platform": "x"}, {"platform": "demo"}, {}]
)
def test_no_form_of_a_person_who_has_not_agreed_leads_anywhere(service, stranger, form):
    assert leads_nowhere(post(service, transaction=begun(service, stranger), **form))
