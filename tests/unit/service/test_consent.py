"""Before a user logs in, the page asks for consent to what is shared with whom, by one page for the choice and one for the consent."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.service.conftest import Service


def post(service, form, cookie=None):
    headers = {"cookie": service.cookie if cookie is None else cookie}
    return service.call("authorize", "POST", "/login", form=form, headers=headers)


def test_choosing_a_platform_asks_for_consent_and_goes_nowhere_yet(service, monkeypatch):
    monkeypatch.setattr("service.login.identity_provider.open_login", lambda _: pytest.fail("nobody has agreed yet"))
    page = post(service, {"transaction": service.transaction(), "platform": "demo"})
    assert page.status == 200
    assert "Native &lt;app&gt;" in page.body
    assert "<strong>Demo platform</strong>" in page.body
    assert re.findall(r"<li>([^<]+)</li>", page.body) == ["your name", "your email address"]
    assert '<strong class="host">127.0.0.1</strong>, an application on this computer' in page.body
    assert "data-login-url" not in page.body


def test_consent_covers_only_what_is_requested(service):
    page = post(service, {"transaction": service.transaction(scope="profile"), "platform": "demo"})
    assert re.findall(r"<li>([^<]+)</li>", page.body) == ["your name"]


def test_a_client_on_a_host_is_distinguished_from_one_on_this_computer(service):
    transaction = service.transaction(client="web", redirect="https://web.example/cb?x=1")
    page = post(service, {"transaction": transaction, "platform": "demo"})
    assert '<strong class="host">web.example</strong>.' in page.body
    assert "on this computer" not in page.body


def test_who_agrees_goes_on_to_the_login(service):
    transaction = service.transaction()
    post(service, {"transaction": transaction, "platform": "demo"})
    page = post(service, {"transaction": transaction, "platform": "demo", "decision": "allow"})
    assert "data-login-url" in page.body


@pytest.mark.parametrize("consented", [False, True])
def test_who_refuses_goes_back_and_the_client_is_notified(service, consented):
    transaction = service.transaction()
    if consented:
        post(service, {"transaction": transaction, "platform": "demo"})
    answer = post(service, {"transaction": transaction, "platform": "demo", "decision": "deny"})
    assert (answer.status, answer.answered["error"]) == (200, "access_denied")
    assert answer.moves_on_to == answer.link
    for form in ({"platform": "demo"}, {"platform": "demo", "decision": "allow"}):
        assert post(service, {"transaction": transaction, **form}).status == 400, "the login has ended"


def test_who_refuses_and_hears_nothing_can_refuse_again(service):
    form = {"transaction": service.transaction(), "decision": "deny"}
    first = post(service, form)
    again = post(service, form)
    assert (again.status, again.link, again.moves_on_to) == (200, first.link, first.moves_on_to)
    assert post(service, form, cookie=f"__Host-ib-oauth-browser={'o' * 43}").status == 400
    assert service.poll(form["transaction"]).json == {"phase": "complete", "redirect": None}


def test_who_has_logged_in_can_no_longer_refuse(service):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    service.poll(transaction)
    assert post(service, {"transaction": transaction, "decision": "deny"}).status == 400


REDIRECTS = [
    "http://127.0.0.1:5000/callback", "http://[::1]:5000/callback", "http://localhost/callback?a=1&b='2';c=3",
    "com.example.app:/callback", "https://web.example/cb?x=1",
]  # fmt: skip
"""Every form of a redirect URI: some have no notation in a policy, and some lead on to other places."""


@pytest.fixture
def open_to_all(aws, variables):
    client = {"client_id": "anywhere", "name": "Anywhere", "scopes": ["profile"], "redirect_uris": REDIRECTS}
    return Service(aws, {**variables, "CLIENTS": json.dumps([*json.loads(variables["CLIENTS"]), client])})


@pytest.mark.parametrize("redirect", REDIRECTS)
def test_no_form_is_answered_by_a_redirect_and_each_page_s_policy_allows_forms_to_itself_only(open_to_all, redirect):
    def begun():
        return open_to_all.transaction(client="anywhere", redirect=redirect)

    transaction = begun()
    pages = [post(open_to_all, {"transaction": transaction, "platform": "demo"})]
    open_to_all.log_in_upstream(open_to_all.login_page(transaction))
    pages += [post(open_to_all, {"transaction": transaction, "decision": "continue"})]
    pages += [post(open_to_all, {"transaction": begun(), "decision": "deny"})]
    for page in pages:
        assert (page.status, page.header("location")) == (200, None)
        policy = page.header("content-security-policy").split("; ")
        assert [directive for directive in policy if directive.startswith("form-action")] == ["form-action 'self'"]
    for page, parameter in ((pages[1], "code"), (pages[2], "error")):
        assert page.moves_on_to == page.link
        assert page.link.startswith(f"{redirect}{'&' if '?' in redirect else '?'}")
        assert parameter in page.answered
        assert "<form" not in page.body


@pytest.mark.parametrize("decision", ["yes", "ALLOW", "allow deny"])
def test_any_other_decision_is_refused_and_decides_nothing(service, decision):
    transaction = service.transaction()
    assert post(service, {"transaction": transaction, "platform": "demo", "decision": decision}).status == 400
    assert post(service, {"transaction": transaction, "platform": "demo"}).status == 200


@pytest.mark.parametrize(
    "form", [{"platform": "demo"}, {"platform": "demo", "decision": "allow"}, {"decision": "deny"}]
)
def test_another_browser_gets_no_question_and_decides_nothing(service, form):
    transaction = service.transaction()
    assert post(service, {"transaction": transaction, **form}, cookie="__Host-ib-oauth-browser=other").status == 400
    assert post(service, {"transaction": transaction, "platform": "demo"}).status == 200


def test_without_scripts_a_person_goes_on_by_a_form_once_they_have_logged_in(service):
    transaction = service.transaction()
    upstream_token = service.login_page(transaction)
    done = {"transaction": transaction, "decision": "continue"}
    early = post(service, done)
    assert (early.status, upstream_token in early.body) == (200, True), "the same login, to wait on"
    service.log_in_upstream(upstream_token)
    assert post(service, done).status == 200, "within the same second the platform is not asked again"
    service.now += 2
    answer = post(service, done)
    assert (answer.status, answer.moves_on_to) == (200, answer.link)
    assert post(service, done).link == answer.link, "the first answer may have been lost"
    assert service.redeem(answer.answered["code"]).status == 200
    assert post(service, done).status == 400, "the login has ended"


def test_no_user_goes_on_without_consent(service):
    transaction = service.transaction()
    assert post(service, {"transaction": transaction, "decision": "continue"}).status == 400


def test_another_browser_does_not_go_on(service):
    transaction = service.transaction()
    service.log_in_upstream(service.login_page(transaction))
    done = {"transaction": transaction, "decision": "continue"}
    assert post(service, done, cookie="__Host-ib-oauth-browser=other").status == 400
    assert "code" in post(service, done).answered


@pytest.mark.parametrize("form", [{"platform": "demo"}, {"platform": "demo", "decision": "allow"}])
def test_the_synthetic_identity_gets_no_question(service, form):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    assert post(service, {"transaction": transaction, **form}).status == 400
