"""Whole OAuth flows of the synthetic identity, by direct invocation of chosen versions.

During a shift a client meets stable for one request and canary for the next. So what one version wrote, the other must
read: a login begun by one and ended by the other, a code, a refresh token, an access token. Before traffic every such mixture
is walked through; a version that breaks one is seen by no client. Where traffic is thin, flows of stable alone
and of canary alone are held against each other.

Nothing of a flow but its steps, HTTP statuses and OAuth error codes leaves this module: no code, no token, no cookie.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from orchestrator.domain.observation import GRANTING, ISSUED, Answer, Request
from orchestrator.domain.plan import Function
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.checks import CLIENT_ID, REDIRECT_URI, side_by_side
from orchestrator.probes.ports import Instruments, Invokes, MakesMacs
from orchestrator.probes.scene import Scene

PROBE = "flows"
STABLE, CANARY = "stable", "canary"
BROWSER_COOKIE = "__Host-ib-oauth-browser"
SUBJECT = "synthetic"
SERVER_ERRORS_FROM = 500

_TRANSACTION = re.compile(r'name="transaction" value="([^"]+)"')


@dataclass(frozen=True)
class Mixture:
    """Which version takes which step of a flow, each STABLE or CANARY."""

    name: str
    authorize: str
    login: str
    token: str
    userinfo: str
    refresh: str
    userinfo_again: str


def _of_one(name: str, side: str) -> Mixture:
    return Mixture(name, side, side, side, side, side, side)


ALL_STABLE = _of_one("all stable", STABLE)
ALL_CANARY = _of_one("all canary", CANARY)

# Every place where one version reads what the other wrote stands in one of these, in both directions.
MIXTURES = (
    ALL_CANARY,
    Mixture("stable authorizes, canary issues, stable refreshes", STABLE, STABLE, CANARY, STABLE, STABLE, CANARY),
    Mixture("canary authorizes, stable issues, canary refreshes", CANARY, CANARY, STABLE, CANARY, CANARY, STABLE),
    Mixture("login begun by stable, ended by canary", STABLE, CANARY, CANARY, STABLE, CANARY, STABLE),
    Mixture("login begun by canary, ended by stable", CANARY, STABLE, STABLE, CANARY, STABLE, CANARY),
)


@dataclass(frozen=True)
class Step:
    """One request of a flow. `result` is ``issued`` or an OAuth error code for token requests, else empty."""

    name: str
    function: str
    side: str
    version: str
    status: int
    elapsed_ms: float
    result: str = ""


@dataclass(frozen=True)
class Flow:
    """A flow as far as it came. `broke` says what went wrong at its last step; empty where all went well."""

    mixture: str
    steps: tuple[Step, ...]
    broke: str = ""

    @property
    def told(self) -> str:
        """One clause for a reason: the mixture, the step, whose it was, and what was wrong."""
        last = self.steps[-1]
        return f"{self.mixture}: {last.name} by {last.side} ({last.function}:{last.version}) {self.broke}"


class _Broken(Exception):
    """A step's answer is not what the flow needs to go on."""


@dataclass
class _Walk:
    """One flow in progress: where its requests go, and the steps so far."""

    scene: Scene
    invokes: Invokes
    macs: MakesMacs
    mixture: Mixture
    steps: list[Step] = field(default_factory=list)

    def send(self, name: str, function: str, side: str, request: Request, expected: int) -> Answer:
        called = self._function(function)
        version = called.canary_version if side == CANARY else called.stable_version
        answer = self.invokes.invoke(called.function_name, version, request)
        error = _error_of(answer)
        result = (ISSUED if answer.status < 400 else error or "no_result") if function == GRANTING else ""  # noqa: PLR2004 - HTTP
        self.steps.append(Step(name, function, side, version, answer.status, round(answer.elapsed_ms, 1), result))
        if answer.unhandled:
            raise _Broken(f"raised {answer.unhandled}")
        if answer.status != expected:
            raise _Broken(f"answered {answer.status} {error}".rstrip() + f" instead of {expected}")
        return answer

    def _function(self, name: str) -> Function:
        return next(function for function in self.scene.functions if function.name == name)


def look(scene: Scene, instruments: Instruments) -> Evidence:
    """Walk through every mixture of stable and canary.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not let us.
    """
    flows = side_by_side(lambda mixture: walk(scene, instruments, mixture), _distinct(scene, MIXTURES))
    broken = [flow for flow in flows if flow.broke]
    # A flow that breaks on stable alone as well is nothing that canary brought.
    control = walk(scene, instruments, ALL_STABLE) if broken else None
    return Evidence(
        probe=PROBE,
        verdict=_judge(len(flows), broken, control),
        versions=scene.versions,
        window=scene.window,
        source="synthetic OAuth flows by lambda:Invoke of chosen versions",
        samples=sum(len(flow.steps) for flow in flows),
        figures={"flows": [_figures(flow) for flow in [*flows, *([control] if control else [])]]},
    )


