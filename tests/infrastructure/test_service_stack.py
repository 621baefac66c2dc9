"""What the service's stack has in every environment."""

import dataclasses
import json
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from infrastructure.service.api import ROUTES
from orchestrator import environments
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.restore import environment_variables_for, settings_after
from orchestrator.environments.toml_editor import with_value
from service import settings
from tests.infrastructure.templates import changed, named, resources, synthesise, text_of
from tests.samples import recovery, restored_tables

FUNCTIONS = ("authorize", "token", "public")
LAMBDA_VARIABLES_BYTES = 4096
EVERYWHERE = {
    "ENVIRONMENT", "ISSUER", "STATE_TABLE", "TOKENS_TABLE", "CLIENTS", "RELEASE", "SOURCE_REQUESTS_PER_SECOND", "SOURCE_BURST_REQUESTS",
    "CLIENT_DOCUMENTS", "REGISTRATION", "MANAGED_CLIENTS", "SELF_DESCRIBED_CLIENT_SCOPES",
}  # fmt: skip


def function(one, name: str) -> dict:
    return named(one.service, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-{name}-{one.name}")


def variables(one, name: str) -> dict[str, str]:
    return {key: text_of(value) for key, value in function(one, name)["Environment"]["Variables"].items()}


def alarms(one) -> dict[str, dict]:
    return {alarm["AlarmName"]: alarm for alarm in resources(one.service, "AWS::CloudWatch::Alarm").values()}


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


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_logs_and_variables_of_functions_are_under_keys_of_ours(synthesised, name):
    one = synthesised(name)
    for template, alias in ((one.service, "variables"), (one.orchestrator, "task-variables")):
        aliases = {
            own["AliasName"]: own["TargetKeyId"]["Fn::GetAtt"][0]
            for own in resources(template, "AWS::KMS::Alias").values()
        }
        variables_key = aliases[f"alias/ib-oauth-{alias}-{name}"]
        functions = resources(template, "AWS::Lambda::Function").values()
        groups = resources(template, "AWS::Logs::LogGroup").values()
        assert {text_of(own["KmsKeyArn"]) for own in functions} == {f"<{variables_key}.Arn>"}
        assert len({text_of(own["KmsKeyId"]) for own in groups}) == 1


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_a_function_reads_its_own_variables_and_no_others(synthesised, name):
    one = synthesised(name)
    for template in (one.service, one.orchestrator):
        for function in resources(template, "AWS::Lambda::Function").values():
            role = template["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
            (own,) = [
                statement
                for policy in role["Policies"]
                for statement in policy["PolicyDocument"]["Statement"]
                if statement.get("Sid") == "Variables"
            ]
            (arns,) = own["Condition"]["ArnLike"].values()
            assert own["Action"] == "kms:Decrypt"
            unqualified, qualified = map(text_of, arns)
            assert unqualified.endswith(f":function:{function['FunctionName']}")
            assert qualified == f"{unqualified}:*"


def test_cloudwatch_uses_the_key_of_logs_for_groups_of_ours_only(prod):
    for template in (prod.service, prod.orchestrator):
        (logs,) = [
            statement
            for key in resources(template, "AWS::KMS::Key").values()
            for statement in key["KeyPolicy"]["Statement"]
            if statement.get("Sid") == "Logs"
        ]
        assert logs["Principal"] == {"Service": "logs.us-west-1.amazonaws.com"}
        (pattern,) = logs["Condition"]["ArnLike"].values()
        names = [own["LogGroupName"] for own in resources(template, "AWS::Logs::LogGroup").values()]
        assert all(fnmatchcase(name, text_of(pattern).rpartition("log-group:")[2]) for name in names)


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
        for key, function in resources(template, "AWS::Lambda::Function").items():
            if key in invoked_later:
                assert "DeadLetterConfig" in function, function["FunctionName"]


@pytest.mark.strategy("Lambda Functions: Reserved concurrency")
def test_what_runs_at_once_is_reserved_where_the_environment_says_so(every):
    for name in FUNCTIONS:
        reserved = environments.load(every.name).service.functions[name].reserved_concurrency
        assert function(every, name).get("ReservedConcurrentExecutions") == reserved


def test_clients_are_written_without_what_they_do_not_have(local):
    clients = {client["client_id"]: client for client in json.loads(variables(local, "token")["CLIENTS"])}

    assert clients["demo-client"] == {
        "client_id": "demo-client",
        "name": "Demo client",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "scopes": ["profile", "email"],
    }
    assert clients["synthetic"]["synthetic"] is True
    assert "secret_sha256" in clients["demo-server"]
    assert set(clients["demo-api"]) == {"client_id", "name", "scopes", "identifies_as", "secret_sha256"}
    assert clients["demo-server"]["resources"] == clients["demo-api"]["identifies_as"]


def test_clients_without_configuration_are_switched_on_by_the_environment(every):
    documents, registration = every.name in {"local", "dev"}, every.name == "local"

    for name in FUNCTIONS:
        values = variables(every, name)
        assert (values["CLIENT_DOCUMENTS"] == "on", values["REGISTRATION"] == "on") == (documents, registration)
        assert values["SELF_DESCRIBED_CLIENT_SCOPES"].startswith("profile")
        assert (values["MANAGED_CLIENTS"] == "on") == (every.name == "local")


def test_the_token_function_alone_knows_by_what_clients_register(tmp_path):
    one = synthesise(tmp_path, changed(environments.load("prod"), registration_token_sha256="a" * 64))

    assert {variables(one, name)["REGISTRATION"] for name in FUNCTIONS} == {"on"}
    assert [name for name in FUNCTIONS if "REGISTRATION_TOKEN_SHA256" in variables(one, name)] == ["token"]


def client(number: int = 0, **changes) -> environments.ClientSettings:
    described = {"client_id": f"client-{number}", "name": "A client", "redirect_uris": ("https://c.example/callback",)}
    return environments.ClientSettings(**{**described, "scopes": ("profile",), **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"redirect_uris": ("http://c.example/cb",)}, "redirect_uris: http://c.example/cb must use https"),
        ({"redirect_uris": ("https://c.example/cb#f",)}, "redirect_uris: "),
        ({"name": "two\nlines"}, "name"),
        ({"scopes": ("two words",)}, "scopes"),
        ({"resources": ("api.example",)}, "resources must be absolute URIs"),
        ({"identifies_as": ("https://api.example/",)}, "identifies_as needs secret_sha256"),
    ],
)
def test_a_client_that_no_function_would_accept_is_refused_by_its_place(tmp_path, changes, said):
    prod = environments.load("prod")
    wrong = changed(prod, clients=(*prod.service.clients, client(**changes)))

    with pytest.raises(environments.EnvironmentRefused) as refused:
        synthesise(tmp_path, wrong)

    assert "prod.service.clients[1]: 'client-0' is refused: " in str(refused.value)
    assert said in str(refused.value)


