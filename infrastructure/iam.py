"""Policy statements and the role that every Lambda function has."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.arns import function_arn
from infrastructure.logs import log_streams_arn
from infrastructure.nag import suppress_wildcards


def own_account_service(stack: Stack, service: str) -> iam.ServicePrincipal:
    """Return a service of AWS as a principal, on behalf of the stack's account only.

    Args:
        stack: determines the account.
        service: the beginning of its name, such as `backup`.
    """
    own_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
    return iam.ServicePrincipal(f"{service}.amazonaws.com", conditions=own_account)


def allow_logging(group: logs.ILogGroup) -> iam.PolicyStatement:
    """Allow a function to write to its own log group."""
    return iam.PolicyStatement(
        sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_streams_arn(group)]
    )


def allow_tracing() -> iam.PolicyStatement:
    """Allow a function to send traces. X-Ray does not support resource-level permissions."""
    return iam.PolicyStatement(
        sid="Tracing", actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"]
    )


_ENCRYPTION_ACTIONS: Mapping[str, tuple[str, ...]] = {
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    "dynamodb": ("kms:Encrypt", "kms:GenerateDataKey"),
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    "lambda": ("kms:Encrypt", "kms:GenerateDataKey"),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#require-sse-kms
    "s3": ("kms:GenerateDataKey",),
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    "sns": ("kms:GenerateDataKey",),
}
"""What a service that encrypts with a caller's permissions calls in addition to Decrypt. AWS is not clear about DynamoDB and
Lambda, so theirs are the wider reading."""


def allow_key_through_service(
    service: str, key: kms.IKey, *, sid: str, writes: bool, region: str
) -> iam.PolicyStatement:
    """Allow a caller to use a key only through an AWS service that encrypts with the caller's permissions.

    Args:
        service: `dynamodb`, `lambda`, `s3` or `sns`.
        key: a customer managed key.
        sid: the statement's id.
        writes: whether the caller writes encrypted data, too.
        region: the service's region.
    """
    return iam.PolicyStatement(
        sid=sid,
        actions=["kms:Decrypt", *(_ENCRYPTION_ACTIONS[service] if writes else ())],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}},
    )


def allow_restore_with_key(key: kms.IKey, region: str) -> iam.PolicyStatement:
    """Allow the caller to restore a table that this key encrypts.

    DynamoDB creates a KMS grant on the caller's behalf.
    """
    return iam.PolicyStatement(
        sid="RestoreKey",
        actions=["kms:CreateGrant", "kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
    )


def allow_update_with_key(key: kms.IKey, region: str) -> iam.PolicyStatement:
    """Allow the caller to change a table that this key encrypts, in case DynamoDB needs a grant for that.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    """
    return iam.PolicyStatement(
        sid="TableKey",
        actions=["kms:CreateGrant", "kms:DescribeKey"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
    )


def create_function_role(
    scope: Construct,
    construct_id: str,
    name: str,
    group: logs.ILogGroup,
    statements: list[iam.PolicyStatement],
    wildcards: Mapping[str, str],
    *,
    variables: tuple[str, kms.IKey] | None = None,
) -> iam.Role:
    """Create a Lambda function's role with its own statements, logging and tracing. Constructs add nothing to it.

    Args:
        scope: the stack.
        construct_id: unique within the stack.
        name: the role's name.
        group: the function's log group.
        statements: the function's own permissions.
        wildcards: the resources of `statements` that contain a wildcard, each with its reason.
        variables: the function's name, which is not the role's after a failover, and the key that encrypts its
            environment variables; None if AWS's own key does.
    """
    decrypt = [_allow_decrypt_variables(scope, *variables)] if variables else []
    document = iam.PolicyDocument(statements=[*statements, *decrypt, allow_logging(group), allow_tracing()])
    role = iam.Role(
        scope,
        construct_id,
        role_name=name,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"access": document},
    )
    suppress_wildcards(
        role,
        {
            **wildcards,
            log_streams_arn(group): "Lambda chooses the names of the streams",
            "*": "these actions do not support resource-level permissions",
        },
    )
    return role


def _allow_decrypt_variables(scope: Construct, function_name: str, key: kms.IKey) -> iam.PolicyStatement:
    """Allow Lambda to decrypt a function's variables with its role. The encryption context names the function.

    AWS's samples show the ARN without a qualifier, for `$LATEST`. That of a published version may have one.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    function = function_arn(Stack.of(scope), function_name)
    return iam.PolicyStatement(
        sid="Variables",
        actions=["kms:Decrypt"],
        resources=[key.key_arn],
        conditions={"ArnLike": {"kms:EncryptionContext:aws:lambda:FunctionArn": [function, f"{function}:*"]}},
    )
