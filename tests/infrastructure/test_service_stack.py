"""What the service's stack has in every environment."""

import dataclasses
import json

import pytest

from infrastructure.service.api import ROUTES
from orchestrator import environments
from service import settings
from tests.infrastructure.service_stack import FUNCTIONS, alarms, function, variables
from tests.infrastructure.templates import changed, resources, synthesise, text_of

LAMBDA_VARIABLES_BYTES = 4096
EVERYWHERE = {
    "ENVIRONMENT", "ISSUER", "STATE_TABLE", "TOKENS_TABLE", "CLIENTS", "RELEASE", "SOURCE_REQUESTS_PER_SECOND", "SOURCE_BURST_REQUESTS",
    "CLIENT_DOCUMENTS", "REGISTRATION", "MANAGED_CLIENTS", "SELF_DESCRIBED_CLIENT_SCOPES",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("authorize", {"PLATFORMS", "SESSION_KEY_ID", "SYNTHETIC_KEY_ID"}),
        ("token", {"SIGNING_KEY_ID", "KEYS_TABLE", "REVOCATIONS_TABLE", "REFRESH_GRACE_SECONDS"}),
        ("public", {"SIGNING_KEY_ID", "KEYS_TABLE", "REVOCATIONS_TABLE", "SESSION_KEY_ID"}),
    ],
)
def test_a_function_has_the_variables_that_it_needs_and_no_more(every, name, own):
    if every.name == "local" and name == "token":  # there alone clients may register
        own = own | {"REGISTRATION_TOKEN_SHA256"}
    assert variables(every, name).keys() == EVERYWHERE | own


@pytest.mark.strategy(
    "Development Environment: Lambda Functions: ib-oauth-*-dev", "Resource Optimization: Lambda configuration"
)
def test_functions_run_on_arm_with_traces_and_their_own_log_groups(every):
    for name in FUNCTIONS:
        found = function(every, name)
        assert (found["Runtime"], found["Architectures"]) == ("python3.13", ["arm64"])
        assert found["Handler"] == f"service.handlers.{name}.handler"
        assert found["TracingConfig"] == {"Mode": "Active"}
        group = every.service["Resources"][found["LoggingConfig"]["LogGroup"]["Ref"]]["Properties"]
        assert group["LogGroupName"] == f"/aws/lambda/ib-oauth-{name}-{every.name}"


@pytest.mark.strategy("Lambda Functions: Increased memory allocation", "Lambda Functions: Longer timeout settings")
def test_functions_have_the_memory_and_the_time_that_the_environment_says(every):
    for name, wanted in environments.load(every.name).service.functions.items():
        found = function(every, name)
        assert (found["MemorySize"], found["Timeout"]) == (wanted.memory_mb, wanted.timeout_seconds)


def test_lambda_takes_that_many_variables(every):
    for template in (every.service, every.orchestrator):
        for found in resources(template, "AWS::Lambda::Function").values():
            # What a name in angles becomes is at most a key's ARN, 76 characters longer than the shortest name here.
            own = found["Environment"]["Variables"].items()
            size = sum(len(key) + len(text_of(value)) + 76 * text_of(value).count("<import") for key, value in own)
            assert size <= LAMBDA_VARIABLES_BYTES, found["FunctionName"]


def test_what_the_api_answers_by_itself_suits_clients_and_says_when_to_try_again(every):
    answers = {
        answer["ResponseType"]: answer
        for answer in resources(every.service, "AWS::ApiGateway::GatewayResponse").values()
    }
    assert {kind: answer.get("StatusCode") for kind, answer in answers.items()} == {
        "THROTTLED": "429", "QUOTA_EXCEEDED": "429", "MISSING_AUTHENTICATION_TOKEN": "404",
        "INVALID_API_KEY": "403", "WAF_FILTERED": "403", "REQUEST_TOO_LARGE": "413", "DEFAULT_4XX": None, "DEFAULT_5XX": None,
    }  # fmt: skip
    for kind, answer in answers.items():
        template = json.loads(answer["ResponseTemplates"]["application/json"])
        assert template["error"], kind
        assert template["error_description"] == template["detail"]
        assert template.get("status") == (int(answer["StatusCode"]) if "StatusCode" in answer else None)
        waits = "gatewayresponse.header.Retry-After" in answer["ResponseParameters"]
        assert waits is (kind in {"THROTTLED", "QUOTA_EXCEEDED", "DEFAULT_5XX"})
    by_itself = json.loads(answers["DEFAULT_5XX"]["ResponseTemplates"]["application/json"])["detail"]
    assert "not known" in by_itself  # the function may have done it all
    assert "same request" in by_itself


