"""The service's functions in a network of their own, where an environment asks for one.

Nothing here needs a VPC: every store is an AWS API under IAM. Who has to have one gets one in which nothing comes in, the functions
that need only AWS have no way out but to its endpoints, and `authorize` alone reaches the internet, by https: the platforms at which
people log in and the documents of clients are there, at addresses that nobody knows beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Fn, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from environments import Environment, NetworkSettings
from stack_parts import log_group, name_of, worldwide

REACHES_OUT = ("authorize",)
"""The functions that call somebody else's servers."""

_ZONES = 2
_HTTPS = ec2.Port.tcp(443)
# What Lambda needs of a function's role to attach it, by AWSLambdaVPCAccessExecutionRole. None of them knows resources that exist
# before; so the function itself is denied what Lambda may do in its name.
_ATTACHES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True)
class Attachment:
    """Where a function is in the network."""

    vpc: ec2.IVpc
    vpc_subnets: ec2.SubnetSelection
    security_groups: Sequence[ec2.ISecurityGroup]


class Network(Construct):
    """The VPC, its endpoints, and one security group for each way out.

    Args:
        scope: the stack.
        environment: where.
        settings: of the network.
        tables: what may be reached through DynamoDB's endpoint.
    """

    def __init__(
        self, scope: Construct, environment: Environment, settings: NetworkSettings, tables: Sequence[dynamodb.ITable]
    ) -> None:
        super().__init__(scope, "Network")
        self._vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=name_of("network", environment),
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            # By position: asking which zones there are would take credentials.
            availability_zones=[Fn.select(zone, Fn.get_azs()) for zone in range(_ZONES)],
            restrict_default_security_group=False,  # that would be a function of its own; nothing is in the default group
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Gateways", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Outward", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name="Closed", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        self._groups = {
            "Outward": self._group("Outward", "Functions that call platforms and AWS, by https"),
            "Closed": self._group("Closed", "Functions that call AWS, by https; their subnets lead nowhere else"),
        }
        self._endpoints(tables)
        self._record_flows(environment)

    def of(self, function: str) -> Attachment:
        """Where a function belongs."""
        side = "Outward" if function in REACHES_OUT else "Closed"
        return Attachment(self._vpc, ec2.SubnetSelection(subnet_group_name=side), [self._groups[side]])

    def _group(self, side: str, description: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, f"{side}Group", vpc=self._vpc, description=description, allow_all_outbound=False
        )
        # DynamoDB's gateway endpoint is reached at public addresses, which a route of the subnet takes there.
        group.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, description)
        return group

    def _endpoints(self, tables: Sequence[dynamodb.ITable]) -> None:
        """Give AWS's services that functions call addresses inside, for the account's own principals and tables only."""
        of_the_account = {"StringEquals": {"aws:PrincipalAccount": Stack.of(self).account}}
        gateway = self._vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        gateway.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["dynamodb:*"],
                resources=[table.table_arn for table in tables],
                conditions=of_the_account,
            )
        )
        callers = ec2.SecurityGroup(
            self, "EndpointsGroup", vpc=self._vpc, description="Endpoints of AWS, from inside", allow_all_outbound=False
        )
        for side, group in self._groups.items():
            callers.add_ingress_rule(group, _HTTPS, f"From functions of the side {side}")
        for name, service, actions in (
            ("Kms", ec2.InterfaceVpcEndpointAwsService.KMS, "kms:*"),
            ("XRay", ec2.InterfaceVpcEndpointAwsService.XRAY, "xray:Put*"),
        ):
            endpoint = self._vpc.add_interface_endpoint(
                name,
                service=service,
                open=False,
                security_groups=[callers],
                subnets=ec2.SubnetSelection(subnet_group_name="Closed"),
            )
            endpoint.add_to_policy(
                iam.PolicyStatement(
                    principals=[iam.AnyPrincipal()], actions=[actions], resources=["*"], conditions=of_the_account
                )
            )

    def _record_flows(self, environment: Environment) -> None:
        group = log_group(self, "Flows", f"/aws/vpc/{name_of('network', environment)}", environment)
        role = iam.Role(
            self,
            "FlowsRole",
            role_name=worldwide(name_of("network-flows", environment), environment),
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
        )
        self._vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))


def may_attach(scope: Construct, function_name: str) -> list[iam.PolicyStatement]:
    """Let Lambda attach a function to the network in the name of its role, and keep the function's own code from doing so."""
    function = Stack.of(scope).format_arn(
        service="lambda", resource="function", resource_name=function_name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    return [
        iam.PolicyStatement(sid="Network", actions=list(_ATTACHES), resources=["*"]),
        iam.PolicyStatement(
            sid="NetworkIsLambdasBusiness",
            effect=iam.Effect.DENY,
            actions=list(_ATTACHES),
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": function}},
        ),
    ]
