"""No role may do anything that its row in a table does not say."""

import json

import pytest

from infrastructure.orchestrator.functions import EVENT_HANDLERS, OPTIONAL_HANDLERS, TASKS
from infrastructure.orchestrator.iam_arns import Resources
from infrastructure.orchestrator.iam_grants import Grant, Ledger, Permissions
from infrastructure.orchestrator.iam_policies import policy_statements
from infrastructure.orchestrator.iam_resources import NAMED_BY_SETTINGS, Resource
from infrastructure.service.iam import ACCESS
from infrastructure.standby.functions import FAILOVER_HANDLERS, FAILOVER_TASKS
from orchestrator import environments
from service.storage.tables import TABLES
from tests.infrastructure.roles import actions, as_list, orchestrator_rows, statements, tagged_as_of, to_be_tagged_as_of
from tests.infrastructure.templates import resources, text_of

EVERY_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
SCALABLE = "arn::application-autoscaling:us-west-1::scalable-target/*"  # their ids are AWS's
APIS = ("arn::apigateway:us-west-1::/restapis", "arn::apigateway:us-west-1::/restapis/*")  # by ids that are drawn


@pytest.fixture(scope="module")
def without_keys(synthesised):
    """An environment without customer managed keys, whose use takes rights of its own."""
    assert not environments.load("dev").customer_managed_keys
    return synthesised("dev")


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
    # The others are passed to AWS Backup: it restores recovery points with one and, with that of the backup plan, copies
    # them back from the other region.
    copies = {(what, role) for what, role, _ in passing if ":role/" in role}
    region = environments.load(every.name).backups.copy_region
    of_the_plan = f"arn:<AWS::Partition>:iam::<AWS::AccountId>:role/ib-oauth-backups-{every.name}"
    assert copies == ({("task-start-restore", of_the_plan)} if region else set())
    assert {
        (what, role.partition(".")[0].strip("<")[:-8], service)
        for what, role, service in passing
        if (what, role) not in copies
    } == {
        ("task-start-isolated-service", "DrillFunctionsRole", "lambda.amazonaws.com"),
        ("task-start-restore", "DrillRestoreRole", "backup.amazonaws.com"),
    }
    assert {service for what, role, service in passing if (what, role) in copies} <= {"backup.amazonaws.com"}
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
        "backup:DescribeCopyJob", "backup:DescribeRestoreJob", "backup:ListRestoreJobs", "backup:PutRestoreValidationResult",
    }  # fmt: skip
    for template in (every.service, every.orchestrator):
        for role in resources(template, "AWS::IAM::Role").values():
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "*" in as_list(statement["Resource"]):
                        assert set(as_list(statement["Action"])) <= allowed, role["RoleName"]


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
