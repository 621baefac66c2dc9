"""How a login ends, through API Gateway, while every role is held to its policies."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest
import requests

from tests.edge.person import TIMEOUT_SECONDS, Person, answered
from tests.edge.test_http import AUTHORIZATION

pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def begun(api):
    """A login of a browser that has another application's cookie, too: what it sends with every request, and the transaction."""
    foreign = 'consent={"analytics":true}'
    page = requests.get(
        f"{api}/authorize?{urlencode(AUTHORIZATION)}", headers={"Cookie": foreign}, timeout=TIMEOUT_SECONDS
    )
    assert page.status_code == 200, page.text
    own = page.headers["set-cookie"].partition(";")[0]
    return {"Cookie": f"{foreign}; {own}"}, re.search(r'name="transaction" value="([^"]+)"', page.text)[1]


def post(api, begun, **form):
    headers, transaction = begun
    return requests.post(
        f"{api}/login",
        {"transaction": transaction, **form},
        headers=headers,
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
    )


def test_a_browser_that_lost_the_answer_gets_the_code_again_and_no_other_browser_does(api, begun):
    waiting = post(api, begun, platform="demo", decision="allow")
    address = unescape(re.search(r'data-login-url="([^"]+)"', waiting.text)[1])
    code = re.search(r'<strong class="code">([^<]+)<', waiting.text)[1]
    assert code in requests.get(address, timeout=TIMEOUT_SECONDS).text, "the demo identity provider shows it"
    Person()._logs_in(address)
    headers, transaction = begun

    def poll(headers):
        return requests.get(f"{api}/login/poll", {"transaction": transaction}, headers=headers, timeout=TIMEOUT_SECONDS)

    first = poll(headers).json()
    assert "code" in answered(first["redirect"])
    assert poll(headers).json() == first
    assert poll({"Cookie": f"__Host-ib-oauth-browser={'o' * 43}"}).status_code == 404
    again = post(api, begun, decision="continue")
    assert unescape(re.search(r'<a href="([^"]+)"', again.text)[1]) == first["redirect"]


def test_cancel_is_answered_by_a_page_that_moves_on(api, begun):
    page = post(api, begun, decision="deny")
    assert (page.status_code, page.headers.get("location")) == (200, None)
    assert "form-action 'self';" in page.headers["content-security-policy"]
    address = unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.text)[1])
    assert answered(address)["error"] == "access_denied"
