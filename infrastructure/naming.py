"""Names of resources, and the descriptions of alarms."""

from __future__ import annotations

from aws_cdk import Aws

from orchestrator.domain import names
from orchestrator.environments import Environment

RUNBOOK = "docs/runbooks/alarms.md"


def physical_name(name: str, environment: Environment) -> str:
    """Return the exact name of a resource in an environment: ``ib-oauth-NAME-ENVIRONMENT``."""
    return f"ib-oauth-{name}-{environment.name}"


def global_name(name: str, environment: Environment) -> str:
    """Return the name of a role, or of another resource whose names are unique across regions (`names.global_name`)."""
    return names.global_name(name, environment.name, environment.region_in_names)


def bucket_name(name: str, environment: Environment, account: str = Aws.ACCOUNT_ID) -> str:
    """Return the name of an environment's bucket by its short name (`names.bucket_name`)."""
    return names.bucket_name(name, environment.name, account, environment.region_in_names)


def alarm_description(meaning: str, section: str) -> str:
    """Return an alarm's description: its meaning, and the section of the runbook that describes the mitigation."""
    return f"{meaning}. Runbook: {RUNBOOK}#{section}"
