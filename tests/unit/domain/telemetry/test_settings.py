"""The settings of the export of traces, and the headers that its secret has."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader
from orchestrator.domain.telemetry.settings import (
    TelemetrySettings,
    parse_headers,
    read_telemetry_settings,
    refuse_endpoint,
    traces_url,
)

SECRET = "arn:aws:secretsmanager:us-west-1:123456789012:secret:ib-oauth/collector-AbCdEf"


def read(local=False, **telemetry):
    return read_telemetry_settings(SettingsReader("prod", {"telemetry": telemetry} if telemetry else {}), local=local)


def test_without_the_table_nothing_is_exported():
    assert read() == TelemetrySettings()
    assert not read().enabled


def test_a_collector_and_the_secret_of_its_headers_are_read():
    found = read(otlp_endpoint="https://otlp.example.com:4318", headers_secret=SECRET)
    assert found == TelemetrySettings("https://otlp.example.com:4318", SECRET)
    assert found.enabled
    assert read(otlp_endpoint="http://127.0.0.1:4318", local=True).headers_secret == ""


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"otlp_endpoint": "otlp.example.com"}, "prod.telemetry.otlp_endpoint"),
        ({"otlp_endpoint": "http://otlp.example.com"}, "prod.telemetry.otlp_endpoint"),
        ({"otlp_endpoint": "http://127.0.0.1:4318"}, "prod.telemetry.otlp_endpoint"),
        ({"otlp_endpoint": "https://otlp.example.com/v1/traces"}, "prod.telemetry.otlp_endpoint"),
        ({"otlp_endpoint": "https://otlp.example.com/v1/traces/"}, "prod.telemetry.otlp_endpoint"),
        ({"otlp_endpoint": "https://otlp.example.com", "headers_secret": "key"}, "prod.telemetry.headers_secret"),
        ({"otlp_endpoint": "https://otlp.example.com", "protocol": "grpc"}, "prod.telemetry.protocol"),
        ({"headers_secret": SECRET}, "prod.telemetry.otlp_endpoint"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(settings, field):
    with pytest.raises(Refused) as refused:
        read(**settings)
    assert refused.value.field == field


def test_the_path_of_traces_is_appended_once():
    assert traces_url("https://otlp.example.com/") == "https://otlp.example.com/v1/traces"
    refuse_endpoint("--otlp", "http://localhost:4318")
    with pytest.raises(Refused, match="without /v1/traces"):
        refuse_endpoint("--otlp", "https://otlp.example.com/v1/traces")


def test_headers_are_an_object_of_printable_texts():
    assert parse_headers('{"Authorization": "Bearer abc"}') == {"Authorization": "Bearer abc"}


@pytest.mark.parametrize(
    "secret",
    ["Bearer topsecret", "[]", '{"a": 1}', '{"a": "topsecret\\nX: y"}', '{"a\\n": "topsecret"}', '{"ä": "topsecret"}'],
)
def test_what_is_no_header_is_refused_and_not_repeated(secret):
    with pytest.raises(ValueError, match="not a JSON object of header names") as error:
        parse_headers(secret)
    assert "topsecret" not in str(error.value)
