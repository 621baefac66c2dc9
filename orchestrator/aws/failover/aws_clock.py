"""AWS's time, as its responses have it, for a process whose own clock may be wrong: that of an operator's machine.

Leases are counted by Amazon's time service, and the margin between two of them is a minute. AWS accepts signatures of a
clock that is five minutes off, so the clock of a laptop cannot decide when a lease has ended.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.aws.clients import translate_errors
from orchestrator.domain.errors import Unreachable

RENEWED_SECONDS = 30.0
"""After so long, the time is read from AWS again."""

LONGEST_CALL_SECONDS = 5.0
"""A response that took longer says too little of the time: it is repeated."""

STEP_SECONDS = 0.5
"""If the machine's two clocks differ by more than this since the last reading, it slept, or its clock was set."""

ATTEMPTS = 3


class AwsClock:
    """A clock that is set by the responses of AWS.

    Args:
        client: botocore's client of STS.
        wall: the machine's time, in seconds since the epoch.
        monotonic: seconds that pass while the machine runs.
    """

    def __init__(
        self,
        client: Any,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._wall, self._monotonic = client, wall, monotonic
        self._read: tuple[datetime, float, float] | None = None

    def now(self) -> datetime:
        """Return the time, aware, in UTC; exact to some seconds.

        Raises:
            Throttled, Unreachable: AWS did not answer, or too slowly.
        """
        if self._read is None or self._is_outdated(*self._read[1:]):
            self._read = self._read_time()
        at, _, monotonic = self._read
        return at + timedelta(seconds=self._monotonic() - monotonic)

    def _is_outdated(self, wall: float, monotonic: float) -> bool:
        passed, ran = self._wall() - wall, self._monotonic() - monotonic
        return ran > RENEWED_SECONDS or abs(passed - ran) > STEP_SECONDS

    def _read_time(self) -> tuple[datetime, float, float]:
        for _ in range(ATTEMPTS):
            before = self._monotonic()
            with translate_errors():
                headers = self._client.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
            after = self._monotonic()
            if "date" not in headers:
                raise Unreachable("a response of STS has no date")
            if after - before <= LONGEST_CALL_SECONDS:
                return parsedate_to_datetime(headers["date"]).astimezone(UTC), self._wall(), after
        raise Unreachable(f"STS took longer than {LONGEST_CALL_SECONDS:.0f} s, so the time is not known")
