"""An environment is in the partition `aws`: each of its regions is accepted, and each of another one is refused."""

import json
from pathlib import Path

import botocore
import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.regions import PARTITION, REGION, refuse_region
from orchestrator.domain.schema import EnvironmentRefused

PARTITIONS = json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text())["partitions"]
REGIONS = {
    partition["id"]: [region for region in partition["regions"] if not region.endswith("-global")]
    for partition in PARTITIONS
}
OURS = REGIONS[PARTITION]
OTHERS = [region for partition, regions in REGIONS.items() if partition != PARTITION for region in regions]


def test_the_pattern_is_that_of_the_partition():
    (regex,) = [partition["regionRegex"] for partition in PARTITIONS if partition["id"] == PARTITION]
    # Botocore's \w would accept capital letters and underscores in a name.
    assert REGION.pattern == regex.strip("^$").replace(r"\-", "-").replace(r"\w", "[a-z]").replace(r"\d", "[0-9]")


@pytest.mark.parametrize("region", OURS)
def test_every_region_of_the_partition_is_accepted(region):
    refuse_region("region", region)


@pytest.mark.parametrize("region", [*OTHERS, "aws-global", "us-west", "West", "us-west-1 ", "us-west-1a", ""])
def test_a_region_of_another_partition_is_refused_by_field_and_remedy(region):
    with pytest.raises(EnvironmentRefused) as refused:
        refuse_region("prod.region", region, EnvironmentRefused)
    assert (refused.value.field, refused.value.value) == ("prod.region", region)
    assert "give a region of the partition aws" in refused.value.remedy


def test_there_are_other_partitions():
    assert {"us-gov-west-1", "cn-north-1", "us-iso-east-1", "eusc-de-east-1"} <= set(OTHERS)
    with pytest.raises(Refused):
        refuse_region("--to", "us-gov-east-1")