def test_a_release_is_named_by_commit_code_and_configuration(prod, tmp_path):
    before = json.loads(variables(prod, "public")["RELEASE"])
    other = changed(environments.load("prod"), log_level="DEBUG")

    after = json.loads(variables(synthesise(tmp_path, other), "public")["RELEASE"])

    assert before == {"commit": "0" * 40, "build": "a" * 16, "configuration": before["configuration"]}
    assert after["build"] == before["build"]
    assert after["configuration"] != before["configuration"]


@pytest.mark.strategy("Regular Updates: Configuration changes")
def test_a_throttle_or_a_threshold_is_turned_without_another_release(prod):
    from infrastructure.service.stack import configuration_digest

    environment = environments.load("prod")
    alarms = dataclasses.replace(environment.service.alarms, p99_latency_ms=1)
    other = changed(environment, alarms=alarms, throttle_requests_per_second=1, throttle_burst_requests=1)

    assert configuration_digest(other) == configuration_digest(environment)
    assert configuration_digest(changed(environment, source_burst_requests=1)) != configuration_digest(environment)


@pytest.mark.strategy("Production Environment: Lambda Functions: ib-oauth-*-prod")
def test_an_environment_is_added_by_one_table(tmp_path):
    file = tmp_path / "environments.toml"
    platform = 'service = { issuer = "stage", platforms.example = { url = "https://p.example.com", title = "P" } }'
    file.write_text(f"{environments.settings_file().read_text()}\n[qa]\n{platform}\n")

    qa = synthesise(tmp_path / "qa", environments.load("qa", file))

    assert variables(qa, "token")["ISSUER"] == text_of(qa.service["Outputs"]["ApiUrl"]["Value"])
    assert variables(qa, "token")["ISSUER"].endswith("/qa")
    assert settings.load(variables(qa, "token") | {"ISSUER": "https://x.example/qa"}, "token").environment == "qa"


def test_what_is_invoked_asynchronously_has_somewhere_to_leave_what_it_could_not_do(every):
    """The service's functions are invoked by the API, tasks by their machines: those wait for an answer. Rules do not."""
    for template, any_are in ((every.service, False), (every.orchestrator, True)):
        invoked_later = {
            text_of(target["Arn"])[1:].partition(".")[0]
            for rule in resources(template, "AWS::Events::Rule").values()
            for target in rule["Targets"]
        } | {
            text_of(topic["Endpoint"])[1:].partition(".")[0]
            for topic in resources(template, "AWS::SNS::Subscription").values()
            if topic["Protocol"] == "lambda"
        }
        assert bool(invoked_later) is any_are
        for key, found in resources(template, "AWS::Lambda::Function").items():
            if key in invoked_later:
                assert "DeadLetterConfig" in found, found["FunctionName"]


@pytest.mark.strategy("Lambda Functions: Reserved concurrency")
def test_what_runs_at_once_is_reserved_where_the_environment_says_so(every):
    for name in FUNCTIONS:
        reserved = environments.load(every.name).service.functions[name].reserved_concurrency
        assert function(every, name).get("ReservedConcurrentExecutions") == reserved


def test_an_issuer_has_a_path_only_where_it_is_the_address_of_a_stage(every, synthesised):
    issuer = variables(every, "token")["ISSUER"]

    assert issuer == (
        environments.load(every.name).service.issuer or text_of(every.service["Outputs"]["ApiUrl"]["Value"])
    )
    assert issuer.startswith("http://127.0.0.1" if every.name == "local" else "https://")
    assert issuer.endswith(f"/{every.name}") is (every.name in {"local", "dev"})


