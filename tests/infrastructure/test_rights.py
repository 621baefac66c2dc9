"""No role may do anything that its row in a table does not say."""

import json

import pytest

from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from infrastructure.orchestrator.iam_grants import Grant, Ledger, Permissions
from infrastructure.orchestrator.iam_policies import policy_statements
from infrastructure.orchestrator.iam_resources import NAMED_BY_SETTINGS, Resource, Resources
from infrastructure.service.iam import ACCESS
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from orchestrator import environments
from service.storage.tables import TABLES
from tests.infrastructure.templates import resources, text_of

EVERY_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
SCALABLE = "arn::application-autoscaling:us-west-1::scalable-target/*"  # their ids are AWS's
APIS = ("arn::apigateway:us-west-1::/restapis", "arn::apigateway:us-west-1::/restapis/*")  # by ids that are drawn
DATA_KEY = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}


def as_list(value) -> list:
    return value if isinstance(value, list) else [value]


def statements(template: dict, role_name: str) -> list[dict]:
    (role,) = [found for found in resources(template, "AWS::IAM::Role").values() if found.get("RoleName") == role_name]
    assert role.get("ManagedPolicyArns", []) == []
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def actions(template: dict, role_name: str) -> set[str]:
    return {action for found in statements(template, role_name) for action in as_list(found["Action"])}


@pytest.fixture(scope="module")
def without_keys(synthesised):
    """An environment without customer managed keys, whose use takes rights of its own."""
    assert not environments.load("dev").customer_managed_keys
    return synthesised("dev")


def orchestrator_rows():
    return [(f"task-{name.replace('_', '-')}", spec.permissions) for name, spec in TASKS.items()] + [
        (f"event-{name.replace('_', '-')}", spec.permissions) for name, spec in EVENT_HANDLERS.items()
    ]


