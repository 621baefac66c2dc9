"""Production's policies allow every call that functions were recorded to make, and little else.

The policies are roles, permissions boundary, key policies, resource policies and endpoint policies. They only ever limit
one another, so what is allowed with boundary and network is allowed without.
"""

import copy
import dataclasses

import pytest

from tests.infrastructure.permissions import recorded
from tests.infrastructure.permissions.deployed import listed
from tests.infrastructure.permissions.implied import DeployedCall
from tests.infrastructure.permissions.replay import Unmapped, calls_in, policies_of, replay
from tests.infrastructure.permissions.usage import Grant, Row, read_table, unused_grants


def test_nothing_that_is_needed_is_denied(outcomes):
    assert len(outcomes) > 1000
    denied = [outcome for outcome in outcomes if not outcome.answer.allowed]
    assert not denied, "\n".join(map(str, denied))


def test_no_condition_key_of_a_call_is_one_that_the_action_does_not_have(outcomes):
    """Such a key would make a condition that no request meets, or a fence that fences nothing."""
    ignored = {
        (outcome.call.action, key)
        for outcome in outcomes
        for key in outcome.answer.ignored
        if key in outcome.call.context
    }
    assert ignored == set()


def test_every_function_of_the_environment_was_recorded(deployed):
    """A function that no run calls would have rights that nothing shows to be needed, and lack others unseen.

    The table names those that no run reaches, with the reason.
    """
    known = {call.role for call in recorded.read()} | {
        role for row in read_table() if row.grants == ("*",) for role in row.roles
    }
    missing = {deployed.short_name(one.role) for one in deployed.functions.values()} - known
    assert missing == set()


def test_partition_keys_are_recorded_of_every_role_that_has_a_fence(deployed):
    """Without a partition key in the request, `ForAllValues` lets everything through: the replay would show nothing."""
    fenced = {
        deployed.short_name(role.name)
        for role in deployed.roles.values()
        for statement in role.statements
        if "dynamodb:LeadingKeys" in str(statement.get("Condition"))
    }
    assert fenced == set(recorded.FENCED)


# --- nothing is granted that is not used --------------------------------------------------------------------


def test_what_is_granted_and_not_used_has_its_reason(deployed, outcomes):
    rows = read_table()
    unexplained = {one for one in unused_grants(deployed, outcomes) if not any(row.covers(one) for row in rows)}
    assert unexplained == set()


def test_every_row_of_the_table_is_true(deployments, replayed):
    """Each grant of a row is unused by each role that the row names, in one deployment at least."""
    unused = {one for deployed in deployments.values() for one in unused_grants(deployed, replayed(deployed))}
    stale = [
        (role, grant)
        for row in read_table()
        for role in row.roles
        for grant in row.grants
        if not any(Row((role,), (grant,), row.reason).covers(one) for one in unused)
    ]
    assert stale == []
    assert all(row.reason.endswith(".") for row in read_table())


# --- the checks themselves ----------------------------------------------------------------------------------


def changed(deployed, change, *roles):
    """What the replay says of the calls of some roles after a change of the policies."""
    policies = copy.deepcopy(policies_of(deployed))
    change(policies)
    calls = [call for call in calls_in(deployed, recorded.read()) if not roles or call.role in roles]
    return replay(deployed, calls, policies)


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ("role:ib-oauth-task-shift-traffic-prod", "lambda:UpdateAlias"),
        ("role:ib-oauth-token-prod", "kms:Sign"),
        ("role:ib-oauth-task-start-restore-prod", "kms:CreateGrant"),
        ("role:ib-oauth-machine-drill-prod", "states:StopExecution"),
    ],
)
def test_an_action_that_is_taken_from_a_role_is_missed(deployments, policy, action):
    def take(policies):
        for statement in policies[policy]["Statement"]:
            statement["Action"] = [one for one in listed(statement["Action"]) if one != action] or ["sts:TagSession"]

    role = policy.removeprefix("role:")
    denied = {one.call.action for one in changed(deployments["prod"], take, role) if not one.answer.allowed}

    assert denied == {action}


