"""The tables, keys and logs of the service in every environment."""

import json
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from orchestrator import environments
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.restore import environment_variables_for, settings_after
from orchestrator.environments.toml_editor import with_value
from tests.infrastructure.service_stack import variables
from tests.infrastructure.templates import resources, synthesise, text_of
from tests.samples import recovery, restored_tables


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
