"""How fast a table that clients use may be read, and when it may not be read at all."""

import json
from pathlib import Path

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.read_pace import (
    MAX_READ_SECONDS,
    ON_DEMAND_READ_UNITS,
    PARTITION_READ_UNITS,
    SEGMENT_READERS,
    SHARE_PERCENT,
    failback_share_percent,
    needs_export,
    read_units_per_second,
    refuse_excessive_share,
    seconds_to_read,
)

MB, GB = 10**6, 10**9
DEFINITIONS = Path(__file__).resolve().parents[4] / "state_machines"


@pytest.mark.parametrize("readers", [1, 3, 8])
@pytest.mark.parametrize("units", [5, 50, 4000, ON_DEMAND_READ_UNITS, 40_000])
def test_all_readers_together_stay_within_the_share_and_each_within_a_partition(units, readers):
    rate = read_units_per_second(units, 20, readers)
    assert 0 < rate * readers <= units * 0.2
    assert rate <= PARTITION_READ_UNITS * 0.2


def test_keys_that_are_spread_over_all_partitions_have_the_whole_share():
    assert read_units_per_second(ON_DEMAND_READ_UNITS, 20, over_all_partitions=True) == 2400


def test_the_smallest_table_is_read_as_well():
    assert read_units_per_second(1, 20) == 1


@pytest.mark.parametrize(
    ("size", "units", "export"),
    [
        (0, 1, False),
        (5 * MB, 50, False),
        (10 * GB, 50, True),  # 34 hours
        (10 * GB, ON_DEMAND_READ_UNITS, True),
        (500 * MB, ON_DEMAND_READ_UNITS, False),
        (500 * MB, 1000, True),
    ],
)
def test_a_table_that_is_too_large_for_its_capacity_is_exported(size, units, export):
    assert needs_export(size, units, 20) is export
    assert (seconds_to_read(size, units, 20) > MAX_READ_SECONDS) is export


def test_a_share_that_autoscaling_leaves_to_clients_is_refused():
    refuse_excessive_share(30, 70)
    with pytest.raises(Refused, match="at most 30: clients use up to"):
        refuse_excessive_share(31, 70)


@pytest.mark.parametrize("machine", ["drill", "restore"])
def test_the_readers_of_segments_are_those_of_the_definition(machine):
    states = json.loads((DEFINITIONS / f"{machine}.asl.json").read_text())["States"]
    assert states["DigestSegments"]["MaxConcurrency"] == SEGMENT_READERS


@pytest.mark.parametrize("share", SHARE_PERCENT)
def test_a_sync_leaves_clients_what_a_recovery_may_read_otherwise(share):
    assert failback_share_percent(share) + share == 100
    assert failback_share_percent(share) >= 50
