"""Read lines of CloudWatch log groups.

FilterLogEvents searches a part of the group in each call. A page can be empty although later ones are not, so the
number of pages says nothing (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.analysis.observations import LogLine, LogPage
from orchestrator.domain.verdict import Window

PATTERN = "ERROR"
"""A plain term. It matches the service's JSON lines of that level, and Lambda's own ``[ERROR]`` lines."""

READ_SECONDS = 6.0
"""How long one group is read. A task reads three groups, at most twice, and has 60 s."""

MOST_BYTES = 5_000_000
"""How many bytes of lines are read of one group. More errors need not be counted."""

MILLISECONDS = 1000


class Logs:
    """Log groups.

    Args:
        client: botocore's CloudWatch Logs client.
        clock: seconds, never set back.
        read_seconds: how long one group is read.
    """

    def __init__(self, client: Any, clock: Callable[[], float] = monotonic, read_seconds: float = READ_SECONDS) -> None:
        self._client, self._clock, self._read_seconds = client, clock, read_seconds

    def read_errors(self, group: str, window: Window) -> LogPage:
        """Return the error lines of a log group within a window; a group that does not exist yet has none.

        The page is not complete if the group was not read to its end within `READ_SECONDS` and `MOST_BYTES`.

        Raises:
            Throttled: the request limit was reached.
            Unreachable: CloudWatch Logs did not answer.
        """
        return self.read_lines(group, PATTERN, window)

    def read_lines(self, group: str, pattern: str, window: Window) -> LogPage:
        """Return the lines of a log group that match a filter pattern, as `read_errors`."""
        params = {
            "logGroupName": group,
            "filterPattern": pattern,
            "startTime": int(window.start.timestamp() * MILLISECONDS),
            "endTime": int(window.end.timestamp() * MILLISECONDS) - 1,  # CloudWatch Logs includes the end
        }
        lines: list[LogLine] = []
        token: dict[str, str] = {}
        size, deadline = 0, self._clock() + self._read_seconds
        while size < MOST_BYTES and self._clock() < deadline:
            try:
                with translate_errors():
                    page = self._client.filter_log_events(**params, **token)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return LogPage((), complete=True)
                raise
            events = page.get("events", ())
            lines += [_line(event) for event in events]
            size += sum(len(event["message"].encode()) for event in events)
            if not page.get("nextToken"):
                return LogPage(tuple(lines), complete=True)
            token = {"nextToken": page["nextToken"]}
        return LogPage(tuple(lines), complete=False)


def _line(event: dict[str, Any]) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / MILLISECONDS, UTC)
    return LogLine(at, event.get("logStreamName", ""), event["message"])