def test_local_addresses_are_those_that_the_processes_got(tmp_path):
    environment = environments.load("local").with_addresses(
        endpoint_url="http://127.0.0.1:4001", platform_url="http://127.0.0.1:4002"
    )

    one = synthesise(tmp_path, environment)

    assert variables(one, "authorize")["ISSUER"].startswith("http://127.0.0.1:4001/_aws/execute-api/<")
    assert json.loads(variables(one, "authorize")["PLATFORMS"])["demo"]["url"] == "http://127.0.0.1:4002"


def test_routes_are_the_table_of_routes(every):
    methods = resources(every.service, "AWS::ApiGateway::Method").values()
    parts = resources(every.service, "AWS::ApiGateway::Resource")

    def path(ref: dict) -> str:
        found = parts.get(ref.get("Ref", ""))
        return f"{path(found['ParentId'])}/{found['PathPart']}" if found else ""

    routed = sorted((path(method["ResourceId"]), method["HttpMethod"]) for method in methods)

    known = {(path, method) for routes in ROUTES.values() for path, all_of in routes for method in all_of}
    heads = {(path, "HEAD") for path, method in known if method == "GET"}
    # The function answers a method that a path does not have with 405.
    assert routed == sorted(known | heads | {(path, "ANY") for path, _ in known})


def test_the_stage_traces_and_logs(every):
    (stage,) = resources(every.service, "AWS::ApiGateway::Stage").values()

    assert stage["StageName"] == every.name
    assert stage["TracingEnabled"] is True
    assert json.loads(stage["AccessLogSetting"]["Format"])["status"] == "$context.status"


@pytest.mark.strategy("Audit Trails: Access logs")
def test_access_logs_carry_no_code_and_no_token(every):
    (stage,) = resources(every.service, "AWS::ApiGateway::Stage").values()
    logged = stage["AccessLogSetting"]["Format"].lower()

    assert not any(
        word in logged for word in ("querystring", "header", "authorizer", "requestoverride", "$context.path")
    )


def test_every_signal_that_undoes_a_deployment_has_its_alarm(every):
    by_function = ("server-errors", "latency", "errors")

    assert alarms(every).keys() == {
        f"ib-oauth-api-server-errors-{every.name}",
        f"ib-oauth-token-refused-grants-{every.name}",
        *(f"ib-oauth-{name}-{what}-{every.name}" for name in FUNCTIONS for what in by_function),
    }


@pytest.mark.strategy("Monitoring & Alerts: Error rate monitoring")
def test_what_the_functions_say_of_themselves_is_judged_every_ten_seconds(every):
    for name, alarm in alarms(every).items():
        metrics = [
            (found["MetricStat"]["Metric"]["Namespace"], found["MetricStat"]["Period"])
            for found in alarm.get("Metrics", [])
            if "MetricStat" in found
        ] or [(alarm["Namespace"], alarm["Period"])]
        for namespace, period in metrics:
            # API Gateway's own errors are minutes, and so is what is subtracted from them.
            by_gateway = name.startswith("ib-oauth-api-")
            assert period == (10 if namespace == "IbOauth" and not by_gateway else 60), name


def test_a_rate_of_few_requests_does_not_ring(every):
    least = environments.load(every.name).service.alarms.minimum_requests
    for name, alarm in alarms(every).items():
        assert alarm["TreatMissingData"] == "notBreaching"
        if "latency" not in name:
            (expression,) = [found["Expression"] for found in alarm["Metrics"] if "Expression" in found]
            assert expression.startswith(f"IF(whole >= {least}, 100 * ")


def test_an_alarm_watches_pooled_traffic_and_no_version(every):
    for alarm in alarms(every).values():
        metrics = [found["MetricStat"]["Metric"] for found in alarm.get("Metrics", []) if "MetricStat" in found] or [
            alarm
        ]
        for metric in metrics:
            names = {dimension["Name"] for dimension in metric["Dimensions"]}
            assert names in (
                {"environment", "function"},
                {"environment", "function", "result"},
                {"FunctionName"},
                {"ApiName", "Stage"},
            )
