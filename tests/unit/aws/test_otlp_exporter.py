"""Traces over loopback: what a collector gets, which answers are worth another attempt, and where the headers come from."""

from __future__ import annotations

import pytest

from orchestrator.aws.otlp_exporter import RETRIED, OtlpExporter
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.errors import Refused, Unreachable
from tests.fakes.collector import Collector
from tests.fakes.errors import client_error

TRACE = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "Plan"}]}]}]}
SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/collector-AbCdEf"


class Secrets:
    def __init__(self, text="", error=""):
        self.text, self.error = text, error

    def get_secret_value(self, *, SecretId):  # noqa: N803 - botocore's
        assert SecretId == SECRET
        if self.error:
            raise client_error(self.error)
        return {"SecretString": self.text} if self.text else {"SecretBinary": b"\x00"}


def exporter(secrets=None, web=None):
    return OtlpExporter(lambda: secrets, web or PublicHttp())


def test_a_collector_gets_the_trace_as_json_with_the_headers():
    collector = Collector()
    with collector.served():
        exporter().export(TRACE, collector.address, {"Authorization": "Bearer abc"})
    assert collector.traces == [TRACE]
    assert collector.headers[0]["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_what_the_specification_has_repeated_is_repeated(status):
    collector = Collector()
    collector.statuses = [status]
    with collector.served():
        with pytest.raises(Unreachable, match=str(status)):
            exporter().export(TRACE, collector.address)
        exporter().export(TRACE, collector.address)
    assert collector.traces == [TRACE]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 413, 500])
def test_any_other_answer_is_refused_with_the_remedy(status):
    collector = Collector()
    collector.statuses = [status]
    with collector.served(), pytest.raises(Refused, match=f"answered {status}: check the address and the headers"):
        exporter().export(TRACE, collector.address)
    assert collector.traces == []


def test_a_collector_that_is_not_there_is_unreachable():
    collector = Collector()
    with collector.served():
        pass
    with pytest.raises(Unreachable, match="did not take the trace"):
        exporter().export(TRACE, collector.address)


def test_a_name_that_leads_inside_gets_nothing():
    inside = exporter(web=PublicHttp(lambda _host, _port: ["169.254.169.254"]))
    with pytest.raises(Unreachable, match="not public"):
        inside.export(TRACE, "https://otlp.example.com")


def test_the_headers_are_those_of_the_secret_and_none_without_one():
    assert exporter().read_headers("") == {}
    assert exporter(Secrets('{"Api-Key": "k"}')).read_headers(SECRET) == {"Api-Key": "k"}


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        (Secrets("topsecret"), "JSON object of header names"),
        (Secrets(), "it has no text"),
        (Secrets(error="ResourceNotFoundException"), "ResourceNotFoundException"),
    ],
)
def test_a_secret_without_headers_is_refused_and_not_repeated(secrets, said):
    with pytest.raises(Refused, match=said) as refused:
        exporter(secrets).read_headers(SECRET)
    assert "topsecret" not in str(refused.value)
    assert refused.value.field == "telemetry.headers_secret"
