"""Authorization errors and the pages of a login."""

from __future__ import annotations

import re

import pytest

ISSUER = "https://auth.example"


@pytest.mark.parametrize(
    "query", [{}, {"client_id": "stranger"}, {"client_id": "native", "redirect_uri": "https://evil.example/<script>"}]
)
def test_an_untrusted_request_is_a_page_and_never_a_redirect(service, query):
    answer = service.call("authorize", "GET", "/authorize", query=query)
    assert (answer.status, answer.header("location")) == (400, None)
    assert answer.header("content-type").startswith("text/html")
    assert "<script>" not in answer.body


def test_too_many_parameters_are_refused_with_a_page(service):
    answer = service.call("authorize", "GET", "/authorize", query=[(f"p{number}", "v") for number in range(40)])
    assert answer.status == 400


def test_a_wrong_request_of_a_known_client_goes_back_to_it(service):
    answer = service.authorize(response_type="token")
    assert answer.status == 303
    assert answer.header("location").startswith("http://127.0.0.1:5000/callback?")
    assert (answer.redirect["error"], answer.redirect["state"], answer.redirect["iss"]) == (
        "unsupported_response_type",
        "s",
        ISSUER,
    )


def test_the_page_names_client_and_host_escaped_and_runs_nothing_but_its_own(service):
    page = service.authorize()
    assert "Native &lt;app&gt;" in page.body
    assert "127.0.0.1" in page.body
    policy = page.header("content-security-policy")
    nonces = set(re.findall(r'nonce="([^"]+)"', page.body))
    assert nonces == set(re.findall(r"nonce-([^']+)'", policy))
    assert "default-src 'none'" in policy
    assert "form-action 'self';" in policy
    assert nonces.isdisjoint(re.findall(r'nonce="([^"]+)"', service.authorize().body))


def test_the_cookie_is_bound_to_the_host_and_kept_for_the_next_login(service):
    cookie = service.authorize().header("set-cookie")
    assert cookie.startswith("__Host-ib-oauth-browser=")
    assert cookie.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    value = cookie.partition(";")[0]
    again = service.call(
        "authorize", "GET", "/authorize", headers={"Cookie": value},
        query={"response_type": "code", "client_id": "native", "redirect_uri": "http://127.0.0.1:5000/callback",
               "code_challenge": "c" * 43, "code_challenge_method": "S256"},
    )  # fmt: skip
    assert again.header("set-cookie").partition(";")[0] == value


@pytest.mark.parametrize(
    "cookie", ["", "other=1", "__Host-ib-oauth-browser=" + "a" * 65, "__Host-ib-oauth-browser", "=;\x00"]
)
def test_a_login_without_its_cookie_is_not_found(service, cookie):
    transaction = service.transaction()
    service.cookie = cookie
    assert service.poll(transaction).status == 404


@pytest.mark.parametrize(
    "form", [{}, {"transaction": "ibl_" + "a" * 43, "platform": "demo"}, {"transaction": "nonsense"}]
)
def test_a_login_that_does_not_exist_is_a_page(service, form):
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": "x=y"}).status == 400


def test_an_unknown_platform_is_a_page(service):
    form = {"transaction": service.transaction(), "platform": "other"}
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie}).status == 400


def test_the_synthetic_identity_has_no_business_at_a_platform(service):
    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    form = {"transaction": transaction, "platform": "demo"}
    assert service.call("authorize", "POST", "/login", form=form, headers={"cookie": service.cookie}).status == 400


def test_a_proof_used_twice_mints_one_code(service, aws):
    import base64

    transaction = service.transaction(client="synthetic", redirect="https://synthetic.invalid/callback")
    message = f"ib-oauth/synthetic/local/{transaction}".encode()
    key = service.variables["SYNTHETIC_KEY_ID"]
    mac = base64.urlsafe_b64encode(aws.kms.generate_mac(KeyId=key, Message=message, MacAlgorithm="HMAC_SHA_256")["Mac"])
    first, again = service.prove(transaction, mac.decode()), service.prove(transaction, mac.decode())
    assert (first.status, again.status) == (303, 303)
    assert first.header("location") == again.header("location"), "the first answer may have been lost"
    form = {"client_id": "synthetic", "redirect_uri": "https://synthetic.invalid/callback"}
    assert service.redeem(first.redirect["code"], **form).status == 200
    assert service.prove(transaction, mac.decode()).status == 409
