"""The functions of the status page's stack: what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.lambda_functions import Package, Size, create_function
from infrastructure.nag import suppress_nag, suppress_nist
from infrastructure.naming import title_of
from orchestrator.environments import Environment


def create_page_function(
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
    own_variables = {
        "ENVIRONMENT": environment.name,
        "POWERTOOLS_SERVICE_NAME": "status-page",
        "LOG_LEVEL": environment.service.log_level,
        **variables,
    }
    function = create_function(
        scope,
        environment,
        package,
        f"status-{name}",
        f"orchestrator.event_handlers.{handler}",
        Size(timeout_seconds=seconds),
        statements,
        wildcards or {},
        title=title_of(name),
        variables=own_variables,
    )
    reason = "The role belongs to one function, and its policy is created, reviewed and deleted with it"
    suppress_nist(scope.node.find_child(f"{title_of(name)}Role"), reason, "IAMNoInlinePolicy")
    suppress_nag(function, "Python 3.13 is supported until 2029, and the wheels are locked for it", "L1")
    suppress_nist(
        function,
        "It waits for AWS and for subscribers' servers, which are public; what fails is tried again",
        *("LambdaInsideVPC", "LambdaDLQ", "LambdaConcurrency"),
    )
    return function