def walk(scene: Scene, instruments: Instruments, mixture: Mixture) -> Flow:
    """Walk through one flow: authorize, log in, redeem, userinfo, refresh, userinfo with the new token.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not let us.
    """
    going = _Walk(scene, instruments.functions, instruments.macs, mixture)
    try:
        _go(going)
    except _Broken as error:
        return Flow(mixture.name, tuple(going.steps), str(error))
    return Flow(mixture.name, tuple(going.steps))


def _go(going: _Walk) -> None:
    mixture = going.mixture
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    transaction, cookie = _begin(going, verifier, state)
    code = _log_in(going, transaction, cookie, state)
    redeemed = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": verifier,
    }
    access, refresh = _tokens(going.send("redeem", "token", mixture.token, _form("/token", redeemed), 200))
    _identify(going, "userinfo", mixture.userinfo, access)
    refreshed = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": refresh}
    access, _ = _tokens(going.send("refresh", "token", mixture.refresh, _form("/token", refreshed), 200))
    _identify(going, "userinfo after refresh", mixture.userinfo_again, access)


def _begin(going: _Walk, verifier: str, state: str) -> tuple[str, str]:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "profile",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = going.send(
        "authorize", "authorize", going.mixture.authorize, Request("GET", "/authorize", query=query), 200
    )
    transaction = _TRANSACTION.search(answer.body)
    cookie = next((one.partition(";")[0] for one in answer.headers.get("set-cookie", ()) if BROWSER_COOKIE in one), "")
    if transaction is None or not cookie:
        raise _Broken("gave a page without a transaction or a browser cookie")
    return transaction.group(1), cookie


def _log_in(going: _Walk, transaction: str, cookie: str, state: str) -> str:
    message = f"ib-oauth/synthetic/{going.scene.environment}/{transaction}".encode()
    mac = going.macs.mac(going.scene.service.synthetic_key_id, message)
    proof = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
    request = _form("/login/synthetic", {"transaction": transaction, "mac": proof}, {"Cookie": cookie})
    answer = going.send("login", "authorize", going.mixture.login, request, 303)
    location = answer.header("location")
    given = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    if not location.startswith(f"{REDIRECT_URI}?") or given.get("state") != state or "code" not in given:
        raise _Broken(f"led elsewhere than back with a code {_error_of(answer)}".rstrip())
    return given["code"]


def _tokens(answer: Answer) -> tuple[str, str]:
    document = _document(answer)
    access, refresh = document.get("access_token"), document.get("refresh_token")
    if not isinstance(access, str) or not isinstance(refresh, str):
        raise _Broken("answered 200 without both tokens")
    return access, refresh


def _identify(going: _Walk, name: str, side: str, access: str) -> None:
    request = Request("GET", "/userinfo", headers={"Authorization": f"Bearer {access}"})
    answer = going.send(name, "public", side, request, 200)
    if _document(answer).get("sub") != SUBJECT:
        raise _Broken("named another subject")


def _form(path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Request:
    return Request("POST", path, headers=headers or {}, form=form)


def _document(answer: Answer) -> Mapping[str, object]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error_of(answer: Answer) -> str:
    """The OAuth error code of an answer, in its body or its redirect; empty where there is none."""
    named = _document(answer).get("error") or parse_qs(urlsplit(answer.header("location")).query).get("error", [""])[0]
    return named if isinstance(named, str) and re.fullmatch(r"[a-z_]{1,40}", named) else ""


def _distinct(scene: Scene, mixtures: tuple[Mixture, ...]) -> list[Mixture]:
    """The mixtures that differ: a function that did not change has one version, whichever side takes the step."""
    changed = {function.name for function in scene.changed}

    def walked(mixture: Mixture) -> tuple[str, ...]:
        sides: tuple[tuple[str, Callable[[Mixture], str]], ...] = (
            ("authorize", lambda one: one.authorize),
            ("authorize", lambda one: one.login),
            ("token", lambda one: one.token),
            ("public", lambda one: one.userinfo),
            ("token", lambda one: one.refresh),
            ("public", lambda one: one.userinfo_again),
        )
        return tuple(side(mixture) if function in changed else "" for function, side in sides)

    return list({walked(mixture): mixture for mixture in reversed(mixtures)}.values())[::-1]


def _judge(walked: int, broken: list[Flow], control: Flow | None) -> Verdict:
    if control is not None and control.broke:
        return Verdict.inconclusive(f"stable fails alike: {control.told}")
    if broken:
        others = f"; {len(broken) - 1} more of {walked} mixtures broke" if len(broken) > 1 else ""
        return Verdict.failed(f"{broken[0].told}{others}")
    return Verdict.passed(f"{walked} mixtures of stable and canary went through from login to refreshed token")


def _figures(flow: Flow) -> Json:
    return {
        "mixture": flow.mixture,
        "broke": flow.broke,
        "steps": [
            {"step": one.name, "version": f"{one.function}:{one.version}", "side": one.side, "status": one.status,
             "ms": one.elapsed_ms, "result": one.result}
            for one in flow.steps
        ],
    }  # fmt: skip