@pytest.mark.parametrize(
    ("what", "rights"), orchestrator_rows(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_role_of_the_orchestrator_is_its_row(without_keys, what, rights):
    wanted = EVERY_FUNCTION | {f"dynamodb:{action}" for action in rights.ledger.value}
    named = [grant for grant in rights.grants if not NAMED_BY_SETTINGS.issuperset(grant.resources)]
    wanted |= {action for grant in named for action in grant.actions}
    if rights.publishes_events:
        wanted.add("events:PutEvents")
    if "sns:Publish" in wanted:
        wanted |= {"kms:Decrypt", "kms:GenerateDataKey"}
    if what.startswith("event"):
        wanted.add("sqs:SendMessage")

    assert actions(without_keys.orchestrator, f"ib-oauth-{what}-dev") == wanted


@pytest.mark.parametrize("name", ACCESS)
def test_a_role_of_the_service_is_its_row(without_keys, name):
    row = ACCESS[name]
    wanted = EVERY_FUNCTION | {f"dynamodb:{action}" for action in (*row.state, *row.tokens, *row.revocations)}
    wanted |= {f"kms:{action}" for action in (*row.signing, *row.session, *row.synthetic)}
    wanted |= {"dynamodb:GetItem"} if row.signing else set()  # of the key ring

    assert actions(without_keys.service, f"ib-oauth-{name}-dev") == wanted


@pytest.mark.parametrize("name", ACCESS)
def test_tables_are_fenced_by_the_keys_a_function_has_business_with(local, name):
    row = ACCESS[name]
    fences = {
        found["Sid"]: found["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for found in statements(local.service, f"ib-oauth-{name}-local")
        if found["Sid"].endswith("Table")
    }

    ring = {"KeysTable": ["ring"]} if row.signing else {}
    log = {"RevocationsTable": list(row.revocations_keys)} if row.revocations else {}
    assert fences == {"StateTable": list(row.state_keys), "TokensTable": list(row.tokens_keys), **log, **ring}


def test_the_log_of_revocations_is_added_to_by_the_token_function_and_by_no_function_of_the_service_read_or_cleared(
    every,
):
    touching = {
        (name, action, *as_list(statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]))
        for name in ACCESS
        for statement in statements(every.service, f"ib-oauth-{name}-{every.name}")
        if any("Revocations" in text_of(resource) for resource in as_list(statement["Resource"]))
        for action in as_list(statement["Action"])
    }

    # The health check reads a key that no entry has.
    assert touching == {
        ("token", "dynamodb:PutItem", "revoked#*", "disowned#*", "synthetic#*"),
        ("public", "dynamodb:GetItem", "health"),
    }


def test_the_function_that_answers_deep_health_knows_every_table_of_the_stack_and_may_read_its_probed_key(every):
    """A table that the list in the service lacks, or that deep health may not read, is found here."""
    tables = {
        found["TableName"]: logical for logical, found in resources(every.service, "AWS::DynamoDB::Table").items()
    } | {
        found["TableName"]: logical for logical, found in resources(every.service, "AWS::DynamoDB::GlobalTable").items()
    }
    public = next(
        found
        for found in resources(every.service, "AWS::Lambda::Function").values()
        if found["FunctionName"] == f"ib-oauth-public-{every.name}"
    )
    variables = {name: text_of(value) for name, value in public["Environment"]["Variables"].items()}
    assert {variables[table.variable] for table in TABLES.values()} == set(tables)
    for table in TABLES.values():
        readable = [
            statement
            for statement in statements(every.service, f"ib-oauth-public-{every.name}")
            if "dynamodb:GetItem" in as_list(statement["Action"])
            and any(
                tables[variables[table.variable]] in json.dumps(resource) for resource in as_list(statement["Resource"])
            )
        ]
        keys = [
            key
            for found in readable
            for key in as_list(found["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
        ]
        assert table.probed_key in keys


def test_the_token_function_alone_signs(every):
    signing = {name for name in ACCESS if "kms:Sign" in actions(every.service, f"ib-oauth-{name}-{every.name}")}

    assert signing == {"token"}


def test_only_those_who_move_traffic_may_update_an_alias(every):
    movers = {
        what
        for what, _ in orchestrator_rows()
        if "lambda:UpdateAlias" in actions(every.orchestrator, f"ib-oauth-{what}-{every.name}")
    }

    assert movers == {"task-shift-traffic", "task-promote", "task-revert-aliases"}
    for name in ACCESS:
        assert not any(
            action.startswith("lambda:") for action in actions(every.service, f"ib-oauth-{name}-{every.name}")
        )


def test_one_task_makes_functions_for_drills_and_gives_them_one_role_which_reaches_copies_and_nothing_else(every):
    passing = {
        (what, text_of(one["Resource"]), one["Condition"]["StringEquals"]["iam:PassedToService"])
        for what, _ in orchestrator_rows()
        for one in statements(every.orchestrator, f"ib-oauth-{what}-{every.name}")
        if "iam:PassRole" in as_list(one["Action"])
    }
    # The other one is passed to AWS Backup, which restores recovery points with it.
    assert {(what, role.partition(".")[0].strip("<")[:-8], service) for what, role, service in passing} == {
        ("task-start-isolated-service", "DrillFunctionsRole", "lambda.amazonaws.com"),
        ("task-start-restore", "DrillRestoreRole", "backup.amazonaws.com"),
    }
    makes = [
        text_of(resource)
        for one in statements(every.orchestrator, f"ib-oauth-task-start-isolated-service-{every.name}")
        if "lambda:CreateFunction" in as_list(one["Action"])
        for resource in as_list(one["Resource"])
    ]
    assert [arn.rpartition(":")[2] for arn in makes] == [f"ib-oauth-drill-*-{every.name}"]
    own = statements(every.orchestrator, f"ib-oauth-functions-of-drills-{every.name}")
    tables = [
        text_of(resource)
        for one in own
        if any(action.startswith("dynamodb:") for action in as_list(one["Action"]))
        for resource in as_list(one["Resource"])
    ]
    assert [arn.rpartition("/")[2] for arn in tables] == [f"ib-oauth-drill-*-{every.name}"]
    signs = [text_of(one["Resource"]) for one in own if "kms:Sign" in as_list(one["Action"])]
    assert len(signs) == 1
    assert "SigningOfDrillsKey" in signs[0]


@pytest.mark.strategy("Infrastructure Security: IAM roles and policies")
def test_nothing_may_act_as_it_likes(every):
    for template in (every.service, every.orchestrator):
        roles = [role for role in resources(template, "AWS::IAM::Role").values() if role.get("Policies")]
        for role in roles:
            for policy in role["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    assert not any("*" in action for action in as_list(statement["Action"])), role["RoleName"]


def test_a_whole_resource_wildcard_is_for_actions_that_know_no_resource(every):
    allowed = {
        "xray:PutTraceSegments", "xray:PutTelemetryRecords", "cloudwatch:GetMetricData", "tag:GetResources", "kms:CreateKey",
        "lambda:ListFunctions", "iam:ListRoles", "events:ListRules", "scheduler:ListSchedules", "dynamodb:ListTables",
        "kms:ListAliases", "states:ListStateMachines", "sns:ListTopics", "sqs:ListQueues", "logs:DescribeLogGroups",
        "application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies", "dynamodb:ListBackups",
        "cloudwatch:DescribeAlarms", "lambda:ListEventSourceMappings",
        "backup:DescribeRestoreJob", "backup:ListRestoreJobs", "backup:PutRestoreValidationResult",
    }  # fmt: skip
    for template in (every.service, every.orchestrator):
        for role in resources(template, "AWS::IAM::Role").values():
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "*" in as_list(statement["Resource"]):
                        assert set(as_list(statement["Action"])) <= allowed, role["RoleName"]


def tagged_as_of(environment: str) -> dict:
    return {"StringEquals": {"aws:ResourceTag/ib-oauth:signing-key": environment}}


def to_be_tagged_as_of(environment: str) -> dict:
    return {"StringEquals": {"aws:RequestTag/ib-oauth:signing-key": environment}}


def test_the_key_rotation_makes_and_removes_the_environments_own_keys_and_signs_nothing(every):
    of_keys = {
        action: found
        for found in statements(every.orchestrator, f"ib-oauth-event-rotate-signing-keys-{every.name}")
        for action in as_list(found["Action"])
        if action.startswith("kms:") and action not in DATA_KEY
    }
    tagged, to_be = tagged_as_of(every.name), to_be_tagged_as_of(every.name)

    assert {action: found["Condition"] for action, found in of_keys.items()} == {
        "kms:DescribeKey": tagged,
        "kms:GetPublicKey": tagged,
        "kms:DisableKey": tagged,
        "kms:ScheduleKeyDeletion": tagged,
        "kms:CreateKey": to_be,
        "kms:TagResource": to_be,
    }


def test_only_the_rotation_writes_which_keys_sign_and_only_there(every):
    def is_the_ring(arn: str) -> bool:
        return arn.endswith(f"table/ib-oauth-keys-{every.name}") or "<KeysTable" in arn

    assert any(name.startswith("KeysTable") for name in resources(every.service, "AWS::DynamoDB::Table"))
    writers = {
        (template_name, role["RoleName"])
        for template_name, template in (("service", every.service), ("orchestrator", every.orchestrator))
        for role in resources(template, "AWS::IAM::Role").values()
        for policy in role.get("Policies", [])
        for found in policy["PolicyDocument"]["Statement"]
        if "dynamodb:PutItem" in as_list(found["Action"])
        and any(is_the_ring(text_of(arn)) for arn in as_list(found["Resource"]))
    }

    assert writers == {("orchestrator", f"ib-oauth-event-rotate-signing-keys-{every.name}")}
    (found,) = [
        one
        for one in statements(every.orchestrator, f"ib-oauth-event-rotate-signing-keys-{every.name}")
        if "dynamodb:PutItem" in as_list(one["Action"]) and one.get("Sid") != "Ledger"
    ]
    assert found["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ring"]}}


def test_places_under_different_conditions_are_not_put_into_one_grant():
    rights = Permissions(
        Ledger.READS, publishes_events=False, grants=(Grant(("kms:Sign",), (Resource.SIGNING_KEYS, Resource.LOGS)),)
    )
    arns = {place: ["arn"] for place in Resource}
    places = Resources(
        arns=arns,
        conditions={Resource.SIGNING_KEYS: {}},
        ledger="",
        bus="",
        ledger_key=None,
        topics_key=None,
        ring_key=None,
        variables_key=None,
        evidence_key=None,
    )
    with pytest.raises(ValueError, match="give each resource a grant of its own"):
        policy_statements(rights, places, "us-west-1")


def test_a_signing_key_is_used_by_its_name_or_by_its_tag(every):
    for name, row in ACCESS.items():
        found = [
            statement
            for statement in statements(every.service, f"ib-oauth-{name}-{every.name}")
            if set(as_list(statement["Action"])) & {"kms:Sign", "kms:GetPublicKey"}
        ]
        assert {statement["Sid"] for statement in found} == ({"SigningKey", "RingKeys"} if row.signing else set())
        for statement in found:
            by_tag = statement["Sid"] == "RingKeys"
            assert statement.get("Condition") == (tagged_as_of(every.name) if by_tag else None)
            assert text_of(statement["Resource"]).endswith(":key/*") is by_tag


@pytest.mark.strategy("Production Environment: Purpose: live service for real clients")
def test_rights_end_at_the_environment(every):
    for template in (every.service, every.orchestrator):
        for role in resources(template, "AWS::IAM::Role").values():
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if statement.get("Condition") in (
                        tagged_as_of(every.name),
                        to_be_tagged_as_of(every.name),
                        {"StringEquals": {"aws:ResourceTag/environment": every.name}},
                    ):
                        continue  # keys have no names; their tag is the environment's
                    for resource in as_list(statement["Resource"]):
                        # By the environment's name, or by reference to something of these two stacks.
                        named = text_of(resource).replace("<AWS::Partition>", "").replace("<AWS::AccountId>", "")
                        known = {"*", SCALABLE, *APIS}
                        assert named in known or "<" in named or every.name in named, named


@pytest.mark.strategy("Infrastructure Security: KMS encryption")
def test_customer_keys_are_used_through_dynamodb_only(prod):
    for template, names in (
        (prod.service, [f"ib-oauth-{name}-prod" for name in ACCESS]),
        (prod.orchestrator, [f"ib-oauth-{what}-prod" for what, _ in orchestrator_rows()]),
    ):
        for name in names:
            (found,) = [one for one in statements(template, name) if one.get("Sid") in {"DataKey", "LedgerKey"}]
            assert found["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"}}


def test_composite_alarms_are_described_with_a_right_to_all_alarms(every):
    """DescribeAlarms of CompositeAlarm wants a permission "that is scoped to *" (API reference)."""
    describing = [
        found
        for role in resources(every.orchestrator, "AWS::IAM::Role").values()
        for policy in role.get("Policies", [])
        for found in policy["PolicyDocument"]["Statement"]
        if "cloudwatch:DescribeAlarms" in as_list(found["Action"])
    ]

    assert len(describing) > 3
    assert {(found["Resource"], str(found.get("Condition"))) for found in describing} == {("*", "None")}


def test_a_role_that_updates_a_table_may_have_dynamodb_use_its_key(prod):
    """DynamoDB uses a table's key with the rights of the caller that changes the table (encryption at rest: usage notes)."""
    changing = {
        what: {
            action
            for found in statements(prod.orchestrator, f"ib-oauth-{what}-prod")
            if found.get("Sid") in {"TableKey", "RestoreKey"}
            for action in as_list(found["Action"])
        }
        for what, rights in orchestrator_rows()
        if any("dynamodb:UpdateTable" in grant.actions for grant in rights.grants)
    }

    assert {"task-reapply-settings", "task-clean-up"} <= changing.keys()
    assert all({"kms:DescribeKey", "kms:CreateGrant"} <= actions for actions in changing.values()), changing


def test_variables_are_decrypted_for_a_function_and_for_its_versions(prod):
    """CloudTrail's samples show the unqualified ARN for $LATEST. AWS does not say what a version's context is."""
    functions = [(prod.service, name) for name in ACCESS] + [
        (prod.orchestrator, what) for what, _ in orchestrator_rows()
    ]
    for template, name in functions:
        (found,) = [one for one in statements(template, f"ib-oauth-{name}-prod") if one.get("Sid") == "Variables"]
        ((operator, context),) = found["Condition"].items()
        own, versions = (text_of(arn) for arn in context["kms:EncryptionContext:aws:lambda:FunctionArn"])
        assert operator == "ArnLike"
        assert own.endswith(f":function:ib-oauth-{name}-prod")
        assert versions == f"{own}:*"


def test_only_those_who_change_or_restore_tables_have_dynamodb_granted_their_key_and_only_through_it(prod):
    granting = {
        what: found["Condition"]
        for what, _ in orchestrator_rows()
        for found in statements(prod.orchestrator, f"ib-oauth-{what}-prod")
        # Who changes a function's variables has Lambda granted their key: another one, through another service.
        if "kms:CreateGrant" in as_list(found["Action"]) and found.get("Sid") != "ServiceVariables"
    }

    assert "task-start-restore" in granting
    through = {"StringEquals": {"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"}}
    assert all(condition == through for condition in granting.values())


def test_who_only_reads_the_ledger_only_decrypts(prod):
    """But for who writes heartbeats into the other table that the ledger's key encrypts."""
    readers = [what for what, rights in orchestrator_rows() if rights.ledger is Ledger.READS]
    (found,) = [
        one
        for one in statements(prod.orchestrator, "ib-oauth-event-write-heartbeats-prod")
        if one.get("Sid") == "LedgerKey"
    ]
    assert set(found["Action"]) == DATA_KEY
    assert readers
    for reader in readers:
        (found,) = [
            one for one in statements(prod.orchestrator, f"ib-oauth-{reader}-prod") if one.get("Sid") == "LedgerKey"
        ]
        assert found["Action"] == "kms:Decrypt"


def test_every_place_is_used():
    used = {
        place
        for spec in (
            *(*TASKS.values(), *EVENT_HANDLERS.values(), *OPTIONAL_HANDLERS.values()),
            *(*FAILOVER_TASKS.values(), *FAILOVER_HANDLERS.values()),
        )
        for grant in spec.permissions.grants
        for place in grant.resources
    }

    assert used == set(Resource)


def test_a_role_that_reads_a_function_s_configuration_reads_its_variables_and_one_that_changes_them_encrypts_them(
    synthesised,
):
    """A release is named by its variables, too: where they cannot be read, changed settings would ship unseen."""
    one = synthesised("prod")
    for what, rights in orchestrator_rows():
        named = {action for grant in rights.grants for action in grant.actions}
        shown = {f"lambda:{one}" for one in ("GetFunctionConfiguration", "PublishVersion", "ListVersionsByFunction")}
        wanted = {"kms:Decrypt"} if named & shown else set()
        if "lambda:UpdateFunctionConfiguration" in named:
            wanted |= {"kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant"}
        found = [
            statement
            for statement in statements(one.orchestrator, f"ib-oauth-{what}-prod")
            if statement.get("Sid") == "ServiceVariables"
        ]
        assert {action for statement in found for action in as_list(statement["Action"])} == wanted, what
        for statement in found:
            assert statement["Condition"] == {"StringEquals": {"kms:ViaService": "lambda.us-west-1.amazonaws.com"}}


def test_who_takes_configuration_snapshots_reads_the_variables_of_the_orchestrator_s_functions_too(prod):
    """Lambda reports them as undecipherable otherwise, and a snapshot would not show that they were changed."""
    for what, rights in orchestrator_rows():
        takes = any("lambda:ListFunctions" in grant.actions for grant in rights.grants)
        found = [
            one for one in statements(prod.orchestrator, f"ib-oauth-{what}-prod") if one.get("Sid") == "TaskVariables"
        ]
        assert [(one["Action"], one["Condition"]) for one in found] == (
            [("kms:Decrypt", {"StringEquals": {"kms:ViaService": "lambda.us-west-1.amazonaws.com"}})] if takes else []
        ), what


def test_who_reads_objects_may_list_their_bucket(every, everything_on):
    """Otherwise S3 reports a missing object as a refusal, and code that waits for NoSuchKey sees an unnamed error.

    A condition on the prefix is not met by GetObject (`tests/contract/s3/test_missing_objects.py`).
    """
    readers, unlisted = 0, []
    for template in (*every.all, *everything_on.all):
        for role in resources(template, "AWS::IAM::Role").values():
            found = [one for policy in role.get("Policies", []) for one in policy["PolicyDocument"]["Statement"]]
            listed = {
                text_of(arn)
                for one in found
                if "s3:ListBucket" in as_list(one["Action"]) and "Condition" not in one
                for arn in as_list(one["Resource"])
            }
            read = {
                text_of(arn).partition("/")[0]
                for one in found
                if "s3:GetObject" in as_list(one["Action"])
                for arn in as_list(one["Resource"])
            }
            readers += bool(read)
            unlisted += sorted(read - listed)

    assert readers >= 4
    assert unlisted == []
