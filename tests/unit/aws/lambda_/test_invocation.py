"""How functions are called directly: by which name, because Lambda authorises by that."""

import io

import pytest

from orchestrator.aws.lambda_.invocation import Invocation
from orchestrator.domain.analysis.observations import HttpRequest


class Lambda:
    """Keeps how it was asked."""

    retries = 0

    def invoke(self, **asked):
        self.asked = asked
        return {
            "Payload": io.BytesIO(b'{"statusCode": 200}'),
            "ExecutedVersion": "7",
            "ResponseMetadata": {"RetryAttempts": self.retries},
        }


@pytest.mark.parametrize(
    ("version", "named"), [("$LATEST", {}), ("7", {"Qualifier": "7"}), ("live", {"Qualifier": "live"})]
)
def test_latest_is_called_by_the_function_s_own_name_and_anything_else_by_a_qualified_one(version, named):
    client = Lambda()
    assert Invocation(client).invoke("ib-oauth-token-test", version, HttpRequest("GET", "/health")).status == 200
    del client.asked["Payload"]
    assert client.asked == {"FunctionName": "ib-oauth-token-test", **named}


def test_an_answer_tells_how_often_it_was_asked_for():
    client = Lambda()
    client.retries = 2
    assert Invocation(client).invoke("ib-oauth-token-test", "7", HttpRequest("GET", "/health")).attempts == 3
