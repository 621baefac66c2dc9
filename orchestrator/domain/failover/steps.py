"""The steps of a regional failover, in their order, with what must hold before and after each. Pure.

Each step may be repeated: its effects are absolute, and its first result stays. So a failover that failed or died
continues with the first step that has no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Step(StrEnum):
    """The steps, in their order."""

    APPROVE = "APPROVE"
    FENCE = "FENCE"
    RESTORE = "RESTORE"
    SANITIZE_TOKENS = "SANITIZE_TOKENS"
    DEPLOY_RELEASE = "DEPLOY_RELEASE"
    CHECK_KEYS = "CHECK_KEYS"
    VERIFY = "VERIFY"
    TAKE_OVER = "TAKE_OVER"
    UPDATE_DNS = "UPDATE_DNS"
    ANNOUNCE = "ANNOUNCE"


STEPS = tuple(Step)


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
        "this region has a copy of each table, none older than the approved one",
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
        "let this region issue tokens",
        "every lease of the home region has ended",
        "the assignment is active, and this region has a lease",
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
"""The rule of each step."""

LAST_REVERSIBLE = Step.VERIFY
"""Until this step has a result and the next one has begun, a failover can be cancelled: no client was served."""
