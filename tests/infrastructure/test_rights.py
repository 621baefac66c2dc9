"""No role may do anything that its row in a table does not say."""

import pytest

from orchestrator.infrastructure_access import INTAKES, TASKS, Grant, Ledger, Rights
from orchestrator.infrastructure_places import Place, Places
from orchestrator.infrastructure_statements import statements_of
from service.infrastructure_access import ACCESS, REVOCATIONS_KEYS
from tests.infrastructure.templates import resources, text_of

EVERYBODY = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
SCALABLE = "arn::application-autoscaling:us-west-1::scalable-target/*"  # their ids are AWS's
ALL_ALARMS = "arn::cloudwatch:us-west-1::alarm:*"  # CloudWatch authorises a description of alarms on all of them
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


def orchestrator_rows():
    return [(f"task-{name.replace('_', '-')}", rights) for name, rights in TASKS.items()] + [
        (f"intake-{name.replace('_', '-')}", rights) for name, rights in INTAKES.items()
    ]


@pytest.mark.parametrize(
    ("what", "rights"), orchestrator_rows(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_role_of_the_orchestrator_is_its_row(local, what, rights):
    wanted = EVERYBODY | {f"dynamodb:{action}" for action in rights.ledger.value}
    wanted |= {action for grant in rights.grants for action in grant.actions}
    if rights.announces:
        wanted.add("events:PutEvents")
    if "sns:Publish" in wanted:
        wanted |= DATA_KEY
    if what.startswith("intake"):
        wanted.add("sqs:SendMessage")

    assert actions(local.orchestrator, f"ib-oauth-{what}-local") == wanted


@pytest.mark.parametrize("name", ACCESS)
def test_a_role_of_the_service_is_its_row(local, name):
    row = ACCESS[name]
    wanted = EVERYBODY | {f"dynamodb:{action}" for action in (*row.state, *row.tokens, *row.revocations)}
    wanted |= {f"kms:{action}" for action in (*row.signing, *row.session, *row.synthetic)}
    wanted |= {"dynamodb:GetItem"} if row.signing else set()  # of the key ring

    assert actions(local.service, f"ib-oauth-{name}-local") == wanted


@pytest.mark.parametrize("name", ACCESS)
def test_tables_are_fenced_by_the_keys_a_function_has_business_with(local, name):
    row = ACCESS[name]
    fences = {
        found["Sid"]: found["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for found in statements(local.service, f"ib-oauth-{name}-local")
        if found["Sid"].endswith("Table")
    }

    ring = {"KeysTable": ["ring"]} if row.signing else {}
    log = {"RevocationsTable": list(REVOCATIONS_KEYS)} if row.revocations else {}
    assert fences == {"StateTable": list(row.state_keys), "TokensTable": list(row.tokens_keys), **log, **ring}


def test_the_log_of_revocations_is_added_to_by_the_token_function_and_by_nobody_in_the_service_read_or_cleared(every):
    touching = {
        (name, action)
        for name in ACCESS
        for statement in statements(every.service, f"ib-oauth-{name}-{every.name}")
        if any("Revocations" in text_of(resource) for resource in as_list(statement["Resource"]))
        for action in as_list(statement["Action"])
    }

    assert touching == {("token", "dynamodb:PutItem")}


def test_the_token_function_alone_signs(every):
    signing = {name for name in ACCESS if "kms:Sign" in actions(every.service, f"ib-oauth-{name}-{every.name}")}

    assert signing == {"token"}


def test_only_those_who_move_traffic_may_update_an_alias(every):
    movers = {
        what
        for what, _ in orchestrator_rows()
        if "lambda:UpdateAlias" in actions(every.orchestrator, f"ib-oauth-{what}-{every.name}")
    }

    assert movers == {"task-shift-traffic", "task-promote", "task-restore-aliases"}
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
    ((what, role, service),) = passing
    assert (what, "DrillFunctionsRole" in role, service) == ("task-serve-restored", True, "lambda.amazonaws.com")
    makes = [
        text_of(resource)
        for one in statements(every.orchestrator, f"ib-oauth-task-serve-restored-{every.name}")
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


def test_whoever_rotates_keys_makes_and_removes_the_environments_own_and_signs_nothing(every):
    of_keys = {
        action: found
        for found in statements(every.orchestrator, f"ib-oauth-intake-rotate-keys-{every.name}")
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

    assert writers == {("orchestrator", f"ib-oauth-intake-rotate-keys-{every.name}")}
    (found,) = [
        one
        for one in statements(every.orchestrator, f"ib-oauth-intake-rotate-keys-{every.name}")
        if "dynamodb:PutItem" in as_list(one["Action"]) and one.get("Sid") != "Ledger"
    ]
    assert found["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["ring"]}}


def test_places_under_different_conditions_are_not_put_into_one_grant():
    rights = Rights(Ledger.READS, announces=False, grants=(Grant(("kms:Sign",), (Place.SIGNING_KEYS, Place.LOGS)),))
    arns = {place: ["arn"] for place in Place}
    places = Places(
        arns=arns,
        conditions={Place.SIGNING_KEYS: {}},
        ledger="",
        bus="",
        ledger_key=None,
        topics_key=None,
        ring_key=None,
        variables_key=None,
        evidence_key=None,
    )
    with pytest.raises(ValueError, match="give each place a grant of its own"):
        statements_of(rights, places, "us-west-1")


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
                        known = {"*", ALL_ALARMS, SCALABLE, *APIS}
                        assert named in known or "<" in named or every.name in named, named


def test_customer_keys_are_used_through_dynamodb_only(prod):
    for template, names in (
        (prod.service, [f"ib-oauth-{name}-prod" for name in ACCESS]),
        (prod.orchestrator, [f"ib-oauth-{what}-prod" for what, _ in orchestrator_rows()]),
    ):
        for name in names:
            (found,) = [one for one in statements(template, name) if one.get("Sid") in {"DataKey", "LedgerKey"}]
            assert found["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"}}


def test_only_those_who_restore_have_dynamodb_granted_the_tables_key_and_only_through_it(prod):
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
    readers = [what for what, rights in orchestrator_rows() if rights.ledger is Ledger.READS]
    assert readers
    for reader in readers:
        (found,) = [
            one for one in statements(prod.orchestrator, f"ib-oauth-{reader}-prod") if one.get("Sid") == "LedgerKey"
        ]
        assert found["Action"] == "kms:Decrypt"


def test_every_place_is_used():
    used = {
        place for rights in (*TASKS.values(), *INTAKES.values()) for grant in rights.grants for place in grant.places
    }

    assert used == set(Place)


def test_whoever_reads_a_function_s_configuration_reads_its_variables_and_who_changes_them_encrypts_them(synthesised):
    """A release is named by its variables, too: where they cannot be read, changed settings would ship unseen."""
    one = synthesised("prod")
    for what, rights in orchestrator_rows():
        named = {action for grant in rights.grants for action in grant.actions}
        wanted = {"kms:Decrypt"} if "lambda:GetFunctionConfiguration" in named else set()
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
