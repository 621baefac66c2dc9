"""Log groups with the environment's retention and encryption."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.arns import log_group_arn
from infrastructure.common import removal_policy_of
from infrastructure.keys import create_key
from orchestrator.environments import Environment

_LOGS_KEY = "LogsKey"


def create_log_group(scope: Construct, construct_id: str, name: str, environment: Environment) -> logs.LogGroup:
    """Create a log group with the environment's retention in days, which CDK's enumeration may not contain.

    With `customer_managed_keys`, one KMS key of the stack encrypts all of its log groups.
    """
    key = _logs_key(Stack.of(scope), environment) if environment.customer_managed_keys else None
    group = logs.LogGroup(
        scope, construct_id, log_group_name=name, removal_policy=removal_policy_of(environment), encryption_key=key
    )
    cfn_group = group.node.default_child
    assert isinstance(cfn_group, logs.CfnLogGroup)
    cfn_group.retention_in_days = environment.log_retention_days
    return group


def log_streams_arn(group: logs.ILogGroup) -> str:
    """Return the ARN pattern of all streams of a log group."""
    # By name, because the group's ARN attribute ends with ":*" already.
    return log_group_arn(Stack.of(group), f"{group.log_group_name}:log-stream:*")


def _logs_key(stack: Stack, environment: Environment) -> kms.IKey:
    """Return the key of a stack's logs; the first log group creates it."""
    existing = stack.node.try_find_child(_LOGS_KEY)
    if isinstance(existing, kms.Key):
        return existing
    part = stack.stack_name.removeprefix("ib-oauth-").removesuffix(f"-{environment.name}")
    key = create_key(
        stack, environment, f"{part}-logs", f"Encrypts the logs of {stack.stack_name}", construct_id=_LOGS_KEY
    )
    # CloudWatch Logs uses the key under its own service principal, for every principal that may read the
    # group. The condition limits it to our log groups.
    our_groups = log_group_arn(stack, "*ib-oauth-*")
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Logs",
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            resources=["*"],  # in a key policy "*" is the key itself
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": our_groups}},
        )
    )
    return key
