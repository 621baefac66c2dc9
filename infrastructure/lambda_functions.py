"""The Lambda functions of every stack: a role of its own, a log group, the runtime and the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.iam import create_function_role
from infrastructure.lambda_variables import check_size
from infrastructure.logs import create_log_group
from infrastructure.naming import global_name, physical_name, title_of
from orchestrator.environments import Environment


@dataclass(frozen=True)
class Package:
    """The code of functions.

    Attributes:
        folder: the asset's folder.
        digest: hex digest of the asset's content.
        signed: the package signed by AWS Signer, which is deployed instead of the folder; None if unsigned.
    """

    folder: str
    digest: str
    signed: str | None = None

    def code(self) -> lambda_.Code:
        """Return the content of the folder, or the signed package, byte for byte."""
        if self.signed:
            return lambda_.Code.from_asset(self.signed)
        return lambda_.Code.from_asset(self.folder, asset_hash=self.digest)


@dataclass(frozen=True)
class Size:
    """Memory and timeout of a function. With 1,769 MB a function has one full vCPU."""

    memory_mb: int = 512
    timeout_seconds: int = 60


def create_function(
    scope: Construct,
    environment: Environment,
    package: Package,
    name: str,
    handler: str,
    size: Size,
    statements: Sequence[iam.PolicyStatement],
    wildcards: Mapping[str, str],
    *,
    title: str = "",
    construct_id: str = "",
    variables: Mapping[str, str] | None = None,
    variables_key: kms.IKey | None = None,
    **settings: Any,
) -> lambda_.Function:
    """Create a function. Its role has no other permissions than these, to log and to trace; constructs add nothing to it.

    Args:
        scope: the stack, or a construct in it.
        environment: the environment.
        package: the code.
        name: the short name.
        handler: the handler, with its module.
        size: memory and timeout.
        statements: the function's own permissions.
        wildcards: the resources of `statements` that contain a wildcard, each with its reason.
        title: the beginning of the ids of its constructs; by default from the name.
        construct_id: of the function; by default the title.
        variables: the environment variables.
        variables_key: encrypts them; None if AWS's own key does.
        settings: further settings of the function.

    Raises:
        EnvironmentRefused: the variables are too large.
    """
    title, function_name = title or title_of(name), physical_name(name, environment)
    group = create_log_group(scope, f"{title}Logs", f"/aws/lambda/{function_name}", environment)
    role = create_function_role(
        scope,
        f"{title}Role",
        global_name(function_name, environment),
        group,
        list(statements),
        wildcards,
        variables=(function_name, variables_key) if variables_key else None,
    )
    if variables:
        check_size(Stack.of(scope), environment, handler.split(".")[-2], variables)
    return lambda_.Function(
        scope,
        construct_id or title,
        function_name=function_name,
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=lambda_.Architecture.ARM_64,
        handler=handler,
        code=package.code(),
        memory_size=size.memory_mb,
        timeout=Duration.seconds(size.timeout_seconds),
        tracing=lambda_.Tracing.ACTIVE,
        log_group=group,
        role=role.without_policy_updates(),
        environment=variables,
        environment_encryption=variables_key,
        **settings,
    )
