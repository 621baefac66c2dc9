"""A VPC for the service's functions, if an environment configures one.

The service does not need a VPC, because it uses AWS APIs with IAM only. For environments that must have one, this VPC
has no inbound access, and functions that call only AWS reach only the VPC endpoints. `authorize` alone reaches the
internet, with HTTPS: upstream identity providers and client metadata documents have addresses not known beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infrastructure.arns import function_arn
from infrastructure.logs import create_log_group
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment, NetworkSettings

INTERNET_FUNCTIONS = ("authorize",)
"""The functions that call servers outside AWS."""

_ZONES = 2
_HTTPS = ec2.Port.tcp(443)
# The permissions that Lambda needs from a function's role to attach it (AWSLambdaVPCAccessExecutionRole). They cannot
# be limited to resources that exist beforehand, so the function's own code is denied them.
_ATTACHMENT_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True)
class Attachment:
    """A function's subnets and security groups in the VPC."""

    vpc: ec2.IVpc
    vpc_subnets: ec2.SubnetSelection
    security_groups: Sequence[ec2.ISecurityGroup]


class Network(Construct):
    """The VPC, its endpoints, and one security group for each kind of outbound access.

    Args:
        scope: the stack.
        environment: the environment.
        settings: the network settings.
        tables: ARNs of the tables that DynamoDB's endpoint gives access to, those that restores create among them.
    """

    def __init__(
        self, scope: Construct, environment: Environment, settings: NetworkSettings, tables: Sequence[str]
    ) -> None:
        super().__init__(scope, "Network")
        self._vpc = ec2.Vpc(
            self,
            "Vpc",
            vpc_name=physical_name("network", environment),
            ip_addresses=ec2.IpAddresses.cidr(settings.cidr),
            # By index, because looking up zones would require credentials.
            availability_zones=[Fn.select(zone, Fn.get_azs()) for zone in range(_ZONES)],
            restrict_default_security_group=False,  # would add a Lambda function; the default group has no members
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Gateways", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=28, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="Outward", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name="Closed", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        self._groups = {
            "Outward": self._group("Outward", "Functions that call identity providers and AWS with HTTPS"),
            "Closed": self._group("Closed", "Functions that call AWS with HTTPS; their subnets have no other route"),
        }
        self._endpoints(tables)
        self._record_flows(environment)

    def attachment_of(self, function: str) -> Attachment:
        """Return the subnets and security groups of a function."""
        subnet = "Outward" if function in INTERNET_FUNCTIONS else "Closed"
        return Attachment(self._vpc, ec2.SubnetSelection(subnet_group_name=subnet), [self._groups[subnet]])

    def _group(self, subnet: str, description: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, f"{subnet}Group", vpc=self._vpc, description=description, allow_all_outbound=False
        )
        # DynamoDB's gateway endpoint has public addresses, which a route of the subnet directs to it.
        group.add_egress_rule(ec2.Peer.any_ipv4(), _HTTPS, description)
        return group

    def _endpoints(self, tables: Sequence[str]) -> None:
        """Create endpoints for the AWS services that functions call, limited to the account and to the tables."""
        own_account = {"StringEquals": {"aws:PrincipalAccount": Stack.of(self).account}}
        gateway = self._vpc.add_gateway_endpoint("DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB)
        gateway.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["dynamodb:*"],
                resources=list(tables),
                conditions=own_account,
            )
        )
        callers = ec2.SecurityGroup(
            self, "EndpointsGroup", vpc=self._vpc, description="VPC endpoints of AWS services", allow_all_outbound=False
        )
        for subnet, group in self._groups.items():
            callers.add_ingress_rule(group, _HTTPS, f"From functions in the subnets {subnet}")
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
                    principals=[iam.AnyPrincipal()], actions=[actions], resources=["*"], conditions=own_account
                )
            )

    def _record_flows(self, environment: Environment) -> None:
        group = create_log_group(self, "Flows", f"/aws/vpc/{physical_name('network', environment)}", environment)
        role = iam.Role(
            self,
            "FlowsRole",
            role_name=global_name(physical_name("network-flows", environment), environment),
            assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"),
        )
        self._vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group, role))


def allow_vpc_attachment(scope: Construct, function_name: str) -> list[iam.PolicyStatement]:
    """Allow Lambda to attach a function to the VPC with its role, and deny the same actions to the function's code."""
    function = function_arn(Stack.of(scope), function_name)
    return [
        iam.PolicyStatement(sid="Network", actions=list(_ATTACHMENT_ACTIONS), resources=["*"]),
        iam.PolicyStatement(
            sid="DenyNetworkToFunctionCode",
            effect=iam.Effect.DENY,
            actions=list(_ATTACHMENT_ACTIONS),
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": function}},
        ),
    ]
