"""The settings of a failover, ``[….failover]``: the standby region, who approves, and how long a lease lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.domain.deployment.gates import Gate, GateKind, read_gate
from orchestrator.domain.regions import REGION, REGION_REMEDY
from orchestrator.domain.schema import SettingsReader

LEASE_SECONDS = (10, 3600)
SHORTEST_LEASE_SECONDS = 120
"""In an account: a lease is renewed every minute, so it outlasts at least one renewal that failed."""

OLDEST_COPY_HOURS = (1, 168)


@dataclass(frozen=True)
class FailoverPolicy:
    """The settings.

    Attributes:
        region: the standby region, which also keeps the assignment.
        lease: how long a region may issue tokens without reading the assignment.
        oldest_copy: age of the newest copy of a table above which the plan is not ready.
        gate: the approvals of a failover.
        certificate_arn: a certificate of the API's domain in the standby region; without it the stack creates one and
            validates it in the hosted zone.
    """

    region: str
    lease: timedelta
    oldest_copy: timedelta
    gate: Gate
    certificate_arn: str | None = None

    def encode(self) -> Mapping[str, object]:
        """Return the table that `read_failover` reads, without the certificate, which no function needs."""
        return {
            "region": self.region,
            "lease_seconds": int(self.lease.total_seconds()),
            "oldest_copy_hours": int(self.oldest_copy / timedelta(hours=1)),
            "approval": {
                "name": self.gate.name,
                "approvers": list(self.gate.approvers),
                "quorum": self.gate.quorum,
                "deadline_seconds": int(self.gate.deadline.total_seconds()),
                "requester_may_approve_alone": self.gate.requester_alone,
            },
        }


def read_failover(table: SettingsReader) -> FailoverPolicy:
    """Read the table ``failover`` of an environment.

    Raises:
        Refused: a setting is wrong. The error names the field, the value and the remedy.
    """
    policy = FailoverPolicy(
        region=table.text("region", matching=REGION, remedy=REGION_REMEDY),
        lease=timedelta(seconds=table.whole_number("lease_seconds", *LEASE_SECONDS)),
        oldest_copy=timedelta(hours=table.whole_number("oldest_copy_hours", *OLDEST_COPY_HOURS)),
        gate=read_gate(table.table("approval"), GateKind.APPROVE, before_step=0),
        certificate_arn=table.optional_text("certificate_arn"),
    )
    table.refuse_unknown_keys()
    return policy
