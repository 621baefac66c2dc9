"""HEAD is answered as GET, and a method that an address does not have with 405 and Allow: at every address."""

from __future__ import annotations

import pytest

from infrastructure.service.api import ROUTES

FUNCTIONS = {path: name for name, routes in ROUTES.items() for path, _ in routes}
METHODS = {path: set(methods) for routes in ROUTES.values() for path, methods in routes}
READABLE = sorted(path for path, methods in METHODS.items() if "GET" in methods)
SERVED = sorted(path for path in FUNCTIONS if path != "/register")  # which does not exist unless it is enabled
VARIES = {"date", "set-cookie", "content-security-policy"}
"""Headers that differ between two answers to GET, too."""


def same_headers(answer):
    return {name: values for name, values in answer.headers.items() if name.lower() not in {*VARIES, "content-length"}}


@pytest.mark.parametrize("path", READABLE)
def test_head_has_the_status_and_the_headers_of_get_and_no_body(service, path):
    got, head = service.call(FUNCTIONS[path], "GET", path), service.call(FUNCTIONS[path], "HEAD", path)
    assert (head.status, head.body) == (got.status, "")
    assert same_headers(head) == same_headers(got)
    length = int(head.header("content-length"))
    assert length > 0
    if path != "/health/deep":  # where each answer has milliseconds of its own
        assert length == len(got.body.encode())


def test_head_begins_a_login_like_get_as_a_person_would(service):
    query = {
        "response_type": "code", "client_id": "native", "redirect_uri": "http://127.0.0.1:5000/callback",
        "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    assert service.call("authorize", "HEAD", "/authorize", query=query).status == 200


@pytest.mark.parametrize("path", SERVED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "X"])
def test_a_method_that_a_known_address_does_not_have_is_405_with_those_that_it_has(service, path, method):
    has = METHODS[path] | ({"HEAD"} if "GET" in METHODS[path] else set())
    answer = service.call(FUNCTIONS[path], method, path)
    assert (answer.status == 405) is (method not in has)
    if answer.status == 405:
        assert set(answer.header("allow").split(", ")) == has
        assert (answer.body == "") is (method == "HEAD")
    else:
        assert answer.header("allow") is None


@pytest.mark.parametrize("function", ROUTES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_an_unknown_address_has_no_methods(service, function, method):
    answer = service.call(function, method, "/nothing")
    assert (answer.status, answer.header("allow")) == (404, None)


def test_head_is_a_request_like_any_other_over_http(base_url):
    import urllib.error
    import urllib.request

    with urllib.request.urlopen(urllib.request.Request(f"{base_url}/version", method="HEAD")) as answer:
        assert (answer.status, answer.read()) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{base_url}/token", method="DELETE"))
    assert (refused.value.code, refused.value.headers["allow"]) == (405, "OPTIONS, POST")
