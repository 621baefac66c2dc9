"""A user in front of a browser: goes where a client sends them, logs in at the platform, agrees."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qs, urlsplit

import requests

TIMEOUT_SECONDS = 10
_LOGIN_SECONDS = 10


@dataclass(frozen=True)
class Person:
    """Uses requests without a jar: a jar keeps the cookie, which is Secure, from an address without TLS."""

    account: str = "ada"

    def goes_to(self, address: str) -> str:
        """Open an authorization request, log in, agree. Return the address that the browser is sent back to."""
        service = address.partition("/authorize?")[0]
        page = requests.get(address, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
        cookie = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
        transaction = re.search(r'name="transaction" value="([^"]+)"', page.text)[1]
        form = {"transaction": transaction, "platform": "demo"}
        consent = requests.post(f"{service}/login", form, headers=cookie, timeout=TIMEOUT_SECONDS)
        assert "data-login-url" not in consent.text, "nobody has agreed yet"
        waiting = requests.post(
            f"{service}/login", form | {"decision": "allow"}, headers=cookie, timeout=TIMEOUT_SECONDS
        )
        self._logs_in(unescape(re.search(r'data-login-url="([^"]+)"', waiting.text)[1]))
        deadline = time.monotonic() + _LOGIN_SECONDS
        while True:
            polled = requests.get(
                f"{service}/login/poll", {"transaction": transaction}, headers=cookie, timeout=TIMEOUT_SECONDS
            ).json()
            if polled.get("phase") == "complete":
                return polled["redirect"]
            assert polled.get("phase") == "waiting", polled
            assert time.monotonic() < deadline, polled
            time.sleep(polled["retry_after_seconds"])  # as the page does

    def _logs_in(self, address: str) -> None:
        parts = urlsplit(address)
        form = {"token": parse_qs(parts.query)["token"][0], "account": self.account}
        answer = requests.post(f"{parts.scheme}://{parts.netloc}/auth/login", form, timeout=TIMEOUT_SECONDS)
        assert answer.status_code == 200


def answered(address: str) -> dict[str, str]:
    """Return the parameters of the address that a browser was sent back to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query, strict_parsing=True).items()}
