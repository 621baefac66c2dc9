"""The usage of the service by one client, from the request lines of its functions' logs."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.aws.cloudwatch.logs import Logs
from orchestrator.domain.analysis.observations import LogLine
from orchestrator.domain.clients.usage import Usage, summarize_usage
from orchestrator.domain.verdict import Window


def read_usage(logs: Logs, functions: Sequence[str], client_id: str, window: Window) -> tuple[Usage, bool]:
    """Return the usage by a client within a window, and whether every log was read to its end.

    Args:
        logs: the log groups.
        functions: names of the Lambda functions.
        client_id: a configured or managed id, which has no quote.
        window: the examined time.

    Raises:
        Throttled, Unreachable: CloudWatch Logs did not answer.
    """
    lines: list[LogLine] = []
    complete = True
    for function in functions:
        # A quoted term matches the text anywhere in the line; the lines are JSON, and parsed afterwards.
        page = logs.read_lines(f"/aws/lambda/{function}", f'"{client_id}"', window)
        lines += page.lines
        complete = complete and page.complete
    return summarize_usage(lines, client_id), complete
