"""OAuth traffic for the local cloud: users log in; clients refresh tokens and read userinfo and metadata.

The traffic is an open loop: requests start at the configured rate whether or not earlier ones have completed, as the
requests of many independent clients do. A slow service therefore sees a queue instead of fewer requests.

    python -m orchestrator.local.traffic_generator --base-url URL --platform-url URL --rate 20 --seconds 30
"""

from __future__ import annotations

import argparse
import http.client
import json
import queue
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

from orchestrator.local.oauth_client import LOCAL_CLIENTS, Connection, OAuthClient, Tokens, TrafficClient
from orchestrator.local.traffic_observations import Observations, ObservedResponse, Snapshot, count_by_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORKERS: Final = 8
MAX_WAITING: Final = 500
"""Maximum number of activities that wait for a worker. Further ones are dropped; the report has their number."""
MAX_SESSIONS: Final = 300

LOG_IN, REFRESH, USERINFO = "log in", "refresh", "userinfo"

_MIX: Final = {
    LOG_IN: 8,
    REFRESH: 34,
    USERINFO: 16,
    "/.well-known/oauth-authorization-server": 4,
    "/.well-known/openid-configuration": 2,
    "/.well-known/jwks.json": 6,
    "/health": 2,
    "/version": 1,
}
"""Weights of the activities. A login is four requests to the service; about half of all go to the token function."""
_REQUESTS: Final = {LOG_IN: 4}


@dataclass
class _Sessions:
    """The tokens that no worker is using. A worker that takes tokens is their only user."""

    _tokens: deque[Tokens] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Tokens | None:
        with self._lock:
            return self._tokens.popleft() if self._tokens else None

    def put(self, tokens: Tokens) -> None:
        with self._lock:
            if len(self._tokens) < MAX_SESSIONS:
                self._tokens.append(tokens)


def arrivals(rate_per_second: float, seed: int) -> Iterator[tuple[float, str]]:
    """Yield activities without end, each with its start in seconds after the first.

    They start at random times with the given mean rate of requests, like those of independent clients.
    """
    random = Random(seed)  # noqa: S311 - traffic, not secrets
    activities, weights = list(_MIX), list(_MIX.values())
    offset = 0.0
    while True:
        activity = random.choices(activities, weights)[0]
        yield offset, activity
        offset += random.expovariate(rate_per_second) * _REQUESTS.get(activity, 1)


