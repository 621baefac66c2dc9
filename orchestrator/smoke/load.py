"""Requests to the service at a steady rate, each over a new connection, and what became of each."""

from __future__ import annotations

import base64
import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urlsplit

SERVER_ERROR, THROTTLED = 500, 429
NO_ANSWER = 0
_WORKERS, _TIMEOUT_SECONDS = 16, 35.0
_Request = tuple[str, str, str | None, dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """An answer of the service; `status` is `NO_ANSWER` if there was none."""

    path: str
    started_at: float
    ended_at: float
    status: int

    @property
    def bad(self) -> bool:
        """Whether the client got no useful answer by the service's fault."""
        return self.status == NO_ANSWER or self.status >= SERVER_ERROR


class Load:
    """Requests for tokens, keys and health, from `with` to its end.

    Half of the requests authenticate a client with its secret and present a refresh token that does not exist: the
    service reads the tables, answers 400, and counts it as a request that succeeded.

    Args:
        base_url: the service's address.
        client_id: a client with a secret.
        secret: its secret.
        per_second: requests a second.
    """

    def __init__(self, base_url: str, client_id: str, secret: str, per_second: float) -> None:
        self._address, self._per_second = urlsplit(base_url), per_second
        credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._token: _Request = (
            "POST",
            "/token",
            urlencode({"grant_type": "refresh_token", "refresh_token": "none"}),
            {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"},
        )
        self._others: list[_Request] = [("GET", path, None, {}) for path in ("/.well-known/jwks.json", "/version")]
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._answers: list[Answer] = []
        self._clock = threading.Thread(target=self._schedule, daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._clock.join()

    def answers(self, since: float = 0.0) -> list[Answer]:
        """Return the answers that ended at `since` (epoch seconds) or later."""
        with self._lock:
            return [answer for answer in self._answers if answer.ended_at >= since]

    def _schedule(self) -> None:
        with ThreadPoolExecutor(_WORKERS) as threads:
            number = 0
            while not self._stopping.wait(1 / self._per_second):
                number += 1
                threads.submit(self._send, number)

    def _send(self, number: int) -> None:
        method, path, body, headers = self._token if number % 2 else self._others[number // 2 % len(self._others)]
        started, status = time.time(), NO_ANSWER
        connect = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        connection = connect(self._address.netloc, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request(method, f"{self._address.path.rstrip('/')}{path}", body=body, headers=headers)
            response = connection.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        with self._lock:
            self._answers.append(Answer(path, started, time.time(), status))
