"""docs/reference/access.md matches the templates, and the access that it lists is the intended access."""

import pytest

from tests.infrastructure.access import PAGE, Templates, accesses, page, read, things


@pytest.fixture(scope="module")
def templates(synthesised):
    return read(synthesised("prod").files)


def who(templates, kind: str, name: str, action: str, effect: str = "Allow") -> set[str]:
    return {
        access.who
        for access in accesses(templates)
        if (access.thing.kind, access.thing.name, access.effect) == (kind, name, effect)
        and any(one == action or (one.endswith("*") and action.startswith(one[:-1])) for one in access.actions)
    }


def test_the_page_is_what_the_templates_say(templates):
    assert PAGE.read_text(encoding="utf-8") == page(templates), "run `python -m tests.infrastructure.access`"


def test_the_token_function_alone_signs_and_all_other_roles_are_denied_it(templates):
    assert who(templates, "key", "signing", "Sign") == {"token"}
    assert who(templates, "key", "signing", "Sign", "Deny") == {"every principal"}
    (denied,) = [one for one in accesses(templates) if one.thing.name == "signing" and one.effect == "Deny"]
    assert denied.only == "but `token`"


def test_sessions_at_platforms_are_opened_by_the_service_alone(templates):
    # AWS Backup's role may decrypt by the tag of the environment; the key's own policy denies it this key.
    assert who(templates, "key", "session", "Decrypt") == {"authorize", "public", "restores-of-drills"}
    assert who(templates, "key", "session", "Encrypt") == {"authorize"}
    (denied,) = [one for one in accesses(templates) if one.thing.name == "session" and one.effect == "Deny"]
    assert denied.only == "but `authorize`, `public`"


def test_the_alias_is_moved_by_those_tasks_that_move_it(templates):
    for name in ("authorize", "token", "public"):
        movers = who(templates, "alias", f"{name}:live", "UpdateAlias")
        assert movers >= {"task-promote", "task-revert-aliases", "task-shift-traffic"}
        assert all(mover.startswith("task-") for mover in movers)
        assert "apigateway.amazonaws.com" in who(templates, "alias", f"{name}:live", "InvokeFunction")


def test_items_of_the_service_are_written_by_the_service_and_nothing_but_heartbeats_by_others(templates):
    """But for the tasks of cut-overs that bring tables level and replay late writes, and the reconciler, which replays them
    for a restore that died: they have a right to them all the time."""
    writing = [one for one in accesses(templates) if one.thing.name in {"state", "tokens"} and "PutItem" in one.actions]

    assert {one.who for one in writing if one.only != "items `heartbeat#*`"} == {
        "authorize",
        "token",
        "task-sync-tables",
        "task-replay-late-writes",
        "task-replay-new-writes",
        "task-unblock-source-tables",
        "event-reconcile",
    }
    assert "public" not in who(templates, "table", "tokens", "UpdateItem")


def test_every_table_key_and_alias_of_the_templates_is_there(templates):
    found = {(thing.kind, thing.name) for thing in things(templates)}

    assert {("table", name) for name in ("state", "tokens", "keys", "ledger")} <= found
    assert {
        ("key", name) for name in ("data", "signing", "session", "synthetic", "ledger", "topics", "security")
    } <= found
    assert {("alias", f"{name}:live") for name in ("authorize", "token", "public")} <= found


# --- how a policy is read ------------------------------------------------------------------------------------


def small(statement: dict, *, exported: bool = False) -> Templates:
    role = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "ib-oauth-x-prod"}}
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {"Roles": [{"Ref": "Role"}], "PolicyDocument": {"Statement": [statement]}},
    }
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "ib-oauth-t-prod"}}
    exports = {"Out": {"Value": {"Fn::GetAtt": ["T", "Arn"]}, "Export": {"Name": "stores:T"}}}
    return Templates(
        {
            "stores": {"Resources": {"T": table}, "Outputs": exports if exported else {}},
            "users": {"Resources": {"Role": role, "Policy": policy}},
        }
    )


ARN = "arn:<AWS::Partition>:dynamodb:us-west-1:<AWS::AccountId>:table/ib-oauth-"


@pytest.mark.parametrize(
    ("resource", "applies"),
    [
        ({"Fn::ImportValue": "stores:T"}, True),
        (ARN + "t-prod", True),
        (ARN + "*", True),
        ("*", True),
        (ARN + "other-prod", False),
        ({"Fn::GetAtt": ["T", "Arn"]}, False),  # of the other stack, where T is something else
    ],
)
def test_a_statement_applies_to_what_it_names_in_whatever_way(resource, applies):
    statement = {"Effect": "Allow", "Action": ["dynamodb:GetItem", "s3:GetObject"], "Resource": [resource]}

    found = accesses(small(statement, exported=True))

    assert [(one.who, one.actions) for one in found] == ([("x", ("GetItem",))] if applies else [])


def test_what_narrows_a_statement_is_reported():
    statement = {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": ARN + "t-prod",
        "Condition": {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["code#*"]},
            "Bool": {"aws:SecureTransport": "true"},
        },
    }

    (found,) = accesses(small(statement))

    assert found.only == "items `code#*`; Bool aws:SecureTransport"
