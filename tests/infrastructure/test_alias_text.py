"""An alias belongs to the orchestrator once it is made: no change of code or settings may change its template."""

import dataclasses
import json

import pytest

from infrastructure.service.api import ROUTES
from orchestrator import environments
from tests.infrastructure.templates import changed, resources, synthesise

FUNCTIONS = ("Authorize", "Token", "Public")


def text(template: dict, logical_id: str) -> str:
    return json.dumps(template["Resources"][logical_id])


def bigger(environment: environments.Environment) -> environments.Environment:
    service = environment.service
    return dataclasses.replace(
        changed(
            environment,
            functions={name: environments.FunctionSettings(2048, 29) for name in service.functions},
            clients=(*service.clients, dataclasses.replace(service.clients[0], client_id="another", synthetic=False)),
            issuer="https://elsewhere.example.com",
            log_level="ERROR",
        ),
        customer_managed_keys=False,
        deletion_protection=False,
        log_retention_days=1,
    )


@pytest.fixture(scope="module")
def other_release(tmp_path_factory):
    """Production with other code and every setting changed."""
    return synthesise(tmp_path_factory.mktemp("other"), bigger(environments.load("prod")), code="b")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_alias_is_three_properties_and_nothing_else(every, function):
    alias = every.service["Resources"][f"{function}Live"]

    assert alias["Type"] == "AWS::Lambda::Alias"
    assert alias["Properties"] == {
        "FunctionName": {"Ref": f"{function}Function"},
        "FunctionVersion": {"Fn::GetAtt": [f"{function}FirstVersion", "Version"]},
        "Name": "live",
    }
    assert not alias.keys() & {"DependsOn", "Condition", "UpdatePolicy"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_alias_and_first_version_are_the_same_text_after_every_change(prod, other_release, function):
    for logical_id in (f"{function}Live", f"{function}FirstVersion"):
        assert text(prod.service, logical_id) == text(other_release.service, logical_id)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_code_and_settings_did_change_in_that_comparison(prod, other_release, function):
    before, after = (one.service["Resources"][f"{function}Function"]["Properties"] for one in (prod, other_release))

    assert before["FunctionName"] == after["FunctionName"]
    assert all(before[key] != after[key] for key in ("Code", "Environment", "MemorySize", "Timeout"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_the_alias_refers_to_is_never_replaced(prod, other_release, function):
    # A Ref resolves to the function's name: it changes only when the function is replaced, which a new name would do.
    functions = [resources(one.service, "AWS::Lambda::Function") for one in (prod, other_release)]

    assert [found[f"{function}Function"]["FunctionName"] for found in functions] == [
        f"ib-oauth-{function.lower()}-prod"
    ] * 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_first_version_stays_when_the_stack_goes(every, function):
    version = every.service["Resources"][f"{function}FirstVersion"]

    assert version["Properties"] == {"FunctionName": {"Ref": f"{function}Function"}}
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_service_has_no_other_alias_or_version(every):
    assert resources(every.service, "AWS::Lambda::Alias").keys() == {f"{name}Live" for name in FUNCTIONS}
    assert resources(every.service, "AWS::Lambda::Version").keys() == {f"{name}FirstVersion" for name in FUNCTIONS}


def test_the_api_reaches_functions_through_their_aliases_only(every):
    methods = resources(every.service, "AWS::ApiGateway::Method").values()
    reached = {json.dumps(method["Integration"]["Uri"]) for method in methods}

    assert len(reached) == len(ROUTES)
    assert all(sum(f'"Ref": "{name}Live"' in uri for name in FUNCTIONS) == 1 for uri in reached)
    assert {method["Integration"]["Type"] for method in methods} == {"AWS_PROXY"}


def test_only_live_may_be_invoked_by_the_api(every):
    permissions = resources(every.service, "AWS::Lambda::Permission").values()

    assert {permission["FunctionName"]["Ref"] for permission in permissions} == {f"{name}Live" for name in FUNCTIONS}


@pytest.mark.strategy("Regular Updates: Infrastructure updates")
def test_the_stack_policy_denies_updates_of_aliases_and_versions():
    policy = json.loads(
        (environments.settings_file().parent / "infrastructure" / "service" / "stack_policy.json").read_text()
    )
    denied = {
        kind: set(statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
        for statement in policy["Statement"]
        if statement["Effect"] == "Deny"
        for kind in statement["Condition"]["StringEquals"]["ResourceType"]
    }

    assert denied["AWS::Lambda::Alias"] == denied["AWS::Lambda::Version"] == {"Update:*"}
    for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::KMS::Key"):
        assert denied[kind] == {"Update:Replace", "Update:Delete"}


@pytest.mark.parametrize("folder", ["service", "orchestrator"])
def test_the_stack_policies_deny_replacing_and_removing_what_keeps_data(folder):
    policy = json.loads(
        (environments.settings_file().parent / "infrastructure" / folder / "stack_policy.json").read_text()
    )
    denied = {
        kind
        for statement in policy["Statement"]
        if statement["Effect"] == "Deny" and set(statement["Action"]) == {"Update:Replace", "Update:Delete"}
        for kind in statement["Condition"]["StringEquals"]["ResourceType"]
    }
    assert denied >= {"AWS::DynamoDB::Table", "AWS::KMS::Key"}


def test_the_orchestrator_s_stack_may_go_on_to_other_versions_of_its_own_functions():
    policy = json.loads(
        (environments.settings_file().parent / "infrastructure" / "orchestrator" / "stack_policy.json").read_text()
    )
    assert "AWS::Lambda::Version" not in json.dumps(policy)
