"""The functions of the status page's stack: one role each, their logs, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.common import function_code
from infrastructure.iam import create_function_role
from infrastructure.lambda_variables import check_size
from infrastructure.logs import create_log_group
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import global_name, physical_name
from orchestrator.environments import Environment


@dataclass(frozen=True)
class Package:
    """The package of the functions: its folder, its digest, and the signed package if there is one."""

    folder: str
    digest: str
    signed: str | None = None


def create_function(
    scope: Construct,
    environment: Environment,
    package: Package,
    name: str,
    handler: str,
    statements: Sequence[iam.PolicyStatement],
    seconds: int,
    variables: Mapping[str, str],
    wildcards: Mapping[str, str] | None = None,
) -> lambda_.Function:
    """Create a function with a role of its own.

    Args:
        scope: the construct that it belongs to.
        environment: the environment of the page.
        package: the package of the functions.
        name: its short name, such as `serve-subscriptions`.
        handler: its handler in `orchestrator/event_handlers`, such as `serve_subscriptions.handler`.
        statements: what it may do, in addition to its log.
        seconds: its longest duration.
        variables: its environment variables.
        wildcards: the resources of `statements` that contain a wildcard, each with its reason.
    """
    function_name = physical_name(f"status-{name}", environment)
    title = name.title().replace("-", "")
    group = create_log_group(scope, f"{title}Logs", f"/aws/lambda/{function_name}", environment)
    role_name = global_name(function_name, environment)
    role = create_function_role(scope, f"{title}Role", role_name, group, list(statements), wildcards or {})
    reason = "The role belongs to one function, and its policy is created, reviewed and deleted with it"
    suppress_nist(role, reason, "IAMNoInlinePolicy")
    own_variables = {
        "ENVIRONMENT": environment.name,
        "POWERTOOLS_SERVICE_NAME": "status-page",
        "LOG_LEVEL": environment.service.log_level,
        **variables,
    }
    check_size(Stack.of(scope), environment, name, own_variables)
    function = lambda_.Function(
        scope,
        title,
        function_name=function_name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"orchestrator.event_handlers.{handler}",
        code=function_code(package.folder, package.digest, package.signed),
        memory_size=512,
        timeout=Duration.seconds(seconds),
        tracing=lambda_.Tracing.ACTIVE,
        log_group=group,
        role=role.without_policy_updates(),
        environment=own_variables,
    )
    suppress_nag(function, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
    suppress_nist(
        function,
        "It waits for AWS and for subscribers' servers, which are public; what fails is tried again",
        *("LambdaInsideVPC", "LambdaDLQ", "LambdaConcurrency"),
    )
    return function
