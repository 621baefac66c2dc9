"""Whole OAuth flows of the synthetic identity, by direct invocation of chosen versions.

During a shift a client meets stable for one request and canary for the next. So what one version wrote, the other must
read: a login begun by one and ended by the other, a code, a refresh token, an access token. Before traffic every such mixture
is walked through; a version that breaks one is seen by no client. Where traffic is thin, flows of stable alone
and of canary alone are held against each other.

Nothing of a flow but its steps, HTTP statuses and OAuth error codes leaves this module: no code, no token, no cookie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from orchestrator.domain.observation import GRANTING, ISSUED, Answer, Request
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes import synthetic
from orchestrator.probes.checks import side_by_side
from orchestrator.probes.ports import Instruments, Invokes
from orchestrator.probes.scene import Scene
from orchestrator.probes.synthetic import Broken, Prover, error_of, refuse_unexpected

PROBE = "flows"
STABLE, CANARY = "stable", "canary"
SERVER_ERRORS_FROM = 500


_TAKEN_BY: Mapping[str, str] = {
    "authorize": "authorize",
    "login": "login",
    "redeem": "token",
    "userinfo": "userinfo",
    "refresh": "refresh",
    "userinfo after refresh": "userinfo_again",
}
"""A flow's steps, and which part of a mixture says by whom each is taken."""


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


@dataclass
class _Walk:
    """One flow in progress: where its requests go, and the steps so far."""

    scene: Scene
    invokes: Invokes
    mixture: Mixture
    steps: list[Step] = field(default_factory=list)

    def send(self, step: str, function: str, request: Request, expected: int) -> Answer:
        side = getattr(self.mixture, _TAKEN_BY[step])
        called = next(one for one in self.scene.functions if one.name == function)
        version = called.canary_version if side == CANARY else called.stable_version
        answer = self.invokes.invoke(called.function_name, version, request)
        result = (
            (ISSUED if answer.status < HTTPStatus.BAD_REQUEST else error_of(answer) or "no_result")
            if function == GRANTING
            else ""
        )
        self.steps.append(Step(step, function, side, version, answer.status, round(answer.elapsed_ms, 1), result))
        return refuse_unexpected(answer, expected)


def look(scene: Scene, instruments: Instruments) -> Evidence:
    """Walk through every mixture of stable and canary.

    Raises:
        Throttled, Unreachable: Lambda or KMS did not let us.
    """
    mixtures = (ALL_CANARY,) if scene.apart else MIXTURES
    flows = side_by_side(lambda mixture: walk(scene, instruments, mixture), _distinct(scene, mixtures))
    broken = [flow for flow in flows if flow.broke]
    # A flow that breaks on stable alone as well is nothing that canary brought.
    control = walk(scene, instruments, ALL_STABLE) if broken and not scene.apart else None
    return Evidence(
        probe=PROBE,
        verdict=_judge(flows, broken, control),
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
    going = _Walk(scene, instruments.functions, mixture)
    try:
        _go(going, Prover(instruments.macs, scene.service.synthetic_key_id, scene.environment))
    except Broken as error:
        return Flow(mixture.name, tuple(going.steps), str(error))
    return Flow(mixture.name, tuple(going.steps))


def _go(going: _Walk, prover: Prover) -> None:
    tokens = synthetic.redeem(going.send, synthetic.log_in(going.send, synthetic.begin(going.send), prover))
    synthetic.identify(going.send, tokens.access)
    tokens = synthetic.refresh(going.send, tokens.refresh)
    synthetic.identify(going.send, tokens.access, "userinfo after refresh")


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


def _judge(flows: list[Flow], broken: list[Flow], control: Flow | None) -> Verdict:
    walked = len(flows)
    if control is not None and control.broke:
        return Verdict.inconclusive(f"stable fails alike: {control.told}")
    if broken:
        others = f"; {len(broken) - 1} more of {walked} mixtures broke" if len(broken) > 1 else ""
        return Verdict.failed(f"{broken[0].told}{others}")
    if walked == 1:
        return Verdict.passed(f"{flows[0].mixture} went through from login to refreshed token")
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
