"""The steps of a regional failover, and of the way back, with what must hold before and after each. Pure.

Each step may be repeated: its effects are absolute, and its first result stays. So a failover that failed or died
continues with the first step that has no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Direction(StrEnum):
    """Where a failover goes."""

    AWAY = "AWAY"  # from a lost region to the standby region, from copies
    BACK = "BACK"  # from the standby region to the home region, while both answer, with all that was written


class Step(StrEnum):
    """The steps. `STEPS` and `STEPS_BACK` have their orders."""

    PREPARE = "PREPARE"
    COPY = "COPY"
    LIST_ROWS = "LIST_ROWS"
    APPROVE = "APPROVE"
    SYNC = "SYNC"
    FENCE = "FENCE"
    CLOSE = "CLOSE"
    RESTORE = "RESTORE"
    SANITIZE_TOKENS = "SANITIZE_TOKENS"
    DEPLOY_RELEASE = "DEPLOY_RELEASE"
    CHECK_KEYS = "CHECK_KEYS"
    VERIFY = "VERIFY"
    TAKE_OVER = "TAKE_OVER"
    UPDATE_DNS = "UPDATE_DNS"
    ANNOUNCE = "ANNOUNCE"


STEPS = (
    Step.APPROVE,
    Step.FENCE,
    Step.RESTORE,
    Step.SANITIZE_TOKENS,
    Step.DEPLOY_RELEASE,
    Step.CHECK_KEYS,
    Step.VERIFY,
    Step.TAKE_OVER,
    Step.UPDATE_DNS,
    Step.ANNOUNCE,
)
"""The steps of a failover, in their order."""

STEPS_BACK = (
    Step.PREPARE,
    Step.COPY,
    Step.LIST_ROWS,
    Step.APPROVE,
    Step.SYNC,
    Step.FENCE,
    Step.CLOSE,
    Step.DEPLOY_RELEASE,
    Step.CHECK_KEYS,
    Step.VERIFY,
    Step.TAKE_OVER,
    Step.UPDATE_DNS,
    Step.ANNOUNCE,
)
"""The steps back, in their order. What changes nothing for clients comes before the approvals."""

WAITS_FOR_LEASES = frozenset({Step.CLOSE, Step.TAKE_OVER})
"""No lease of the region that is left may last when one of these begins."""


@dataclass(frozen=True)
class StepRule:
    """What a step does.

    Attributes:
        title: what it does, as an order.
        precondition: what must hold before it.
        postcondition: what holds after it.
        expected: how long it usually takes. A step that takes longer is reported, not stopped.
    """

    title: str
    precondition: str
    postcondition: str
    expected: timedelta


RULES: Mapping[Step, StepRule] = {
    Step.APPROVE: StepRule(
        "get the approvals",
        "the settings name enough approvers",
        "as many approvers as the quorum have approved, one of them not the requester",
        timedelta(minutes=10),
    ),
    Step.FENCE: StepRule(
        "stop the home region from renewing its lease",
        "the assignment names the home region",
        "the assignment names this region; the home region gets no further lease",
        timedelta(seconds=10),
    ),
    Step.RESTORE: StepRule(
        "restore the tables from the newest copies",
        "this region has a copy of each table, none older than the approved one, and of evidence and snapshots",
        "the restored tables are active and have the settings that a restore drops",
        timedelta(minutes=30),
    ),
    Step.SANITIZE_TOKENS: StepRule(
        "invalidate all earlier tokens",
        "the restored tables are active",
        "the revocation epoch of the restored tokens is one higher than in the copy",
        timedelta(seconds=10),
    ),
    Step.DEPLOY_RELEASE: StepRule(
        "switch the service in this region to the restored tables",
        "this region has a release that the home region served and did not roll back",
        "the live alias of every function is a version that uses the restored tables",
        timedelta(minutes=2),
    ),
    Step.CHECK_KEYS: StepRule(
        "check the signing keys of this region",
        "the key ring names a signing key",
        "KMS returns the public key of the signing key",
        timedelta(seconds=10),
    ),
    Step.VERIFY: StepRule(
        "run OAuth flows as the synthetic client",
        "the live alias answers",
        "a login, a refresh, user data and a revocation of the synthetic client work",
        timedelta(minutes=1),
    ),
    Step.TAKE_OVER: StepRule(
        "bring the managed clients into the ledger's state, and let this region issue tokens",
        "every lease of the home region has ended; this region's ledger has the home region's records of managed clients",
        "clients are as the ledger has them, the assignment is active, and this region has a lease",
        timedelta(minutes=1),
    ),
    Step.UPDATE_DNS: StepRule(
        "point the domain at the API of this region",
        "the API has a target for the domain",
        "Route 53 reports the change as INSYNC",
        timedelta(minutes=2),
    ),
    Step.ANNOUNCE: StepRule(
        "notify operators and clients",
        "the settings name operators",
        "the notification was accepted",
        timedelta(seconds=10),
    ),
}
"""The rule of each step of a failover."""

RULES_BACK: Mapping[Step, StepRule] = {
    Step.PREPARE: StepRule(
        "check both regions",
        "both regions answer, and the assignment names the standby region",
        "the home region has the release, the keys and the aliases that the next steps need",
        timedelta(minutes=1),
    ),
    Step.COPY: StepRule(
        "copy the standby region's tables to the home region",
        "the tables that the standby region's live versions use are there",
        "new tables in the home region hold a backup of them, with their settings, under the home region's key",
        timedelta(minutes=40),
    ),
    Step.LIST_ROWS: StepRule(
        "count the rows that only the home region's old tables have",
        "the copied tables are active",
        "the approvers see how many such rows there are; none was copied",
        timedelta(minutes=5),
    ),
    Step.APPROVE: StepRule(
        "get the approvals",
        "the settings name enough approvers",
        "as many approvers as the quorum have approved, one of them not the requester",
        timedelta(minutes=10),
    ),
    Step.SYNC: StepRule(
        "copy what was written since the backup, while clients write on",
        "the copied tables are active, and no client uses them",
        "a pass over the tables found few differences",
        timedelta(minutes=15),
    ),
    Step.FENCE: StepRule(
        "stop the standby region from renewing its lease",
        "the assignment names the standby region; both regions are as PREPARE found them",
        "the assignment names the home region; the standby region gets no further lease",
        timedelta(seconds=10),
    ),
    Step.CLOSE: StepRule(
        "deny writes in the standby region, and copy the rest",
        "every lease of the standby region has ended; its live versions use the copied tables' sources",
        "the tables of both regions were read completely and hold the same items",
        timedelta(minutes=5),
    ),
    Step.DEPLOY_RELEASE: StepRule(
        "switch the service in the home region to the copied tables",
        "the home region has the release that the standby region serves",
        "the live alias of every function is a version that uses the copied tables; token epochs are unchanged",
        timedelta(minutes=2),
    ),
    Step.CHECK_KEYS: RULES[Step.CHECK_KEYS],
    Step.VERIFY: RULES[Step.VERIFY],
    Step.TAKE_OVER: StepRule(
        "bring the records of managed clients to the home region, and let it issue tokens",
        "every lease of the standby region has ended",
        "the home region's ledger has the records of clients, the assignment is active, and the home region has a lease",
        timedelta(minutes=1),
    ),
    Step.UPDATE_DNS: RULES[Step.UPDATE_DNS],
    Step.ANNOUNCE: RULES[Step.ANNOUNCE],
}
"""The rule of each step back."""


def steps_of(direction: Direction) -> tuple[Step, ...]:
    """Return the steps of a direction, in their order."""
    return STEPS_BACK if direction is Direction.BACK else STEPS


def rules_of(direction: Direction) -> Mapping[Step, StepRule]:
    """Return the rule of each step of a direction."""
    return RULES_BACK if direction is Direction.BACK else RULES


LAST_REVERSIBLE = Step.VERIFY
"""Until this step has a result and the next one has begun, a failover can be cancelled: no client was served."""
