"""Health: does every function's canary answer as itself, and does the API reach the versions that it should?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.observation import Request
from orchestrator.domain.strategy import FULL_PERCENT
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.checks import (
    CLIENT_ID,
    REDIRECT_URI,
    UNKNOWN_CODE,
    VERIFIER,
    VERSION_HEADER,
    Check,
    Finding,
    examine,
    figures,
    saying,
    side_by_side,
    status,
)
from orchestrator.probes.ports import Invokes, Web
from orchestrator.probes.scene import Scene

PROBE = "health"
SERVER_ERRORS_FROM = 500
EDGE_ROUNDS = 3
"""How often every edge request is sent: enough to know that the API answers. Which share canary gets is the metrics' to say."""

# A code that nobody issued makes `token` read its table, a challenge of the forbidden kind makes `authorize` read its clients.
TOKEN_REQUEST = Request(
    "POST",
    "/token",
    form={
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "code": UNKNOWN_CODE,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    },
)
AUTHORIZE_REQUEST = Request(
    "GET",
    "/authorize",
    query={
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "code_challenge": VERIFIER,
        "code_challenge_method": "plain",
    },
)

CHECKS = (
    Check("health", "public", Request("GET", "/health"), status(200)),
    Check("deep health", "public", Request("GET", "/health/deep"), status(200)),
    Check("version", "public", Request("GET", "/version"), status(200)),
    Check("unknown code", "token", TOKEN_REQUEST, saying("invalid_grant")),
    Check("authorization", "authorize", AUTHORIZE_REQUEST, status(303)),
)
EDGE_REQUESTS: Mapping[str, Request] = {
    "public": Request("GET", "/health"),
    "token": TOKEN_REQUEST,
    "authorize": AUTHORIZE_REQUEST,
}


@dataclass(frozen=True)
class AtTheEdge:
    """One answer through the API: whose, and how it went."""

    function: str
    version: str
    status: int


def look(scene: Scene, invokes: Invokes, web: Web, *, at_the_edge: bool = True) -> Evidence:
    """Call canary directly, and the API as clients do.

    Args:
        scene: what is looked at.
        invokes: direct calls.
        web: calls through the API.
        at_the_edge: False before traffic, when the API leads to stable alone.

    Raises:
        Throttled, Unreachable: a way in did not work at all.
    """
    findings = examine(CHECKS, scene.changed, invokes)
    answers = reach(scene, web) if at_the_edge else ()
    return Evidence(
        probe=PROBE,
        verdict=judge(scene, findings, answers),
        versions=scene.versions,
        window=scene.window,
        source="lambda:Invoke of canary" + (f" and {scene.service.api_url}" if at_the_edge else ""),
        samples=len(findings) + len(answers),
        figures={"checks": figures(findings), "edge": edge_figures(answers)},
    )


def reach(scene: Scene, web: Web) -> tuple[AtTheEdge, ...]:
    """Send every edge request a few times through the API.

    Raises:
        Unreachable: the API did not answer.
    """

    def send(name: str) -> AtTheEdge:
        answer = web.send(scene.service.api_url, EDGE_REQUESTS[name])
        return AtTheEdge(name, answer.header(VERSION_HEADER), answer.status)

    names = [function.name for function in scene.functions if function.name in EDGE_REQUESTS]
    return tuple(side_by_side(send, names * EDGE_ROUNDS))


def judge(scene: Scene, findings: Sequence[Finding], answers: Sequence[AtTheEdge]) -> Verdict:
    """Judge canary's own answers, then what came through the API; what stable does wrong as well is not canary's."""
    wrong = [finding for finding in findings if finding.wrong]
    own = [finding for finding in wrong if not finding.stable_too]
    if own:
        return Verdict.failed("; ".join(finding.told for finding in own))
    canary = {function.name: function.canary_version for function in scene.changed}
    failed = [one for one in answers if one.status >= SERVER_ERRORS_FROM]
    of_canary = [one for one in failed if one.version and one.version == canary.get(one.function)]
    if of_canary:
        told = ", ".join(f"{one.function}:{one.version} answered {one.status}" for one in of_canary)
        return Verdict.failed(f"through the API {told}")
    nameless = [one for one in answers if not one.version]
    if nameless:
        told = ", ".join(f"{one.function} {one.status}" for one in nameless)
        return Verdict.inconclusive(f"cannot tell the versions apart: answers without a version: {told}")
    if wrong:
        return Verdict.inconclusive("stable fails alike: " + "; ".join(finding.told for finding in wrong))
    if scene.weight_percent == FULL_PERCENT:
        behind = [one for one in answers if one.version != canary.get(one.function, one.version)]
        if behind:
            told = ", ".join(sorted({f"{one.function}:{one.version}" for one in behind}))
            return Verdict.inconclusive(f"promoted, and the API still reaches {told}")
    seen = ", ".join(f"{name} {count} times" for name, count in sorted(_seen(answers).items()))
    through = f"; through the API {seen}" if seen else ""
    return Verdict.passed(f"{len(findings)} checks of canary answered as they should{through}")


def edge_figures(answers: Sequence[AtTheEdge]) -> Json:
    """Answers through the API by function and version, and those of them that were 5xx."""
    return {
        "answers": dict(_seen(answers)),
        "server_errors": dict(_seen([one for one in answers if one.status >= SERVER_ERRORS_FROM])),
    }


def _seen(answers: Sequence[AtTheEdge]) -> Counter[str]:
    return Counter(f"{one.function}:{one.version or 'unknown'}" for one in answers)
