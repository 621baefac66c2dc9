"""Takes down every secret as it appears, and finds it again where it must not be.

What a secret is follows from where it stands: the parameter of a form, the member of an answer, a cookie, what a platform gives. So
the tests do not name the values; a new endpoint's are taken down by the names of its parameters.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.unit.service.conftest import Answer, Service

CREDENTIALS = frozenset(
    {"transaction", "code", "code_verifier", "refresh_token", "access_token", "token", "client_secret", "mac",
     "registration_access_token"}
)  # fmt: skip
"""Parameters and members that are credentials wherever they stand."""
CREDENTIAL, PERSONAL, NAMING = "credential", "personal", "naming"
"""A credential may stand nowhere; a person's name in no log and in no item; what only names a person, or is a client's, in no log."""
SHORTEST = 8
"""Shorter texts come up by chance."""
_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')
_LINKS = re.compile(r'<a href="([^"]+)"')
_MAY_STAND = {"location": ("code", "state"), "set-cookie": ("cookie",)}
"""Headers that are made to carry a secret: to the browser, once."""


class Leak(AssertionError):
    """A secret where it must not be: says which and where, and never the secret itself."""


@dataclass
class Recorder:
    """Every secret by its text: (what it is, its name)."""

    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    def take_down(self, kind: str, name: str, text: str) -> None:
        """Note a secret, and what of it gives it away: the part after its prefix, a token's signature."""
        parts = [text, text.partition("_")[2], text.rpartition(".")[2]]
        for part in parts:
            if len(part) >= SHORTEST:
                self.secrets.setdefault(part, (kind, name))

    def listen(self, service: Service) -> Service:
        """Take down whatever this service is sent and answers."""
        sent = service.call

        def call(function: str, method: str, path: str, **request: Any) -> Answer:
            self._request(request)
            answer = sent(function, method, path, **request)
            self._answer(answer)
            return answer

        service.call = call
        return service

    def _request(self, request: Mapping[str, Any]) -> None:
        query = request.get("query") or {}
        for pairs in (query.items() if isinstance(query, dict) else query, (request.get("form") or {}).items()):
            for name, value in pairs:
                if name in CREDENTIALS:
                    self.take_down(CREDENTIAL, name, value)
                if name == "state":
                    self.take_down(NAMING, name, value)
        headers = {name.lower(): value for name, value in (request.get("headers") or {}).items()}
        self.take_down(CREDENTIAL, "cookie", headers.get("cookie", "").partition("=")[2])
        self.take_down(CREDENTIAL, "authorization", headers.get("authorization", "").partition(" ")[2])

    def _answer(self, answer: Answer) -> None:
        self.answers.append(answer)
        cookie = answer.header("set-cookie") or ""
        self.take_down(CREDENTIAL, "cookie", cookie.partition("=")[2].partition(";")[0])
        for found in _TRANSACTION.findall(answer.body):
            self.take_down(CREDENTIAL, "transaction", found)
        addresses = [answer.header("location") or ""]
        if (answer.header("content-type") or "").startswith("application/json"):
            document = json.loads(answer.body or "{}")
            addresses.append(document.get("redirect") or "")
            for name in CREDENTIALS & document.keys():
                self.take_down(CREDENTIAL, name, str(document[name]))
        addresses += [unescape(found) for found in _LINKS.findall(answer.body)]
        for address in addresses:
            for code in parse_qs(urlsplit(address).query).get("code", ()):
                self.take_down(CREDENTIAL, "code", code)

    def search_log(self, text: str) -> None:
        """Raises Leak where any secret stands in a log."""
        self._search("the log", text, (CREDENTIAL, PERSONAL, NAMING))

    def search_items(self, table: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Raises Leak where a credential or a person's name stands in an item: as text, or in octets that are not encrypted."""
        for item in items:
            text = json.dumps(item, default=lambda octets: octets.decode("latin-1"), ensure_ascii=False)
            self._search(f"{table}: {item['pk']['S'].partition('#')[0]} item", text, (CREDENTIAL, PERSONAL))

    def search_headers(self) -> None:
        """Raises Leak where a secret stands in a header that is not made to carry it."""
        for answer in self.answers:
            for header, values in answer.headers.items():
                allowed = _MAY_STAND.get(header.lower(), ())
                self._search(f"the header {header}", " ".join(values), (CREDENTIAL, PERSONAL), allowed)

    def _search(self, where: str, text: str, kinds: tuple[str, ...], allowed: tuple[str, ...] = ()) -> None:
        for secret, (kind, name) in self.secrets.items():
            if kind in kinds and name not in allowed and any(form in text for form in _forms(secret)):
                raise Leak(f"{where} holds a {name}")


def _forms(secret: str) -> tuple[str, ...]:
    octets = secret.encode()
    return secret, quote(secret, safe=""), base64.b64encode(octets).decode().rstrip("="), octets.hex()
