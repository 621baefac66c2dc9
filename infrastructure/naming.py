"""Names of resources, and the descriptions of alarms."""

from __future__ import annotations

from orchestrator.environments import Environment

RUNBOOK = "docs/runbooks/alarms.md"


def physical_name(name: str, environment: Environment) -> str:
    """Return the exact name of a resource in an environment: ``ib-oauth-NAME-ENVIRONMENT``."""
    return f"ib-oauth-{name}-{environment.name}"


def global_name(name: str, environment: Environment) -> str:
    """Return the name of a resource whose names are unique across regions, such as a role or a bucket.

    After a failover the resources in the lost region still have the plain name, so the region is appended.
    """
    return f"{name}-{environment.region}" if environment.lost_region else name


def alarm_description(meaning: str, section: str) -> str:
    """Return an alarm's description: its meaning, and the section of the runbook that describes the mitigation."""
    return f"{meaning}. Runbook: {RUNBOOK}#{section}"
