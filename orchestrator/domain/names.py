"""Names of an environment's resources.

Some are unique across regions, such as those of roles and buckets. After a failover the resources in the lost region
still have the plain name, so others have the region at the end. A name that AWS would refuse as too long is shortened
before its environment: what matches the end of a name, or the beginning of a short one, matches all of them.
"""

from __future__ import annotations

import hashlib

PREFIX = "ib-oauth-"
"""What the name of every resource begins with."""

DRILL_PREFIX, RESTORED_PREFIX = f"{PREFIX}drill-", f"{PREFIX}restored-"
"""What the names of the resources of drills and of restores begin with."""

SERVICE_STACK, ORCHESTRATOR_STACK = f"{PREFIX}stack", f"{PREFIX}orchestrator"
"""The ids of two stacks. A stack's name has that of the environment at its end."""

LONGEST_ROLE, LONGEST_BUCKET = 64, 63
"""Characters. Other names that are unique across regions may be longer, or are short.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

_ACCOUNT_CHARACTERS, _DIGEST_CHARACTERS = 12, 4
_LONGEST_END = len("-staging-of-sixte") + len("-ap-southeast-2")
"""Characters of the longest environment's name (`settings_document.NAME`) and region, with their hyphens."""


def resource_name(name: str, environment: str) -> str:
    """Return the name of a resource by its short name, such as `keys`: ``ib-oauth-NAME-ENVIRONMENT``."""
    return f"{PREFIX}{name}-{environment}"


def short_name(name: str, environment: str) -> str:
    """Return the short name of a resource of an environment; of another resource, its name without what they share."""
    return name.removeprefix(PREFIX).removesuffix(f"-{environment}")


def is_of_environment(name: str, environment: str) -> bool:
    """Return whether a name has the form of an environment's resources."""
    return name.startswith(PREFIX) and name.endswith(f"-{environment}")


def event_bus_name(environment: str) -> str:
    """Return the name of an environment's event bus."""
    return f"{PREFIX}{environment}"


def state_machine_arn(name: str, environment: str, account: str, region: str) -> str:
    """Return the ARN of a state machine by its short name, such as `drill`."""
    return f"arn:aws:states:{region}:{account}:stateMachine:{resource_name(name, environment)}"


def global_name(name: str, environment: str, region: str | None) -> str:
    """Return the name of a role, or of another resource whose names are unique across regions.

    Args:
        name: its name in the home region, which ends with that of the environment.
        environment: the environment's name.
        region: the region at the end of the name; None without a failover.
    """
    end = f"-{environment}"
    return name if region is None else _joined(name.removesuffix(end), f"{end}-{region}", LONGEST_ROLE)


def role_beginning(name: str) -> str:
    """Return what the name of a role begins with in every environment and region.

    Args:
        name: its short name, such as `event-rotate-signing-keys`.
    """
    beginning = f"{PREFIX}{name}"
    room = LONGEST_ROLE - _LONGEST_END
    return f"{beginning}-" if len(beginning) <= room else beginning[: room - _DIGEST_CHARACTERS - 1]


def bucket_name(name: str, environment: str, account: str, region: str | None) -> str:
    """Return the name of an environment's bucket: with the account's number, because names of buckets are global.

    Args:
        name: its short name, such as `evidence`.
        environment: the environment's name.
        account: the account's 12 digits, or what stands for them in a template.
        region: as of `global_name`.
    """
    beginning, end = f"{PREFIX}{name}", f"-{environment}-{account}"
    longest = LONGEST_BUCKET + len(account) - _ACCOUNT_CHARACTERS
    return f"{beginning}{end}" if region is None else _joined(beginning, f"{end}-{region}", longest)


def _joined(beginning: str, end: str, longest: int) -> str:
    if len(beginning) + len(end) <= longest:
        return f"{beginning}{end}"
    digest = hashlib.sha256(beginning.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{beginning[: longest - len(end) - _DIGEST_CHARACTERS - 1]}-{digest}{end}"
