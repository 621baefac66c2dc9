"""Promotion from one environment to the next, in another account mostly: a role that can announce a release and nothing else.

Whoever ships to staging takes it on to say that the same release is ready for production. What happens then is production's
own business: its machine, its checklist, its rights.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from environments import Environment
from stack_parts import name_of, worldwide


def promotion_role_arn(scope: Construct, environment: Environment) -> str:
    """Name the role's ARN without asking the role, whose policy names the bus that this is for."""
    return Stack.of(scope).format_arn(
        service="iam",
        region="",
        resource="role",
        resource_name=worldwide(name_of("promotion", environment), environment),
    )


def promotion_role(scope: Construct, environment: Environment, bus: events.IEventBus) -> None:
    """Make the role, where somebody is named who may take it on."""
    if not environment.promoters:
        return
    announce = iam.PolicyStatement(
        sid="SayReleaseReady",
        actions=["events:PutEvents"],
        resources=[bus.event_bus_arn],
        conditions={"StringEquals": {"events:detail-type": "ReleaseReady"}},
    )
    iam.Role(
        scope,
        "PromotionRole",
        role_name=worldwide(name_of("promotion", environment), environment),
        description=f"Announces releases to {environment.name}, and does nothing else",
        assumed_by=iam.CompositePrincipal(*(iam.ArnPrincipal(arn) for arn in environment.promoters)),
        inline_policies={"access": iam.PolicyDocument(statements=[announce])},
    )
