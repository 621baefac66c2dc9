"""Names of resources that are unique across regions, such as a role or a bucket.

After a failover the resources in the lost region still have the plain name, so others have the region at the end. A name
that AWS would refuse as too long is shortened before its environment: what matches the end of a name, or the beginning of
a short one, matches all of them.
"""

from __future__ import annotations

import hashlib

LONGEST_ROLE, LONGEST_BUCKET = 64, 63
"""Characters. Other names that are unique across regions may be longer, or are short.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

_ACCOUNT_CHARACTERS, _DIGEST_CHARACTERS = 12, 4
_LONGEST_END = len("-staging-of-sixte") + len("-ap-southeast-2")
"""Characters of the longest environment's name (`settings_document.NAME`) and region, with their hyphens."""


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
    beginning = f"ib-oauth-{name}"
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
    beginning, end = f"ib-oauth-{name}", f"-{environment}-{account}"
    longest = LONGEST_BUCKET + len(account) - _ACCOUNT_CHARACTERS
    return f"{beginning}{end}" if region is None else _joined(beginning, f"{end}-{region}", longest)


def _joined(beginning: str, end: str, longest: int) -> str:
    if len(beginning) + len(end) <= longest:
        return f"{beginning}{end}"
    digest = hashlib.sha256(beginning.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{beginning[: longest - len(end) - _DIGEST_CHARACTERS - 1]}-{digest}{end}"
