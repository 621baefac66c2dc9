"""No role may do anything that its row in a table does not say."""

import pytest

from orchestrator.infrastructure_access import INTAKES, TASKS, Ledger, Place
from service.infrastructure_access import ACCESS
from tests.infrastructure.templates import resources, text_of

EVERYBODY = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"}
ALL_ALARMS = "arn::cloudwatch:us-west-1::alarm:*"  # CloudWatch authorises a description of alarms on all of them
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
    wanted = EVERYBODY | {f"dynamodb:{action}" for action in (*row.state, *row.tokens)}
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
    assert fences == {"StateTable": list(row.state_keys), "TokensTable": list(row.tokens_keys), **ring}


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


def test_nothing_may_act_as_it_likes(every):
    for template in (every.service, every.orchestrator):
        roles = [role for role in resources(template, "AWS::IAM::Role").values() if role.get("Policies")]
        for role in roles:
            for policy in role["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    assert not any("*" in action for action in as_list(statement["Action"])), role["RoleName"]


def test_a_whole_resource_wildcard_is_for_actions_that_know_no_resource(every):
    allowed = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "cloudwatch:GetMetricData"}
    for template in (every.service, every.orchestrator):
        for role in resources(template, "AWS::IAM::Role").values():
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "*" in as_list(statement["Resource"]):
                        assert set(as_list(statement["Action"])) <= allowed, role["RoleName"]


def tagged_as_of(environment: str) -> dict:
    return {"StringEquals": {"aws:ResourceTag/ib-oauth:signing-key": environment}}


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
                    if tagged_as_of(every.name) == statement.get("Condition"):
                        continue  # keys that a rotation makes have no name; their tag is the environment's
                    for resource in as_list(statement["Resource"]):
                        # By the environment's name, or by reference to something of these two stacks.
                        named = text_of(resource).replace("<AWS::Partition>", "").replace("<AWS::AccountId>", "")
                        assert named in {"*", ALL_ALARMS} or "<" in named or every.name in named, named


def test_customer_keys_are_used_through_dynamodb_only(prod):
    for template, names in (
        (prod.service, [f"ib-oauth-{name}-prod" for name in ACCESS]),
        (prod.orchestrator, [f"ib-oauth-{what}-prod" for what, _ in orchestrator_rows()]),
    ):
        for name in names:
            (found,) = [one for one in statements(template, name) if one.get("Sid") in {"DataKey", "LedgerKey"}]
            assert found["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"}}


def test_who_only_reads_the_ledger_only_decrypts(prod):
    (reader,) = [what for what, rights in orchestrator_rows() if rights.ledger is Ledger.READS]
    (found,) = [
        one for one in statements(prod.orchestrator, f"ib-oauth-{reader}-prod") if one.get("Sid") == "LedgerKey"
    ]

    assert found["Action"] == "kms:Decrypt"


def test_every_place_is_used():
    used = {
        place for rights in (*TASKS.values(), *INTAKES.values()) for grant in rights.grants for place in grant.places
    }

    assert used == set(Place)
