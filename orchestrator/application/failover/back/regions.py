"""Both regions of the way back, as one process reaches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from orchestrator.application.cloud import Cloud
from orchestrator.aws.ledger.failovers import FailoverStore


@dataclass(frozen=True)
class HomeCloud(Cloud):
    """The home region's adapters. Failovers and the assignment are in the standby region's ledger.

    Attributes:
        store: of that ledger.
    """

    store: FailoverStore = field(kw_only=True)

    def __post_init__(self) -> None:
        """Use the standby region's store as the adapter of failovers."""
        vars(self)["failovers"] = self.store


@dataclass(frozen=True)
class BothRegions:
    """Both regions.

    Attributes:
        standby: the region that issues tokens since the failover.
        home: the region to go back to.
        read_share_percent: share of a table's read capacity that the copying may take while clients use the table.
        block_hold: how long a table must refuse all probes before it counts as closed.
    """

    standby: Cloud
    home: HomeCloud
    read_share_percent: float
    block_hold: timedelta

    @property
    def store(self) -> FailoverStore:
        """The failovers, and the assignment."""
        return self.standby.failovers

    @property
    def standby_region(self) -> str:
        """The name of the region that is left."""
        return self.standby.settings["AWS_REGION"]

    @property
    def home_region(self) -> str:
        """The name of the region that takes over."""
        return self.home.settings["AWS_REGION"]
