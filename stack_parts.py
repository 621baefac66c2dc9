"""What every stack makes in the same way: names, log groups, a function's basic rights, what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Acknowledgment, ArnFormat, RemovalPolicy, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct, IConstruct

from environments import Environment

_LOGS_KEY = "LogsKey"


@dataclass(frozen=True)
class SigningKeys:
    """The keys that sign access tokens, and where it is written which of them do.

    Attributes:
        ring_table: the ring's table, by name.
        data_key: encrypts that table and the service's others; None where AWS's own key does.
        stack_key: ARN of the one that CloudFormation makes.
        all_keys: ARN of every key that a rotation ever makes, and of many others: `tag` says which are the environment's.
    """

    ring_table: str
    data_key: kms.IKey | None
    stack_key: str
    all_keys: str
    tag: str


def name_of(what: str, environment: Environment) -> str:
    """Return the exact name of a thing in an environment."""
    return f"ib-oauth-{what}-{environment.name}"


def worldwide(name: str, environment: Environment) -> str:
    """Return the name of a thing whose names are one set in all regions, such as a role or a bucket.

    While an environment is not at home, what it left there still has the plain name.
    """
    return f"{name}-{environment.region}" if environment.lost_region else name


RUNBOOK = "docs/runbooks/alarms.md"


def with_runbook(meaning: str, section: str) -> str:
    """Return an alarm's description: what it means, and the section of the runbook that says what to do about it."""
    return f"{meaning}. Runbook: {RUNBOOK}#{section}"


def kept(environment: Environment) -> RemovalPolicy:
    """What becomes of data when its stack goes."""
    return RemovalPolicy.RETAIN if environment.deletion_protection else RemovalPolicy.DESTROY


def log_group(scope: Construct, construct_id: str, name: str, environment: Environment) -> logs.LogGroup:
    """Make a log group with the environment's retention, a number of days that CDK's own enumeration does not take.

    Where the environment has keys of its own, one key of the stack encrypts all of its logs.
    """
    key = _logs_key(Stack.of(scope), environment) if environment.customer_managed_keys else None
    group = logs.LogGroup(
        scope, construct_id, log_group_name=name, removal_policy=kept(environment), encryption_key=key
    )
    cfn_group = group.node.default_child
    assert isinstance(cfn_group, logs.CfnLogGroup)
    cfn_group.retention_in_days = environment.log_retention_days
    return group


def subscribe(topic: sns.Topic, contacts: Sequence[str]) -> None:
    """Send what is published on a topic to e-mail addresses, whose owners confirm it once, and to https addresses."""
    for address in contacts:
        by_url = address.startswith("https://")
        topic.add_subscription(
            subscriptions.UrlSubscription(address) if by_url else subscriptions.EmailSubscription(address)
        )


def _logs_key(stack: Stack, environment: Environment) -> kms.IKey:
    """Find the key of a stack's logs, or make it with its first log group."""
    found = stack.node.try_find_child(_LOGS_KEY)
    if isinstance(found, kms.Key):
        return found
    part = stack.stack_name.removeprefix("ib-oauth-").removesuffix(f"-{environment.name}")
    key = kms.Key(
        stack,
        _LOGS_KEY,
        alias=f"alias/{name_of(f'{part}-logs', environment)}",
        description=f"Encrypts the logs of {stack.stack_name}",
        enable_key_rotation=True,
        removal_policy=kept(environment),
    )
    # CloudWatch Logs uses the key in its own name, for whoever may read the group; so only for groups of ours.
    ours = stack.format_arn(
        service="logs", resource="log-group", resource_name="*ib-oauth-*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Logs",
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            resources=["*"],  # in a key's policy that is the key
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": ours}},
        )
    )
    return key


def may_log(group: logs.ILogGroup) -> iam.PolicyStatement:
    """Let a function write to its own log group."""
    return iam.PolicyStatement(
        sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[_streams(group)]
    )


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


def may_restore_under(key: kms.IKey, region: str) -> iam.PolicyStatement:
    """Let a caller have DynamoDB make a table under a key beside the one it copies: it is given a grant for that, in the caller's name."""
    return iam.PolicyStatement(
        sid="RestoreKey",
        actions=["kms:CreateGrant", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
    )


def code_of(folder: str, digest: str, signed: str | None) -> lambda_.Code:
    """Return the code of functions: what a folder has, or the package that was signed of it, byte for byte."""
    return lambda_.Code.from_asset(signed) if signed else lambda_.Code.from_asset(folder, asset_hash=digest)


def lambda_role(
    scope: Construct,
    construct_id: str,
    name: str,
    group: logs.ILogGroup,
    statements: list[iam.PolicyStatement],
    wildcards: Mapping[str, str],
    variables_key: kms.IKey | None = None,
) -> iam.Role:
    """Make a Lambda function's role: its own statements, its logs, its traces, and nothing that a construct might add.

    Args:
        scope: the stack.
        construct_id: unique within it.
        name: the role's.
        group: where the function logs.
        statements: what it may do.
        wildcards: resources with a wildcard among those of `statements`, each with the reason why it has to be one.
        variables_key: encrypts what the function is told; None where AWS's own key does.
    """
    told = [_may_read_variables(scope, name, variables_key)] if variables_key else []
    role = iam.Role(
        scope,
        construct_id,
        role_name=name,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"access": iam.PolicyDocument(statements=[*statements, *told, may_log(group), may_trace()])},
    )
    explain_wildcards(
        role, {**wildcards, _streams(group): "Lambda names the streams", "*": "its actions know no resources"}
    )
    return role


def _may_read_variables(scope: Construct, function_name: str, key: kms.IKey) -> iam.PolicyStatement:
    """Let Lambda decrypt a function's variables in the name of its role; Lambda names the function in the encryption context."""
    function = Stack.of(scope).format_arn(
        service="lambda", resource="function", resource_name=function_name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    return iam.PolicyStatement(
        sid="Variables",
        actions=["kms:Decrypt"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": function}},
    )


def explain(scope: IConstruct, reason: str, *rules: str) -> None:
    """Say why rules of AwsSolutions do not apply to a construct and what is in it."""
    Validations.of(scope).acknowledge(
        *(Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason) for rule in rules)
    )


def explain_wildcards(scope: IConstruct, reasons: Mapping[str, str]) -> None:
    """Say why policies of a construct name resources with a wildcard. Each is a finding of its own.

    Args:
        scope: a role.
        reasons: resource, as the policy names it, to the reason.
    """
    for resource, reason in reasons.items():
        explain(scope, reason, f"IAM5[Resource::{_as_found(Stack.of(scope).resolve(resource))}]")


def _as_found(resolved: object) -> str:
    """Write a resolved resource the way that findings do: what is only known when deployed is a name in angles."""
    match resolved:
        case str():
            return resolved
        case {"Fn::Join": ["", [*parts]]}:
            return "".join(_as_found(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
    raise ValueError(f"a policy's resource is not expected to be {resolved!r}")


def _streams(group: logs.ILogGroup) -> str:
    # By name, because the group's ARN attribute ends with ":*" already.
    return Stack.of(group).format_arn(
        service="logs",
        resource="log-group",
        resource_name=f"{group.log_group_name}:log-stream:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
