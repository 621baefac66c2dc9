"""The endpoint of acknowledgements in the templates: only where it is enabled, throttled, and without tokens in its logs."""

from __future__ import annotations

import json

from infrastructure.orchestrator.acknowledgement import THROTTLE
from tests.infrastructure.templates import named, resources, text_of


def api(one):
    (logical_id,) = resources(one.orchestrator, "AWS::ApiGateway::RestApi")
    return logical_id


def function(one, module):
    handler = f"orchestrator.event_handlers.{module}.handler"
    return named(one.orchestrator, "AWS::Lambda::Function", "Handler", handler)


def test_without_the_setting_there_is_no_endpoint_and_no_key(every):
    assert not resources(every.orchestrator, "AWS::ApiGateway::RestApi")
    assert not resources(every.orchestrator, "AWS::SecretsManager::Secret")
    assert "acknowledge_incident" not in json.dumps(every.orchestrator)


def test_the_endpoint_has_a_page_and_webhooks_and_no_other_path(everything_on):
    paths = {
        logical_id: one["PathPart"]
        for logical_id, one in resources(everything_on.orchestrator, "AWS::ApiGateway::Resource").items()
    }
    methods = {
        (paths[one["ResourceId"]["Ref"]], one["HttpMethod"])
        for one in resources(everything_on.orchestrator, "AWS::ApiGateway::Method").values()
    }
    assert methods == {("acknowledgement", name) for name in ("GET", "HEAD", "POST")} | {("{destination}", "POST")}


def test_the_stage_is_throttled_and_its_log_has_neither_query_nor_headers_nor_addresses(everything_on):
    (stage,) = resources(everything_on.orchestrator, "AWS::ApiGateway::Stage").values()
    (setting,) = stage["MethodSettings"]
    assert (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"]) == (
        THROTTLE.requests_per_second,
        THROTTLE.burst,
    )
    assert setting["DataTraceEnabled"] is False
    logged = json.loads(stage["AccessLogSetting"]["Format"])
    assert set(logged) == {"request_id", "time_ms", "method", "route", "status", "latency_ms", "integration_error"}
    assert logged["route"] == "$context.resourcePath"


def test_messages_have_the_address_of_the_endpoint_and_both_functions_know_the_key(everything_on):
    notifier = function(everything_on, "deliver_notifications")["Environment"]["Variables"]
    endpoint = function(everything_on, "acknowledge_incident")["Environment"]["Variables"]
    address = text_of(notifier["ACKNOWLEDGEMENT_ADDRESS"])
    assert address.startswith(f"https://<{api(everything_on)}>.execute-api.")
    assert notifier["LINK_KEY"] == endpoint["LINK_KEY"]
    assert text_of(everything_on.orchestrator["Outputs"]["AcknowledgementAddress"]["Value"]) == address


def test_only_this_api_invokes_the_function(everything_on):
    permissions = [
        one
        for one in resources(everything_on.orchestrator, "AWS::Lambda::Permission").values()
        if one["Principal"] == "apigateway.amazonaws.com"
    ]
    (permission,) = permissions
    assert f"<{api(everything_on)}>/" in text_of(permission["SourceArn"])
