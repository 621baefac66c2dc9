"""The calls that AWS CloudTrail recorded: its event history of the last 90 days, of calls that changed something."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from orchestrator.aws.rate_limiter import RateLimiter

LOOKUPS_PER_SECOND = 2.0
"""CloudTrail's limit of LookupEvents, by account and region."""
PAGE_EVENTS = 50
MOST_PAGES = 600
"""Five minutes of look-ups: 30,000 calls."""


class RecordedCalls(NamedTuple):
    """The calls that were read, newest first, and whether these are all of the time."""

    calls: tuple[Mapping[str, Any], ...]
    complete: bool


class CallHistory:
    """The event history of a region.

    Args:
        client: botocore's CloudTrail client.
        limiter: keeps the look-ups below CloudTrail's limit.
    """

    def __init__(self, client: Any, limiter: RateLimiter | None = None) -> None:
        self._client = client
        self._limiter = limiter or RateLimiter(LOOKUPS_PER_SECOND, burst=1)

    def read_calls(self, since: datetime, until: datetime, most_pages: int = MOST_PAGES) -> RecordedCalls:
        """Return the calls that changed something, newest first.

        Args:
            since: aware.
            until: aware.
            most_pages: after so many look-ups the rest is left out.

        Raises:
            ClientError, BotoCoreError: CloudTrail did not answer, or the caller may not use `cloudtrail:LookupEvents`.
        """
        calls: list[Mapping[str, Any]] = []
        token: dict[str, str] = {}
        for _ in range(most_pages):
            self._limiter.wait()
            page = self._client.lookup_events(
                StartTime=since,
                EndTime=until,
                LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}],
                MaxResults=PAGE_EVENTS,
                **token,
            )
            calls += page.get("Events", ())
            if not page.get("NextToken"):
                return RecordedCalls(tuple(calls), complete=True)
            token = {"NextToken": page["NextToken"]}
        return RecordedCalls(tuple(calls), complete=False)
