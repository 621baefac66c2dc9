"""What every stack makes in the same way: names, log groups, a function's basic rights, what is kept."""

from __future__ import annotations

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from environments import Environment


def name_of(what: str, environment: Environment) -> str:
    """Return the exact name of a thing in an environment."""
    return f"ib-oauth-{what}-{environment.name}"


def kept(environment: Environment) -> RemovalPolicy:
    """What becomes of data when its stack goes."""
    return RemovalPolicy.RETAIN if environment.deletion_protection else RemovalPolicy.DESTROY


def log_group(scope: Construct, construct_id: str, name: str, environment: Environment) -> logs.LogGroup:
    """Make a log group with the environment's retention, a number of days that CDK's own enumeration does not take."""
    group = logs.LogGroup(scope, construct_id, log_group_name=name, removal_policy=kept(environment))
    cfn_group = group.node.default_child
    assert isinstance(cfn_group, logs.CfnLogGroup)
    cfn_group.retention_in_days = environment.log_retention_days
    return group


def may_log(group: logs.ILogGroup) -> iam.PolicyStatement:
    """Let a function write to its own log group."""
    # Named, because the group's ARN attribute ends with ":*" already.
    arn = Stack.of(group).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{group.log_group_name}:log-stream:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    return iam.PolicyStatement(sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[arn])


def may_trace() -> iam.PolicyStatement:
    """Let a function send traces. X-Ray knows no resources."""
    return iam.PolicyStatement(
        sid="Tracing", actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"]
    )


def may_use_through(service: str, key: kms.IKey, *, sid: str, writes: bool, region: str) -> iam.PolicyStatement:
    """Let a caller use a key through a service that encrypts with the caller's rights, and in no other way.

    Args:
        service: `dynamodb` or `sns`.
        key: a customer managed key.
        sid: the statement's name.
        writes: whether the caller writes what is encrypted.
        region: where the service is.
    """
    return iam.PolicyStatement(
        sid=sid,
        actions=["kms:Decrypt", *(["kms:Encrypt", "kms:GenerateDataKey"] if writes else [])],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}},
    )
