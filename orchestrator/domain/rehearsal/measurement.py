"""What a rehearsal measured of the service: complete flows, and writes that the service acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

FLOWS_FOR_A_STATE = 5
"""Complete flows in a row that show that the service works: before the fault, and after it."""


@dataclass(frozen=True)
class Flow:
    """One complete flow of a client: a login, a refresh and a request for the user's claims.

    Attributes:
        started_at: its first request.
        failed: the step that failed; empty if all succeeded.
    """

    started_at: datetime
    failed: str = ""


@dataclass(frozen=True)
class AcknowledgedWrite:
    """A write that the service acknowledged, and whether it was there at the end."""

    at: datetime
    found: bool


@dataclass(frozen=True)
class KeptLogin:
    """A login whose refresh token was tried at the end, and whether it was accepted."""

    at: datetime
    alive: bool


def count_logins(logins: Sequence[KeptLogin]) -> tuple[int | None, int | None]:
    """Return how many logins were tried, and how many of them had ended; None of both if none was tried."""
    if not logins:
        return None, None
    return len(logins), sum(not login.alive for login in logins)


def works(flows: Sequence[Flow], since: datetime) -> bool:
    """Return whether the newest flows that started since a time show that the service works."""
    newest = [flow for flow in flows if flow.started_at >= since][-FLOWS_FOR_A_STATE:]
    return len(newest) == FLOWS_FOR_A_STATE and not any(flow.failed for flow in newest)


def recovery_time(flows: Sequence[Flow], fault_at: datetime) -> timedelta | None:
    """Return the time from a fault until every flow succeeded; zero if none failed.

    Args:
        flows: in the order of their starts.
        fault_at: when the fault was injected.

    Returns:
        None without evidence: too few complete flows just before the fault, or after the last one that failed.
    """
    before = [flow for flow in flows if flow.started_at < fault_at][-FLOWS_FOR_A_STATE:]
    after = [flow for flow in flows if flow.started_at >= fault_at]
    if len(before) < FLOWS_FOR_A_STATE or any(flow.failed for flow in before):
        return None
    last_failed = max((number for number, flow in enumerate(after) if flow.failed), default=-1)
    complete = after[last_failed + 1 :]
    if len(complete) < FLOWS_FOR_A_STATE:
        return None
    return timedelta() if last_failed < 0 else complete[0].started_at - fault_at


def data_loss(writes: Iterable[AcknowledgedWrite], fault_at: datetime) -> timedelta | None:
    """Return the time in which acknowledged writes were lost; zero if none is.

    It lasts from the newest write before all lost ones to the newest lost one: a recovery loses what was written until it
    closed the tables, not only until the fault.

    Returns:
        None without evidence: no write was acknowledged before the fault.
    """
    ordered = sorted(writes, key=lambda write: write.at)
    if not any(write.at < fault_at for write in ordered):
        return None
    lost = [write.at for write in ordered if not write.found]
    if not lost:
        return timedelta()
    kept_before = [write.at for write in ordered if write.found and write.at < lost[0]]
    return lost[-1] - (kept_before[-1] if kept_before else lost[0])
