"""CloudWatch Logs: the lines that speak of an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.observation import LogLine, LogPage
from orchestrator.domain.verdict import Window

PATTERN = "ERROR"
"""A plain term, which finds the service's JSON lines of that level and Lambda's own ``[ERROR]`` lines alike."""

PAGES = 10
"""How many pages of up to 1 MB or 10,000 lines are read of one group. More errors than that need no counting."""

MILLISECONDS = 1000


class Logs:
    """Log groups.

    Args:
        client: botocore's CloudWatch Logs client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def errors(self, group: str, window: Window) -> LogPage:
        """Read the lines of a log group that speak of an error; a group that does not exist yet has none.

        Raises:
            Throttled: the request limit was met.
            Unreachable: CloudWatch Logs did not answer.
        """
        asked = {
            "logGroupName": group,
            "filterPattern": PATTERN,
            "startTime": int(window.start.timestamp() * MILLISECONDS),
            "endTime": int(window.end.timestamp() * MILLISECONDS) - 1,  # the service includes its end
        }
        lines: list[LogLine] = []
        token: dict[str, str] = {}
        for _ in range(PAGES):
            try:
                with narrowed():
                    page = self._client.filter_log_events(**asked, **token)
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return LogPage((), complete=True)
                raise
            lines += [_line(event) for event in page.get("events", ())]
            if not page.get("nextToken"):
                return LogPage(tuple(lines), complete=True)
            token = {"nextToken": page["nextToken"]}
        return LogPage(tuple(lines), complete=False)


def _line(event: dict[str, Any]) -> LogLine:
    at = datetime.fromtimestamp(event["timestamp"] / MILLISECONDS, UTC)
    return LogLine(at, event.get("logStreamName", ""), event["message"])