def test_more_clients_than_lambda_takes_are_refused_with_the_remedy(tmp_path):
    prod = environments.load("prod")
    many = changed(prod, clients=(*prod.service.clients, *(client(number) for number in range(40))))

    with pytest.raises(
        environments.EnvironmentRefused, match=r"prod\.service\.clients: '\d+ bytes.*4096.*client_metadata_documents"
    ):
        synthesise(tmp_path, many)


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


@pytest.mark.strategy(
    "Development Environment: DynamoDB Tables: ib-oauth-state-dev, ib-oauth-tokens-dev",
    "DynamoDB: Point-in-time recovery",
)
def test_tables_are_recoverable_and_forget_what_has_expired(every):
    tables = resources(every.service, "AWS::DynamoDB::Table")

    assert {table["TableName"] for table in tables.values()} == {
        f"ib-oauth-{what}-{every.name}" for what in ("state", "tokens", "keys", "revocations")
    }
    for table in tables.values():
        assert table["KeySchema"] == [{"AttributeName": "pk", "KeyType": "HASH"}]
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["TimeToLiveSpecification"] == {"AttributeName": "delete_at", "Enabled": True}


@pytest.mark.strategy("Production Environment: DynamoDB Tables: ib-oauth-state-prod, ib-oauth-tokens-prod")
@pytest.mark.parametrize("name", ["staging", "prod"])
def test_data_outlives_its_stack_where_the_environment_protects_it(synthesised, name):
    one = synthesised(name)
    for template in (one.service, one.orchestrator):
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup"}:
                kept = resource["DeletionPolicy"], resource["UpdateReplacePolicy"]
                assert kept == ("RetainExceptOnCreate", "Retain"), logical_id
        for table in resources(template, "AWS::DynamoDB::Table").values():
            assert table["DeletionProtectionEnabled"] is True
            assert table["SSESpecification"]["SSEType"] == "KMS"


