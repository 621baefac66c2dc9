"""The permission boundary: what no role of ours can do, whatever its own policy says one day."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from environments import Environment
from environments.watching import OWN_BOUNDARY
from stack_parts import explain, name_of, worldwide

SERVICES = (
    "apigateway", "application-autoscaling", "backup", "cloudformation", "cloudwatch", "dynamodb", "events", "kms", "lambda", "logs", "s3", "scheduler",
    "sns", "sqs", "states", "tag", "xray",
)  # fmt: skip
"""What roles of ours have business with."""

LITTLE = (
    "iam:Get*", "iam:List*", "cloudtrail:LookupEvents",
    # What a rebuilt copy leaves when its drill is over.
    "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:PassRole",
    # Lambda puts a function's interface into its network in the name of the function's role.
    "ec2:Describe*", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip
"""What is needed of services that our roles have no other business with."""

NEVER = (
    "cloudwatch:DeleteAlarms", "cloudwatch:DisableAlarmActions",
    "events:PutPermission", "events:RemovePermission", "kms:PutKeyPolicy", "kms:ReplicateKey",
    "lambda:AddPermission", "lambda:CreateFunctionUrlConfig", "lambda:UpdateFunctionCode", "logs:DeleteMetricFilter", "logs:DeleteResourcePolicy", "logs:PutResourcePolicy",
    "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock",
    "sns:AddPermission", "sns:SetTopicAttributes", "sqs:AddPermission", "sqs:SetQueueAttributes",
)  # fmt: skip
"""What would give a right to others, or hide what was done. None of our functions does it; CloudFormation does, under its own role."""


def boundary(scope: Construct, environment: Environment) -> None:
    """Make the boundary, where the environment has its own."""
    if environment.security.permission_boundary != OWN_BOUNDARY:
        return
    policy = iam.ManagedPolicy(
        scope,
        "Boundary",
        managed_policy_name=boundary_name(environment),
        description=f"The most that any role of {environment.name} can ever do",
        statements=[
            iam.PolicyStatement(sid="Business", actions=[f"{service}:*" for service in SERVICES], resources=["*"]),
            iam.PolicyStatement(sid="Little", actions=list(LITTLE), resources=["*"]),
            iam.PolicyStatement(sid="Never", effect=iam.Effect.DENY, actions=list(NEVER), resources=["*"]),
        ],
    )
    explain(policy, "A boundary grants nothing: it is the most that a role's own policy can come to", "IAM5")


def boundary_name(environment: Environment) -> str:
    """Return the name of the environment's own boundary."""
    return worldwide(name_of("boundary", environment), environment)


def bound(stack: Stack, environment: Environment) -> None:
    """Put the boundary that the environment asks for on every role of a stack."""
    asked = environment.security.permission_boundary
    if asked is None:
        return
    name = boundary_name(environment) if asked == OWN_BOUNDARY else asked
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", name))
