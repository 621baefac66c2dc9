"""What all stacks share: the base class, the signing keys, and the removal policy of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk
from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.naming import physical_name
from orchestrator.domain.names import short_name
from orchestrator.environments import Environment


class EnvironmentStack(Stack):
    """A stack of one environment, in its account and with its termination protection.

    Args:
        scope: the app.
        environment: the environment.
        part: the stack's short name; the stack is called ``ib-oauth-PART-ENVIRONMENT``.
        description: what CloudFormation shows.
        region: the stack's region; the environment's own by default.
        account: the stack's account; the environment's own by default.
    """

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        part: str,
        description: str,
        *,
        region: str | None = None,
        account: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            physical_name(part, environment),
            description=description,
            env=aws_cdk.Environment(account=account or environment.account, region=region or environment.region),
            termination_protection=environment.deletion_protection,
        )
        self._environment = environment


def stack_tags(environment: Environment, stack: str) -> Mapping[str, str]:
    """Return the tags of every resource of a stack: cost allocation by environment, owner and component.

    Args:
        environment: the environment.
        stack: the stack's name.
    """
    component = short_name(stack, environment.name)
    return {"environment": environment.name, "service": "ib-oauth", "owner": environment.owner, "component": component}


@dataclass(frozen=True)
class SigningKeys:
    """The keys that sign access tokens, and the table of the key ring that records their phases.

    Attributes:
        ring_table: the name of the key ring's table.
        data_key: encrypts that table and the service's others; None if AWS's own key does.
        stack_key: ARN of the key that CloudFormation creates.
        all_keys: ARN pattern of every KMS key in the account and region. `tag` selects the environment's signing keys.
        tag: the tag on every signing key; its value is the environment's name.
    """

    ring_table: str
    data_key: kms.IKey | None
    stack_key: str
    all_keys: str
    tag: str


def removal_policy_of(environment: Environment) -> RemovalPolicy:
    """Return the removal policy of resources that hold data: retained if the environment protects against deletion.

    Retained are the resources of a stack that was created. If its creation fails, CloudFormation deletes them (the
    deletion policy RetainExceptOnCreate), because their fixed names would otherwise stand in the way of every later
    attempt ("already exists").
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
    """
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if environment.deletion_protection else RemovalPolicy.DESTROY