class Traffic:
    """Traffic against one service, from start() to stop().

    rate_per_second: requests to the service; seed: determines the order and times of the activities.
    No response of the service, and no missing response, stops it.
    """

    def __init__(
        self,
        base_url: str,
        platform_url: str,
        clients: Sequence[TrafficClient] = LOCAL_CLIENTS,
        rate_per_second: float = 20.0,
        seed: int = 0,
    ) -> None:
        if rate_per_second <= 0 or not clients:
            raise ValueError("traffic needs a positive rate_per_second and at least one client")
        self._base_url, self._platform_url = base_url, platform_url
        self._clients = tuple(clients)
        self._rate = rate_per_second
        self._seed = seed
        self._observations = Observations()
        self._sessions = _Sessions()
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._dropped = 0
        self._broken = 0
        self._started_at = self._stopped_at = 0.0

    def start(self) -> Self:
        """Start the traffic, and return it."""
        if self._threads:
            raise RuntimeError("this traffic was already started")
        self._started_at = time.time()
        self._threads = [threading.Thread(target=self._schedule, name="traffic", daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, args=(number,), name=f"traffic-{number}", daemon=True)
            for number in range(WORKERS)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Start no further activities, and return when the running ones have ended."""
        self._stopping.set()
        for _ in range(WORKERS):
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        self._stopped_at = self._stopped_at or time.time()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def snapshot(self, since: float) -> Snapshot:
        """Return the statistics by function and version from `since` (epoch seconds) until now."""
        return self._observations.snapshot(since, time.time())

    def responses(self, since: float = 0.0) -> list[ObservedResponse]:
        """Return every response that ended at `since` (epoch seconds) or later."""
        return self._observations.responses_since(since)

    def first_bad_response_after(self, since: float) -> ObservedResponse | None:
        """Return the first bad response that ended at `since` (epoch seconds) or later."""
        return self._observations.first_bad_response_after(since)

    def last_response_of(self, function: str, version: str) -> ObservedResponse | None:
        """Return the last response of a version."""
        return self._observations.last_response_of(function, version)

    def report(self) -> dict[str, Any]:
        """Return the results: rates, statistics by function and version, dropped and failed activities."""
        responses = self._observations.responses_since(0.0)
        seconds = (self._stopped_at or time.time()) - self._started_at
        return {
            "seconds": round(seconds, 1),
            "asked_per_second": self._rate,
            "requests": len(responses),
            "requests_per_second": round(len(responses) / seconds, 2) if seconds > 0 else None,
            "bad": sum(response.bad for response in responses),
            "dropped": self._dropped,
            "broken": self._broken,
            "counts": [asdict(counts) for counts in count_by_version(responses)],
        }

    def _schedule(self) -> None:
        """Start the activities of `arrivals` at their times."""
        started = time.monotonic()
        for offset, activity in arrivals(self._rate, self._seed):
            if self._stopping.wait(max(0.0, started + offset - time.monotonic())):
                return
            if self._waiting.qsize() < MAX_WAITING:
                self._waiting.put(activity)
            else:
                self._dropped += 1

    def _work(self, number: int) -> None:
        service, platform = Connection(self._base_url), Connection(self._platform_url)
        random = Random(self._seed * WORKERS + number + 1)  # noqa: S311 - as above
        client = OAuthClient(service, platform, self._observations.add, random)
        while (activity := self._waiting.get()) is not None:
            if self._stopping.is_set():
                continue
            try:
                self._perform(activity, client, random)
            except (OSError, http.client.HTTPException):
                self._broken += 1  # the identity provider failed: failures of the service are observations
        service.close()
        platform.close()

    def _perform(self, activity: str, client: OAuthClient, random: Random) -> None:
        if activity.startswith("/"):
            client.get(activity)
            return
        tokens = None if activity == LOG_IN else self._sessions.take()
        if tokens is None:
            new = client.log_in(random.choices(self._clients, [client.share for client in self._clients])[0])
            if new is not None:
                self._sessions.put(new)
        elif activity == REFRESH or tokens.expires_at <= time.time() + 1:
            self._refresh(tokens, client)
        else:
            response = client.userinfo(tokens)
            if response.observation.status != HTTPStatus.UNAUTHORIZED:
                self._sessions.put(tokens)

    def _refresh(self, tokens: Tokens, client: OAuthClient) -> None:
        new, response = client.refresh(tokens)
        if new is not None:
            self._sessions.put(new)
        elif response.observation.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._sessions.put(tokens)  # a server error does not consume the refresh token, so it may be retried


def main(arguments: list[str] | None = None) -> None:
    """Run traffic for a while: print statistics every second, and finally the report as JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m orchestrator.local.traffic_generator", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--base-url", required=True, help="URL of the service")
    parser.add_argument("--platform-url", required=True, help="URL of the upstream identity provider")
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    traffic = Traffic(options.base_url, options.platform_url, rate_per_second=options.rate, seed=options.seed)
    until = time.time() + options.seconds
    with traffic:
        while (now := time.time()) < until:
            time.sleep(min(1.0, until - now))
            snapshot = traffic.snapshot(now)
            parts = (
                f"{item.function}:{item.version or '-'} {item.requests} requests, {item.bad} bad"
                for item in snapshot.counts
            )
            sys.stderr.write(f"{' | '.join(parts)}\n")
    sys.stdout.write(f"{json.dumps(traffic.report(), indent=2, allow_nan=False)}\n")


if __name__ == "__main__":
    main()
