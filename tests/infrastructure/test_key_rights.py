"""The rights to keys: of signatures, of tables and of variables."""

import pytest

from infrastructure.orchestrator.iam_grants import Ledger
from infrastructure.service.iam import ACCESS
from tests.infrastructure.roles import as_list, orchestrator_rows, statements, tagged_as_of, to_be_tagged_as_of
from tests.infrastructure.templates import resources, text_of

DATA_KEY = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}


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


@pytest.mark.strategy("Infrastructure Security: KMS encryption")
def test_customer_keys_are_used_through_dynamodb_only(prod):
    for template, names in (
        (prod.service, [f"ib-oauth-{name}-prod" for name in ACCESS]),
        (prod.orchestrator, [f"ib-oauth-{what}-prod" for what, _ in orchestrator_rows()]),
    ):
        for name in names:
            (found,) = [one for one in statements(template, name) if one.get("Sid") in {"DataKey", "LedgerKey"}]
            assert found["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.us-west-1.amazonaws.com"}}


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
