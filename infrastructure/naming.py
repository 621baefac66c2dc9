"""Names of resources and of constructs."""

from __future__ import annotations

from aws_cdk import Aws

from orchestrator.domain import names
from orchestrator.environments import Environment


def physical_name(name: str, environment: Environment) -> str:
    """Return the exact name of a resource in an environment: ``ib-oauth-NAME-ENVIRONMENT``."""
    return f"ib-oauth-{name}-{environment.name}"


def global_name(name: str, environment: Environment) -> str:
    """Return the name of a role, or of another resource whose names are unique across regions (`names.global_name`)."""
    return names.global_name(name, environment.name, environment.region_in_names)


def bucket_name(name: str, environment: Environment, account: str = Aws.ACCOUNT_ID) -> str:
    """Return the name of an environment's bucket by its short name (`names.bucket_name`)."""
    return names.bucket_name(name, environment.name, account, environment.region_in_names)


def status_bucket_name(environment: Environment, account: str) -> str:
    """Return the name of the status page's bucket, which is in the account of the page's stack."""
    return f"{physical_name('status', environment)}-{account}"


def title_of(name: str) -> str:
    """Return a short name as the beginning of a construct's id: `dead-letters` or `dead_letters` as `DeadLetters`."""
    return name.title().replace("-", "").replace("_", "")
