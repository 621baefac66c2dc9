"""Error lines of a log group: all of them are read, however many pages are empty, within bounds of time and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.cloudwatch.logs import MOST_BYTES, READ_SECONDS, Logs
from orchestrator.domain.errors import Throttled, Unreachable
from orchestrator.domain.verdict import Window
from tests.fakes.clock import SimulatedClock
from tests.fakes.errors import client_error

START = datetime(2026, 11, 29, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=1))
GROUP = "/aws/lambda/ib-oauth-token-test"


class PagedLogs:
    """A group that is searched in parts: each call returns the next page's messages, after some seconds."""

    def __init__(self, pages: Iterable[list[str]], clock: SimulatedClock, seconds_a_call: float = 0.05) -> None:
        self._pages, self._clock, self._seconds = iter(pages), clock, seconds_a_call
        self._next = next(self._pages)
        self.tokens: list[str | None] = []

    def filter_log_events(self, **request):
        assert request["endTime"] - request["startTime"] == 60_000 - 1
        self._clock.advance(self._seconds)
        self.tokens.append(request.get("nextToken"))
        page, self._next = self._next, next(self._pages, None)
        at = int(START.timestamp() * 1000)
        events = [{"timestamp": at, "logStreamName": "s[1]", "message": message} for message in page]
        return {"events": events, **({} if self._next is None else {"nextToken": f"after {len(self.tokens)}"})}


def read(pages, **timing):
    clock = SimulatedClock()
    client = PagedLogs(pages, clock, **timing)
    return Logs(client, clock.seconds).read_errors(GROUP, WINDOW), client


@pytest.mark.parametrize("empty", [0, 1, 10, 11, 60])
def test_lines_behind_any_number_of_empty_pages_are_found(empty):
    found, client = read([*([[]] * empty), ["ERROR a"], [], ["ERROR b"]])
    assert ([line.message for line in found.lines], found.complete) == (["ERROR a", "ERROR b"], True)
    assert client.tokens == [None, *(f"after {number}" for number in range(1, empty + 3))]


def test_a_group_that_never_ends_is_left_in_time():
    found, client = read(([] for _ in count()), seconds_a_call=0.5)
    assert not found.complete
    assert len(client.tokens) * 0.5 == pytest.approx(READ_SECONDS, abs=0.5)


def test_no_more_bytes_are_read_than_needed():
    message = "ERROR " + "x" * 99_994
    found, client = read([message] * 10 for _ in count())
    assert not found.complete
    assert len(client.tokens) == MOST_BYTES / 1_000_000
    assert len(found.lines) == MOST_BYTES / 100_000


class Failing:
    def __init__(self, error):
        self._error = error

    def filter_log_events(self, **_request):
        raise self._error


def test_a_group_that_does_not_exist_yet_has_no_errors():
    page = Logs(Failing(client_error("ResourceNotFoundException"))).read_errors(GROUP, WINDOW)
    assert (page.lines, page.complete) == ((), True)


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        ("ThrottlingException", 400, Throttled),
        ("ServiceUnavailableException", 503, Unreachable),
        ("AccessDeniedException", 400, ClientError),
    ],
)
def test_a_group_that_cannot_be_read_is_not_taken_for_one_without_errors(code, status, raised):
    with pytest.raises(raised):
        Logs(Failing(client_error(code, status=status))).read_errors(GROUP, WINDOW)
