"""How functions are called directly: by which name, because Lambda authorises by that."""

import io

import pytest

from orchestrator.aws.lambda_.invocation import Invocation
from orchestrator.domain.analysis.observations import HttpRequest


class Lambda:
    """Keeps how it was asked."""

    retries = 0
    payload = b'{"statusCode": 200}'

    def invoke(self, **params):
        self.params = params
        return {
            "Payload": io.BytesIO(self.payload),
            "ExecutedVersion": "7",
            "ResponseMetadata": {"RetryAttempts": self.retries},
        }


@pytest.mark.parametrize(
    ("version", "named"), [("$LATEST", {}), ("7", {"Qualifier": "7"}), ("live", {"Qualifier": "live"})]
)
def test_latest_is_called_by_the_function_s_own_name_and_anything_else_by_a_qualified_one(version, named):
    client = Lambda()
    assert Invocation(client).invoke("ib-oauth-token-test", version, HttpRequest("GET", "/health")).status == 200
    del client.params["Payload"]
    assert client.params == {"FunctionName": "ib-oauth-token-test", **named}


def test_an_answer_says_how_often_it_was_requested():
    client = Lambda()
    client.retries = 2
    assert Invocation(client).invoke("ib-oauth-token-test", "7", HttpRequest("GET", "/health")).attempts == 3


@pytest.mark.parametrize(
    ("payload", "unhandled"),
    [
        (b"[" * 100_000, "no response"),
        (b"<html>", "no response"),
        (rb'{"errorType": "\ud800"}', r"\ud800"),
    ],
)
def test_a_version_that_returns_anything_else_than_a_response_is_unhandled_with_a_text_that_can_be_stored(
    payload, unhandled
):
    client = Lambda()
    client.payload = payload
    assert Invocation(client).invoke("ib-oauth-token-test", "7", HttpRequest("GET", "/health")).unhandled == unhandled


def test_a_header_of_a_version_can_be_stored_in_a_reason():
    client = Lambda()
    client.payload = rb'{"statusCode": 200, "headers": {"a": "\ud800"}, "multiValueHeaders": {"b": ["\ud800"]}}'
    response = Invocation(client).invoke("ib-oauth-token-test", "7", HttpRequest("GET", "/health"))
    assert (response.header("a"), response.header("b")) == (r"\ud800", r"\ud800")