def test_a_key_policy_that_denies_is_seen(deployments):
    deployed = deployments["prod"]
    key = deployed.key_with_alias("session")

    def deny(policies):
        for statement in policies[f"resource:{key}"]["Statement"]:
            if statement["Effect"] == "Deny":
                statement.pop("Condition")

    denied = {
        (deployed.short_name(one.call.role), one.call.action)
        for one in changed(deployed, deny, "ib-oauth-authorize-prod", "ib-oauth-public-prod")
        if not one.answer.allowed
    }

    assert denied == {("authorize", "kms:Encrypt"), ("authorize", "kms:Decrypt"), ("public", "kms:Decrypt")}


@pytest.mark.parametrize(
    ("policy", "role", "action"),
    [
        ("boundary:", "ib-oauth-task-shift-traffic-prod", "lambda:*"),
        ("endpoint:dynamodb", "ib-oauth-token-prod", "dynamodb:*"),
        ("endpoint:kms", "ib-oauth-token-prod", "kms:*"),
    ],
)
def test_a_boundary_and_an_endpoint_that_lack_a_service_are_seen(deployments, policy, role, action):
    def take(policies):
        (key,) = [key for key in policies if key.startswith(policy)]
        for statement in policies[key]["Statement"]:
            statement["Action"] = [one for one in listed(statement["Action"]) if one != action] or ["sts:TagSession"]

    deployed = deployments["prod with everything on"]
    denied = [one.call for one in changed(deployed, take, role) if not one.answer.allowed]

    assert {one.action.partition(":")[0] for one in denied} == {action.partition(":")[0]}
    # What AWS does for the function does not go through the function's network.
    assert policy.startswith("boundary") or all(one.by_code for one in denied)


def test_an_action_and_a_resource_that_nothing_needs_are_found(deployments):
    deployed = deployments["prod"]
    role = deployed.roles["ib-oauth-task-complete-prod"]
    surplus = {
        "Effect": "Allow",
        "Action": ["dynamodb:DeleteTable", "dynamodb:GetItem"],
        "Resource": [deployed.table_arn("ib-oauth-ledger-prod"), deployed.table_arn("payroll")],
    }
    outcomes = changed(deployed, lambda policies: policies[f"role:{role.name}"]["Statement"].append(surplus), role.name)
    before = unused_grants(deployed, outcomes, [role])
    after = unused_grants(deployed, outcomes, [dataclasses.replace(role, statements=(*role.statements, surplus))])

    found = after - before
    assert Grant("task-complete", "dynamodb:DeleteTable") in found
    assert Grant("task-complete", "dynamodb:table/payroll") in found
    assert not any(row.covers(one) for row in read_table() for one in found)


def test_a_recorded_call_of_something_that_production_does_not_have_is_no_pass(deployments):
    for call in (
        recorded.Call("task-gone", "dynamodb:GetItem", "arn:aws:dynamodb:{region}:{account}:table/a"),
        recorded.Call("token", "kms:Decrypt", "arn:aws:kms:{region}:{account}:key/{key:gone}"),
    ):
        with pytest.raises(Unmapped, match="gone"):
            calls_in(deployments["prod"], {call: ["a run"]})


def test_the_code_of_a_function_in_a_network_may_not_attach_what_lambda_attaches(deployments):
    deployed = deployments["prod with everything on"]
    subnet = f"arn:aws:ec2:{deployed.region}:{deployed.account}:subnet/subnet-0123"
    calls = [
        DeployedCall("ib-oauth-token-prod", "ec2:CreateNetworkInterface", subnet, by_code=by_code)
        for by_code in (False, True)
    ]

    assert [one.answer.allowed for one in replay(deployed, calls)] == [True, False]
