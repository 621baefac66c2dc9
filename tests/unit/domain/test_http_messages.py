from __future__ import annotations

import base64

import pytest

from orchestrator.domain.http_messages import (
    LARGEST_BODY,
    BodyRefused,
    HttpRequest,
    HttpResponse,
    proxy_response,
    read_request,
)

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


def event(**changes):
    """A request of API Gateway's REST API, with null where there is nothing."""
    nothing = {"headers": None, "queryStringParameters": None, "body": None, "isBase64Encoded": False}
    return {"httpMethod": "post", "path": "/x", **nothing, **changes}


def test_a_request_without_anything_is_read():
    assert read_request(event()) == HttpRequest("POST", "/x")


def test_headers_have_lower_case_names():
    request = read_request(event(headers={"X-Name": "Value"}, queryStringParameters={"token": "t"}))
    assert (request.headers, request.query) == ({"x-name": "Value"}, {"token": "t"})


def test_a_body_is_its_bytes_whether_encoded_or_not():
    assert read_request(event(body="tökén")).body == "tökén".encode()
    encoded = base64.b64encode(b"\x00\xff").decode()
    assert read_request(event(body=encoded, isBase64Encoded=True)).body == b"\x00\xff"


@pytest.mark.parametrize("changes", [
    {"body": "a" * (2 * LARGEST_BODY + 1)},
    {"body": "a" * (LARGEST_BODY + 1)},
    {"body": "no base64!", "isBase64Encoded": True},
    {"body": "\ud800"},
])  # fmt: skip
def test_a_body_that_is_too_large_or_has_no_bytes_is_refused(changes):
    with pytest.raises(BodyRefused):
        read_request(event(**changes))


def test_a_form_has_its_fields():
    assert read_request(event(headers=FORM, body="token=a.b&note=")).form == {"token": "a.b"}


@pytest.mark.parametrize(("headers", "body"), [
    ({}, "token=t"),
    ({"content-type": "text/plain"}, "token=t"),
    (FORM, "&".join(f"a{number}=1" for number in range(30))),
    (FORM, "tök=1"),
])  # fmt: skip
def test_what_is_no_form_has_no_fields(headers, body):
    assert read_request(event(headers=headers, body=body)).form == {}


def test_a_request_shows_nothing_that_may_be_a_token():
    request = HttpRequest("POST", "/x", {"token": "secret-1"}, {"authorization": "secret-2"}, b"secret-3")
    assert "secret" not in repr(request)


def test_a_response_is_neither_kept_nor_framed_and_does_not_pass_its_address_on():
    headers = proxy_response(HttpResponse(200, "page", headers={"Allow": "GET"}))["headers"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Allow"] == "GET"
