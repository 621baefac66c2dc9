"""Read what other regions' ledgers recorded, from the copies in the ledger of this region.

Only readers of history use it. What decides about this region reads this region's own records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.aws.failover.ledger_copies import CopiedLedgerClient, LedgerCopies
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.recovery.request import RECOVERY_PREFIX

T = TypeVar("T")


@dataclass(frozen=True)
class Recorded(Generic[T]):
    """A record, and the region whose ledger recorded it; empty for this region."""

    record: T
    region: str = ""


def copied_clouds(cloud: Cloud) -> tuple[Cloud, ...]:
    """Return an environment for each region whose ledger was copied, by region.

    The adapters of its ledger read the copy, and cannot write. Other services are those of that region.

    Raises:
        Throttled, Unreachable: the ledger did not answer.
    """
    dynamodb, table = cloud.clients("dynamodb"), cloud.settings["LEDGER_TABLE"]
    copies = LedgerCopies(dynamodb, table, sleep=cloud.sleep).list_copies()
    return tuple(_copied(cloud, dynamodb, copy.region) for copy in copies)


def newest_recorded(
    cloud: Cloud, read: Callable[[Cloud], Iterable[T]], at: Callable[[T], datetime], limit: int
) -> list[Recorded[T]]:
    """Return the newest records of this region and of copied ledgers, newest first.

    Args:
        cloud: this region.
        read: reads the newest records of a ledger, at most `limit`, newest first.
        at: the time of a record.
        limit: the most records.
    """
    own = [Recorded(one) for one in read(cloud)]
    copied = [Recorded(one, region_of(copy)) for copy in copied_clouds(cloud) for one in read(copy)]
    if not copied:
        return own
    return sorted([*own, *copied], key=lambda one: at(one.record), reverse=True)[:limit]


def cloud_that_has(cloud: Cloud, has: Callable[[Cloud], object]) -> Cloud:
    """Return the first of this region and the copied ledgers for which `has` is true; this region if it is for none.

    Args:
        cloud: this region.
        has: whether a ledger has the record.
    """
    if has(cloud):
        return cloud
    return next((copy for copy in copied_clouds(cloud) if has(copy)), cloud)


def has_record(name: str) -> Callable[[Cloud], object]:
    """Return whether a ledger has a deployment or a recovery of this id, or its refusal."""

    def has(cloud: Cloud) -> object:
        records = cloud.drills if name.startswith(RECOVERY_PREFIX) else cloud.ledger
        return records.find_record(name) or records.read_refusal(name)

    return has


def region_of(cloud: Cloud) -> str:
    """Return the region of an environment's ledger."""
    return cloud.settings["AWS_REGION"]


def of_its_region(cloud: Cloud, read: Callable[[], T]) -> T | None:
    """Return what another service than the ledger has; of a copied ledger, None if its region does not answer.

    That region may be gone, or closed to this account.

    Args:
        cloud: whose service it is.
        read: reads it.

    Raises:
        Throttled, Unreachable, ClientError: this region's service did not answer.
    """
    try:
        return read()
    except (Throttled, Unreachable, ClientError):
        if isinstance(cloud.clients("dynamodb"), CopiedLedgerClient):
            return None
        raise


def _copied(cloud: Cloud, dynamodb: Any, region: str) -> Cloud:
    ledger = CopiedLedgerClient(dynamodb, region)
    return Cloud(
        {**cloud.settings, "AWS_REGION": region},
        clients=lambda service: ledger if service == "dynamodb" else cloud.client_in(service, region),
        now=cloud.now,
        sleep=cloud.sleep,
    )
