"""The API as clients reach it: standard library only, every wait limited, every answer limited in size."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import local
from time import perf_counter
from urllib.parse import SplitResult, urlencode, urlsplit

from orchestrator.domain.errors import Unreachable
from orchestrator.domain.observation import Answer, Certificate, Request

FORM = "application/x-www-form-urlencoded"
VERSION_HEADER = "x-ib-oauth-version"
USER_AGENT = "ib-oauth-orchestrator"
TIMEOUT_SECONDS = 5.0
BODY_LIMIT_BYTES = 1_000_000


class Http:
    """HTTP(S) with one connection kept for each thread and host."""

    def __init__(self) -> None:
        self._kept = local()

    def send(self, base_url: str, request: Request) -> Answer:
        """Send a request; redirects are not followed.

        Args:
            base_url: the API's address with its stage, without a slash at its end.
            request: its path is put after that.

        Raises:
            Unreachable: no answer within 5 s, an answer above 1 MB, or a connection that is not trusted.
        """
        split = urlsplit(f"{base_url}{request.path}")
        target = f"{split.path}?{urlencode(request.query)}" if request.query else split.path
        body = None if request.form is None else urlencode(request.form)
        headers = {"User-Agent": USER_AGENT, **request.headers, **({"Content-Type": FORM} if body is not None else {})}
        started = perf_counter()
        try:
            status, found, text = self._exchange(split, request.method, target, body, headers)
        except (OSError, HTTPException) as error:
            raise Unreachable(
                f"{request.method} {split.netloc}{split.path}: {error or type(error).__name__}"
            ) from error
        elapsed_ms = (perf_counter() - started) * 1000
        grouped: dict[str, tuple[str, ...]] = {}
        for name, value in found:
            grouped[name.lower()] = (*grouped.get(name.lower(), ()), value)
        return Answer(status, grouped, text, elapsed_ms, next(iter(grouped.get(VERSION_HEADER, ())), ""))

    def certificate(self, url: str) -> Certificate:
        """Agree on TLS with an https address, trusting what the system trusts, 1.2 and later.

        Raises:
            Unreachable: no answer, or a certificate that is not good for the host.
        """
        split = urlsplit(url)
        connection = HTTPSConnection(split.netloc, timeout=TIMEOUT_SECONDS, context=_context())
        try:
            connection.connect()
            secured: ssl.SSLSocket = connection.sock
            shown = secured.getpeercert() or {}
            protocol = secured.version() or ""
        except OSError as error:
            raise Unreachable(f"{split.netloc}: {error}") from error
        finally:
            connection.close()
        expires = ssl.cert_time_to_seconds(str(shown["notAfter"]))
        return Certificate(protocol, datetime.fromtimestamp(expires, UTC))

    def _exchange(
        self, split: SplitResult, method: str, target: str, body: str | None, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], str]:
        connection = self._connection(split)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read(BODY_LIMIT_BYTES + 1)
        except (OSError, HTTPException):
            connection.close()  # the next request opens it anew
            raise
        if len(content) > BODY_LIMIT_BYTES:
            connection.close()
            raise HTTPException(f"an answer above {BODY_LIMIT_BYTES} bytes")
        return response.status, response.getheaders(), content.decode("utf-8", "replace")

    def _connection(self, split: SplitResult) -> HTTPConnection:
        kept: dict[str, HTTPConnection] = self._kept.__dict__.setdefault("connections", {})
        name = f"{split.scheme}://{split.netloc}"
        if name not in kept:
            if split.scheme == "https":
                kept[name] = HTTPSConnection(split.netloc, timeout=TIMEOUT_SECONDS, context=_context())
            else:
                kept[name] = HTTPConnection(split.netloc, timeout=TIMEOUT_SECONDS)
        return kept[name]


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
