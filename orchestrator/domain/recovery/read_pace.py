"""How fast a recovery may read a table that clients use: at a share of the table's read capacity, or not at all.

Facts of DynamoDB that this relies on:

- A read unit is one strongly consistent read a second of up to 4 KB; an eventually consistent read costs half.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
- A new on-demand table serves 12,000 read units a second at once, and a partition 3,000.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
- An export reads no capacity of the table.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.HowItWorks.html
"""

from __future__ import annotations

from orchestrator.domain.errors import Refused

ON_DEMAND_READ_UNITS = 12_000
"""Read units a second that every on-demand table serves, however little traffic it has had."""

PARTITION_READ_UNITS = 3_000
"""Read units a second that one partition serves. A reader of a segment reads one partition after the other."""

SHARE_PERCENT = (1, 50)
"""The bounds of the setting `read_share_percent`. Clients keep at least half of a table's capacity."""

SEGMENT_READERS = 8
"""Segments that are read at the same time: `MaxConcurrency` of the state DigestSegments."""

MAX_READ_SECONDS = 120
"""Tables that one reader cannot read in this time are exported instead. Its function has 300 s, and the size of a table
is up to six hours old."""

_EVENTUAL_BYTES_PER_UNIT = 8192
_LEAST_UNITS = 1.0


def read_units_per_second(
    read_units: int, share_percent: float, readers: int = 1, *, over_all_partitions: bool = False
) -> float:
    """Return the units a second that one reader may consume.

    Args:
        read_units: the table's read units a second.
        share_percent: the share of them that all readers together may use.
        readers: how many read the table at the same time.
        over_all_partitions: whether a reader's keys are spread over all partitions, which a segment's are not.

    Returns:
        The rate; at least one unit a second for all readers together, so that reading ends.
    """
    share = share_percent / 100
    of_table = max(_LEAST_UNITS, read_units * share) / readers
    return of_table if over_all_partitions else min(of_table, PARTITION_READ_UNITS * share)


def seconds_to_read(size_bytes: int, read_units: int, share_percent: float) -> float:
    """Return how long one reader needs for a table, with eventually consistent reads."""
    return size_bytes / _EVENTUAL_BYTES_PER_UNIT / read_units_per_second(read_units, share_percent)


def needs_export(size_bytes: int, read_units: int, share_percent: float) -> bool:
    """Return whether a table is too large, or has too little capacity, to be read while clients use it."""
    return seconds_to_read(size_bytes, read_units, share_percent) > MAX_READ_SECONDS


def failback_share_percent(share_percent: float) -> float:
    """Return the share of a table in use that a table sync may read while the table denies writes.

    Clients get 503 for writes until the sync ends, and read little without them. So they keep what a recovery may read
    otherwise, and the sync reads the rest. That is more than the target utilisation, so autoscaling raises the table's
    units, and the next invocation reads faster.

    Args:
        share_percent: the setting `read_share_percent`.
    """
    return 100 - share_percent


def refuse_excessive_share(share_percent: float, target_utilisation_percent: float) -> None:
    """Refuse a share of provisioned capacity that autoscaling leaves to clients.

    Autoscaling lets clients use up to the target utilisation. What a recovery reads must fit into the rest.

    Raises:
        Refused: both together exceed the capacity.
    """
    left = 100 - target_utilisation_percent
    if share_percent > left:
        remedy = f"give at most {left:g}: clients use up to stores.target_utilisation_percent of the capacity"
        raise Refused("recovery.read_share_percent", share_percent, remedy)
