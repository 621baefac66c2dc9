"""Keeping a report by the function that signs: what it refuses, and what is too large for it, is said."""

from __future__ import annotations

import io
import json

import pytest

from orchestrator.aws.lambda_.report_recorder import MOST_BYTES, ReportRecorder
from orchestrator.domain.errors import Refused, Throttled
from tests.fakes.errors import client_error


class Functions:
    """A Lambda client with one answer."""

    def __init__(self, answer: bytes = b"{}", error: str = "", failure: Exception | None = None) -> None:
        self._answer, self._error, self._failure = answer, error, failure
        self.invoked: list[tuple[str, dict[str, str]]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, object]:  # noqa: N803 - botocore's
        if self._failure:
            raise self._failure
        self.invoked.append((FunctionName, json.loads(Payload)))
        return {"Payload": io.BytesIO(self._answer), **({"FunctionError": self._error} if self._error else {})}


def test_a_report_is_sent_to_the_function():
    functions = Functions()

    ReportRecorder(functions, "recorder").record(b'{"a":1}', b"<p>\xc3\xa9")

    assert functions.invoked == [("recorder", {"document": '{"a":1}', "page": "<p>é"})]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"errorMessage": "kind: \'drill\' is refused"}', "kind: 'drill' is refused"),
        (b"not json", "its log has the reason"),
        (b"[]", "its log has the reason"),
    ],
)
def test_what_the_function_refuses_is_refused_with_its_reason(answer, reason):
    with pytest.raises(Refused, match="it was not recorded") as refused:
        ReportRecorder(Functions(answer, "Unhandled"), "recorder").record(b"{}", b"")

    assert reason in str(refused.value)


def test_a_report_that_lambda_would_not_accept_is_refused_before_it_is_sent():
    functions = Functions()

    with pytest.raises(Refused, match="keep one of at most"):
        ReportRecorder(functions, "recorder").record(b"x" * MOST_BYTES, b"")

    assert functions.invoked == []


def test_a_busy_function_is_called_again_later():
    busy = Functions(failure=client_error("TooManyRequestsException", "slow down", status=429))

    with pytest.raises(Throttled):
        ReportRecorder(busy, "recorder").record(b"{}", b"")
