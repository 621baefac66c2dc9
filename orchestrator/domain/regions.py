"""The regions that an environment may be in: those of the partition `aws` (docs/adr/0035-only-the-partition-aws.md).

A partition is a part of AWS with accounts, regions, ARNs and host names of its own, such as `aws-us-gov` and `aws-cn`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re

from orchestrator.domain.errors import Refused

PARTITION = "aws"

REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+")
"""The names of the partition's regions. Other partitions have a further word, as in us-gov-west-1, or other beginnings.

Source: `regionRegex` of the partition in botocore's partitions.json.
"""

REGION_REMEDY = f"give a region of the partition {PARTITION}, such as us-west-1; other partitions are not supported"


def refuse_region(field: str, region: str, refusal: type[Refused] = Refused) -> None:
    """Refuse what is not a region of the partition.

    Args:
        field: the field, as the user wrote it.
        region: its value.
        refusal: the class of the error.

    Raises:
        Refused: it is a region of another partition, or no region.
    """
    if not REGION.fullmatch(region):
        raise refusal(field, region, REGION_REMEDY)
