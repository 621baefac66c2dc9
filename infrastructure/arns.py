"""ARNs and ARN patterns by name, for resources that another stack or a later construct creates.

A name is a physical name, or a pattern of some. The account and region are the stack's by default.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, Aws, Stack

from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment


def named_arn(
    stack: Stack, service: str, resource: str, name: str, *, region: str | None = None, account: str | None = None
) -> str:
    """Return an ARN whose name follows a slash: ``…:RESOURCE/NAME``."""
    return stack.format_arn(service=service, region=region, account=account, resource=resource, resource_name=name)


def colon_arn(stack: Stack, service: str, resource: str, name: str, *, region: str | None = None) -> str:
    """Return an ARN whose name follows a colon: ``…:RESOURCE:NAME``."""
    colon = ArnFormat.COLON_RESOURCE_NAME
    return stack.format_arn(service=service, region=region, resource=resource, resource_name=name, arn_format=colon)


def plain_arn(stack: Stack, service: str, name: str, *, region: str | None = None, account: str | None = None) -> str:
    """Return an ARN that ends with the name, as those of topics and queues."""
    plain = ArnFormat.NO_RESOURCE_NAME
    return stack.format_arn(service=service, region=region, account=account, resource=name, arn_format=plain)


def role_arn(stack: Stack, environment: Environment, name: str, *, account: str | None = None) -> str:
    """Return the ARN of one of the environment's roles by its short name, such as `task-promote`."""
    return role_named(stack, global_name(physical_name(name, environment), environment), account=account)


def role_named(stack: Stack, name: str, *, account: str | None = None) -> str:
    """Return the ARN of a role."""
    return named_arn(stack, "iam", "role", name, region="", account=account)


def bucket_arn(name: str, objects: str = "") -> str:
    """Return the ARN of a bucket or, with `objects`, the ARN or pattern of objects in it."""
    return f"arn:{Aws.PARTITION}:s3:::{name}{f'/{objects}' if objects else ''}"


def table_arn(stack: Stack, name: str, *, region: str | None = None) -> str:
    """Return the ARN of a DynamoDB table."""
    return named_arn(stack, "dynamodb", "table", name, region=region)


def keys_arn(stack: Stack, *, region: str | None = None) -> str:
    """Return the ARN pattern of all KMS keys. KMS generates their ids, so a condition has to limit it."""
    return named_arn(stack, "kms", "key", "*", region=region)


def function_arn(stack: Stack, name: str, *, region: str | None = None) -> str:
    """Return the ARN of a Lambda function."""
    return colon_arn(stack, "lambda", "function", name, region=region)


def alarm_arn(stack: Stack, name: str) -> str:
    """Return the ARN of a CloudWatch alarm."""
    return colon_arn(stack, "cloudwatch", "alarm", name)


def scaling_alarms_arn(stack: Stack, environment: Environment) -> str:
    """Return the ARN pattern of the alarms that scale restored tables, by the names that AWS gives them.

    They are ``TargetTracking-table/NAME-AlarmHigh-ID``, of the table or of one of its indexes.
    """
    return alarm_arn(stack, f"TargetTracking-table/{physical_name('restored-*', environment)}*")


def log_group_arn(stack: Stack, name: str) -> str:
    """Return the ARN of a log group. Its construct's attribute ends with ``:*``, which not every service accepts."""
    return colon_arn(stack, "logs", "log-group", name)


def trail_arn(stack: Stack, environment: Environment) -> str:
    """Return the ARN of the environment's trail of CloudTrail."""
    return named_arn(stack, "cloudtrail", "trail", physical_name("trail", environment))


def rest_apis_arns(stack: Stack) -> list[str]:
    """Return the ARN patterns of all REST APIs, because API Gateway generates their ids."""
    return [plain_arn(stack, "apigateway", path, account="") for path in ("/restapis", "/restapis/*")]


def vault_arn(stack: Stack, environment: Environment, name: str, *, region: str | None = None) -> str:
    """Return the ARN of one of the environment's backup vaults by its short name."""
    return colon_arn(stack, "backup", "backup-vault", physical_name(name, environment), region=region)


def recovery_points_arn(stack: Stack, *, region: str | None = None) -> str:
    """Return the ARN pattern of all recovery points of AWS Backup, which it names."""
    return colon_arn(stack, "backup", "recovery-point", "*", region=region)


def state_machine_arn(stack: Stack, environment: Environment, name: str) -> str:
    """Return a state machine's ARN by its short name, because the construct depends on functions that need the ARN."""
    return colon_arn(stack, "states", "stateMachine", physical_name(name, environment))


def executions_arn(stack: Stack, environment: Environment, name: str, *, separator: str = ":") -> str:
    """Return the ARN pattern of all executions of a state machine; those of its distributed maps after a slash."""
    return colon_arn(stack, "states", "execution", f"{physical_name(name, environment)}{separator}*")
