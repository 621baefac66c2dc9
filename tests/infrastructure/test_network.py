"""The service's functions in a network of their own, in an environment that asks for one."""

import dataclasses
import json
from fnmatch import fnmatchcase

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks

from orchestrator import environments
from tests.infrastructure.access import read
from tests.infrastructure.templates import named, resources, synthesise, text_of
from tests.infrastructure.test_rights import as_list, statements

CALLED_BY_LAMBDA = ("logs", "ec2")
"""Lambda calls these with a function's role, and not from the function's network."""


@pytest.fixture(scope="module")
def walled(tmp_path_factory):
    """Production in a network, in an account, as AwsSolutions saw it."""
    network = environments.NetworkSettings("10.20.0.0/20")
    prod = dataclasses.replace(environments.load("prod"), network=network, account="123456789012")
    folder = tmp_path_factory.mktemp("walled")
    return synthesise(folder, prod, prepare=lambda app: Validations.of(app).add_plugins(AwsSolutionsChecks(app)))


def place(one, name: str) -> tuple[list[str], list[str]]:
    """A function's subnets and security groups."""
    found = named(one.service, "AWS::Lambda::Function", "FunctionName", f"ib-oauth-{name}-prod")["VpcConfig"]
    return [subnet["Ref"] for subnet in found["SubnetIds"]], [text_of(group) for group in found["SecurityGroupIds"]]


def leads_to(one, subnet: str) -> set[str]:
    """What the routes of a subnet lead to in addition to the network itself."""
    found = resources(one.service, "AWS::EC2::SubnetRouteTableAssociation").values()
    (table,) = [own["RouteTableId"]["Ref"] for own in found if own["SubnetId"]["Ref"] == subnet]
    routes = [
        route
        for route in resources(one.service, "AWS::EC2::Route").values()
        if route["RouteTableId"]["Ref"] == table and route["DestinationCidrBlock"] == "0.0.0.0/0"
    ]
    return {"nat" if "NatGatewayId" in route else "internet" for route in routes}


@pytest.mark.strategy("Lambda Functions: VPC integration if needed")
def test_no_environment_has_a_network_unless_it_says_so(every):
    assert not resources(every.service, "AWS::EC2::VPC")
    assert not any("VpcConfig" in own for own in resources(every.service, "AWS::Lambda::Function").values())


def test_only_the_function_that_calls_other_peoples_servers_has_a_way_out(walled):
    ways = {name: place(walled, name) for name in environments.FUNCTIONS}

    assert {name: {way for subnet in ways[name][0] for way in leads_to(walled, subnet)} for name in ways} == {
        "authorize": {"nat"},
        "token": set(),
        "public": set(),
    }
    assert ways["token"] == ways["public"]
    assert len(ways["token"][0]) == len(ways["authorize"][0]) == 2


@pytest.mark.strategy("Infrastructure Security: Security groups")
def test_nothing_comes_in_and_only_https_goes_out(walled):
    groups = resources(walled.service, "AWS::EC2::SecurityGroup")
    (endpoints,) = [key for key in groups if "EndpointsGroup" in key]
    let_in = resources(walled.service, "AWS::EC2::SecurityGroupIngress").values()

    assert not any("SecurityGroupIngress" in group for group in groups.values())
    assert {text_of(rule["GroupId"]) for rule in let_in} == {f"<{endpoints}.GroupId>"}
    assert {(rule["FromPort"], rule["ToPort"]) for rule in let_in} == {(443, 443)}
    for key in groups.keys() - {endpoints}:
        (way,) = groups[key]["SecurityGroupEgress"]
        assert (way["IpProtocol"], way["FromPort"], way["ToPort"]) == ("tcp", 443, 443)


def test_endpoints_serve_the_account_and_its_own_tables_only(walled):
    endpoints = {
        text_of(found["ServiceName"]).rpartition(".")[2]: found
        for found in resources(walled.service, "AWS::EC2::VPCEndpoint").values()
    }

    assert endpoints.keys() == {"dynamodb", "kms", "xray"}
    for found in endpoints.values():
        (statement,) = found["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
    (of_tables,) = endpoints["dynamodb"]["PolicyDocument"]["Statement"]
    table = "arn:<AWS::Partition>:dynamodb:us-west-1:123456789012:table/ib-oauth-restored-*-{}-prod"
    assert {text_of(arn) for arn in of_tables["Resource"]} == {
        *(f"<{key}.Arn>" for key in resources(walled.service, "AWS::DynamoDB::Table")),
        *(table.format(role) for role in ("state", "tokens")),
    }
    assert len(endpoints["dynamodb"]["RouteTableIds"]) == 6  # the closed subnets' among them


@pytest.mark.parametrize("where", ["home", "elsewhere"])
def test_the_endpoints_let_through_all_that_the_functions_may_do(everything_on, elsewhere, where):
    """At home, and where the tables in use are restored ones. What an endpoint's policy leaves out is denied."""
    one = everything_on if where == "home" else elsewhere("staging")
    names = read(one.files)
    endpoints = {
        text_of(found["ServiceName"]).rpartition(".")[2]: found["PolicyDocument"]["Statement"][0]
        for found in resources(one.service, "AWS::EC2::VPCEndpoint").values()
    }
    open_to = {
        service: names.texts("ib-oauth-stack-staging", found["Resource"]) for service, found in endpoints.items()
    }
    role_suffix = "" if where == "home" else "-eu-west-1"
    refused, looked_at = set(), 0
    for function in environments.FUNCTIONS:
        for statement in statements(one.service, f"ib-oauth-{function}-staging{role_suffix}"):
            for action in as_list(statement["Action"]):
                service = action.partition(":")[0]
                if statement["Effect"] == "Deny" or service in CALLED_BY_LAMBDA:
                    continue
                looked_at += 1
                for arn in names.texts("ib-oauth-stack-staging", statement["Resource"]):
                    if not {arn, "*"} & open_to[service] or not fnmatchcase(action, endpoints[service]["Action"]):
                        refused.add((function, action, arn))

    assert looked_at > 20
    assert refused == set()


@pytest.mark.strategy("Infrastructure Security: VPC configuration")
def test_what_flows_is_recorded(walled):
    (flow,) = resources(walled.service, "AWS::EC2::FlowLog").values()

    assert flow["TrafficType"] == "ALL"
    group = walled.service["Resources"][flow["LogGroupName"]["Ref"]]["Properties"]
    assert (group["LogGroupName"], group["RetentionInDays"]) == ("/aws/vpc/ib-oauth-network-prod", 365)


@pytest.mark.parametrize("name", environments.FUNCTIONS)
def test_lambda_may_attach_a_function_and_the_function_may_not(walled, name):
    found = {own["Sid"]: own for own in statements(walled.service, f"ib-oauth-{name}-prod") if "Sid" in own}
    allowed, denied = found["Network"], found["DenyNetworkToFunctionCode"]

    assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
    assert allowed["Action"] == denied["Action"]
    (function,) = denied["Condition"]["ArnEquals"].values()
    assert text_of(function).endswith(f":123456789012:function:ib-oauth-{name}-prod")


def test_the_aliases_are_the_same_text_within_a_network(walled, prod):
    for kind in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
        assert resources(walled.service, kind) == resources(prod.service, kind)


def test_aws_solutions_finds_nothing_in_it(walled):
    report = json.loads((walled.folder / "validation-report.json").read_bytes())
    (nag,) = [found for found in report["pluginReports"] if found["pluginName"] == "AwsSolutions"]

    assert nag["violations"] == []
