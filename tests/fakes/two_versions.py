"""A service in memory whose two versions answer every probe as they should, except for the faults that a test plants.

Time is simulated: every call takes `CALL_SECONDS` on one of eight connections.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from orchestrator.domain.analysis.observations import Certificate, HttpRequest, HttpResponse
from orchestrator.probes.checks import REDIRECT_URI, UNKNOWN_CODE
from orchestrator.probes.ports import Pace
from tests.samples import NOW, seconds, service

STABLE, CANARY = "1", "2"
CALL_SECONDS, CONNECTIONS = 0.06, 8
SCHEMA = {"items": {"writes": 1, "reads": [1]}}
HEADERS = {
    "strict-transport-security": ("max-age=63072000",),
    "x-content-type-options": ("nosniff",),
    "content-security-policy": ("default-src 'none'",),
    "referrer-policy": ("no-referrer",),
    "cache-control": ("no-store",),
}

Fault = Callable[[str, HttpRequest, HttpResponse], HttpResponse | None]
"""(function, request, right response) -> another response, or None where the fault does not show."""


@dataclass
class Bursts:
    """5xx at a rate, in bursts of so many calls of one version of one function."""

    rate: float
    length: int
    rng: random.Random
    left: Counter[tuple[str, str]] = field(default_factory=Counter)

    def fails(self, function: str, version: str) -> bool:
        key = (function, version)
        if self.left[key]:
            self.left[key] -= 1
            return True
        begins = self.rate / self.length / (1 - self.rate + self.rate / self.length)
        if self.rng.random() < begins:
            self.left[key] = self.length - 1
            return True
        return False


class SimulatedTime:
    """A clock that only calls and pauses move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def pass_by(self, duration: float) -> None:
        self.seconds += duration

    @property
    def pace(self) -> Pace:
        return Pace(self.now, self.pass_by)


class TwoVersions:
    """Lambda, KMS and the API of a service with a stable version 1 and a canary version 2.

    Args:
        faults: what a version does wrong, by version.
        bursts: 5xx of both versions.
        weight_percent: the canary's share of the requests through the API.
    """

    def __init__(
        self, faults: Mapping[str, Fault] | None = None, bursts: Bursts | None = None, weight_percent: int = 0
    ) -> None:
        self.faults, self.bursts, self.weight_percent = dict(faults or {}), bursts, weight_percent
        self.time = SimulatedTime()
        self.calls: Counter[str] = Counter()
        """Direct invocations by version."""
        self.errors: list[Exception] = []
        """What the next invocations raise."""
        self._serial = itertools.count(1)
        self._states: dict[str, str] = {}
        self._rng = random.Random(7)

    def seed(self, number: int) -> None:
        """Draw the versions of the requests through the API by another seed."""
        self._rng = random.Random(number)

    # --- the probes' clients ------------------------------------------------------------------------------

    def invoke(self, function_name: str, qualifier: str, request: HttpRequest) -> HttpResponse:
        if self.errors:
            raise self.errors.pop(0)
        version = STABLE if qualifier == service().alias else qualifier
        self.calls[version] += 1
        return self._answer(function_name.split("-")[2], version, request)

    def send(self, base_url: str, request: HttpRequest) -> HttpResponse:
        function = {"/token": "token", "/authorize": "authorize"}.get(request.path, "public")
        version = CANARY if self._rng.random() * 100 < self.weight_percent else STABLE
        return self._answer(function, version, request)

    def certificate(self, url: str) -> Certificate:
        return Certificate("TLSv1.3", NOW + seconds(90 * 86400))

    def generate_mac(self, key_id: str, message: bytes) -> bytes:
        return b"mac"

    # --- the service --------------------------------------------------------------------------------------

    def _answer(self, function: str, version: str, request: HttpRequest) -> HttpResponse:
        self.time.pass_by(CALL_SECONDS / CONNECTIONS)
        status, headers, body = getattr(self, f"_{function}")(request)
        response = _response(version, status, headers, body)
        if self.bursts is not None and self.bursts.fails(function, version):
            return _response(version, 500, {}, "")
        fault = self.faults.get(version)
        return (fault(function, request, response) if fault else None) or response

    def _public(self, request: HttpRequest) -> tuple[int, Mapping[str, str], object]:
        if request.path == "/userinfo":
            valid = "at-" in request.headers.get("Authorization", "")
            challenge = {} if valid else {"www-authenticate": 'Bearer realm="x"'}
            return (200 if valid else 401), challenge, {"sub": "synthetic"} if valid else {}
        if request.path.endswith("openid-configuration"):
            metadata = {"issuer": service().issuer, "code_challenge_methods_supported": ["S256"]}
            return 200, {}, metadata
        if request.path.endswith("jwks.json"):
            return 200, {}, {"keys": [{"kty": "EC", "x": "x", "y": "y"}]}
        return 200, {}, SCHEMA if request.path == "/version" else {}

    def _token(self, request: HttpRequest) -> tuple[int, Mapping[str, str], object]:
        form = request.form or {}
        if "client_secret" in form:
            return 401, {}, {"error": "invalid_client"}
        if form.get("code") == UNKNOWN_CODE:
            return 400, {}, {"error": "invalid_grant"}
        number = next(self._serial)
        return 200, {}, {"access_token": f"at-{number}", "refresh_token": f"rt-{number}"}

    def _authorize(self, request: HttpRequest) -> tuple[int, Mapping[str, str], object]:
        if request.path == "/login/synthetic":
            state = self._states[(request.form or {})["transaction"]]
            return 303, {"location": f"{REDIRECT_URI}?{urlencode({'code': 'c', 'state': state})}"}, ""
        if request.query.get("redirect_uri") != REDIRECT_URI:
            return 400, {}, ""
        if request.query.get("code_challenge_method") != "S256":
            return 303, {"location": f"{REDIRECT_URI}?error=invalid_request"}, ""
        transaction = f"t-{next(self._serial)}"
        self._states[transaction] = request.query["state"]
        cookie = {"set-cookie": "__Host-ib-oauth-browser=b; Secure"}
        return 200, cookie, f'<input name="transaction" value="{transaction}">'


def _response(version: str, status: int, headers: Mapping[str, str], body: object) -> HttpResponse:
    all_headers = {**HEADERS, "x-ib-oauth-version": (version,), **{name: (value,) for name, value in headers.items()}}
    text = body if isinstance(body, str) else json.dumps(body)
    return HttpResponse(status, all_headers, text, 1000 * CALL_SECONDS, version)