def test_nothing_remains_of_a_local_stack(local):
    for template in (local.service, local.orchestrator):
        for logical_id, resource in template["Resources"].items():
            if (
                resource["Type"] not in {"AWS::Lambda::Version", "AWS::ApiGateway::Account"}
                and "CloudWatchRole" not in logical_id
            ):
                assert resource.get("DeletionPolicy", "Delete") == "Delete", logical_id


def test_keys_are_of_the_kinds_that_the_service_needs(every):
    aliases = resources(every.service, "AWS::KMS::Alias").values()
    keys = {
        alias["AliasName"]: every.service["Resources"][alias["TargetKeyId"]["Fn::GetAtt"][0]]["Properties"]
        for alias in aliases
    }

    def kind(what: str) -> tuple:
        key = keys[f"alias/ib-oauth-{what}-{every.name}"]
        return key.get("KeySpec"), key.get("KeyUsage"), key.get("EnableKeyRotation")

    assert kind("signing") == ("ECC_NIST_P256", "SIGN_VERIFY", None)
    assert kind("synthetic") == ("HMAC_256", "GENERATE_VERIFY_MAC", None)
    assert kind("session")[2] is True
    assert {"Key": "ib-oauth:signing-key", "Value": every.name} in keys[f"alias/ib-oauth-signing-{every.name}"]["Tags"]


@pytest.mark.strategy(
    "Development Environment: CloudWatch Log Groups: /aws/lambda/ib-oauth-*-dev",
    "Production Environment: CloudWatch Log Groups: /aws/lambda/ib-oauth-*-prod",
    "Monitoring: Log retention policy",
    "Backup Strategy: Log retention",
    "Resource Optimization: Log retention",
)
def test_logs_are_kept_as_long_as_the_environment_says(every):
    days = environments.load(every.name).log_retention_days
    for template in (every.service, every.orchestrator):
        groups = resources(template, "AWS::Logs::LogGroup").values()
        assert {group["RetentionInDays"] for group in groups} == {days}
        assert all(group["LogGroupName"].startswith(("/aws/", "aws-waf-logs-")) for group in groups)


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


def test_once_the_settings_are_written_the_stack_sets_the_variables_that_a_cut_over_set(tmp_path, synthesised):
    tables = tuple(
        replace(table, target=f"ib-oauth-restored-dr-1-{table.role}-staging") for table in restored_tables("dr-1")
    )
    done = recovery(kind=Kind.RESTORE, tables=tables, least_epoch=3)
    document = environments.settings_file().read_text(encoding="utf-8")
    for setting, value in settings_after(done).items():
        document = with_value(document, "staging.service.tables", setting, value)
    (file := tmp_path / "environments.toml").write_text(document, encoding="utf-8")
    one = synthesise(tmp_path, environments.load("staging", file))

    for name in environments.FUNCTIONS:
        before = variables(synthesised("staging"), name)
        assert variables(one, name) == environment_variables_for(before, done, 3) != before
    assert "ib-oauth-tokens-staging" in {
        table["TableName"] for table in resources(one.service, "AWS::DynamoDB::Table").values()
    }
    (role,) = [
        role
        for role in resources(one.service, "AWS::IAM::Role").values()
        if role.get("RoleName") == "ib-oauth-token-staging"
    ]
    (statement,) = [
        found for found in role["Policies"][0]["PolicyDocument"]["Statement"] if found["Sid"] == "TokensTable"
    ]
    named = [text_of(resource).rpartition("/")[2] for resource in statement["Resource"]]
    # In addition to it the copies of any restore, and the stack's own table, for the way back; never a drill's.
    assert named == [
        "ib-oauth-restored-dr-1-tokens-staging",
        "ib-oauth-restored-*-tokens-staging",
        "ib-oauth-tokens-staging",
    ]


@pytest.mark.strategy("Production Environment: Stack Name: ib-oauth-stack-prod")
def test_a_stack_in_production_cannot_be_deleted_by_mistake(synthesised):
    manifest = json.loads((synthesised("prod").folder / "manifest.json").read_bytes())
    stacks = [found for name, found in manifest["artifacts"].items() if found["type"] == "aws:cloudformation:stack"]

    assert len(stacks) > 1
    assert all(found["properties"]["terminationProtection"] for found in stacks)
