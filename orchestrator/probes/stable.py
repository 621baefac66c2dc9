"""Stable: after a rollback, does every alias lead to the version that it should, and does that one answer?"""

from __future__ import annotations

from orchestrator.domain.verdict import Evidence, Verdict
from orchestrator.probes.checks import VERSION_HEADER, side_by_side
from orchestrator.probes.health import EDGE_REQUESTS, SERVER_ERRORS_FROM, AtTheEdge, edge_figures, reach
from orchestrator.probes.ports import Invokes, Web
from orchestrator.probes.scene import Scene

PROBE = "stable"


def look(scene: Scene, invokes: Invokes, web: Web) -> Evidence:
    """Call every function through its alias, by Lambda and through the API.

    Raises:
        Throttled, Unreachable: a way in did not work.
    """
    alias = scene.service.alias
    asked = [function for function in scene.functions if function.name in EDGE_REQUESTS]

    def invoke(name: str) -> AtTheEdge:
        function = next(one for one in asked if one.name == name)
        answer = invokes.invoke(function.function_name, alias, EDGE_REQUESTS[name])
        return AtTheEdge(name, answer.version or answer.header(VERSION_HEADER), answer.status)

    answers = (*side_by_side(invoke, [function.name for function in asked]), *reach(scene, web))
    return Evidence(
        probe=PROBE,
        verdict=_judge(scene, answers),
        versions=scene.versions,
        window=scene.window,
        source=f"lambda:Invoke of {alias} and {scene.service.api_url}",
        samples=len(answers),
        figures={"answers": edge_figures(answers)},
    )


def _judge(scene: Scene, answers: tuple[AtTheEdge, ...]) -> Verdict:
    stable = {function.name: function.stable_version for function in scene.functions}
    elsewhere = sorted({f"{one.function}:{one.version}" for one in answers if one.version != stable[one.function]})
    if elsewhere:
        return Verdict.failed(f"answers came from {', '.join(name.rstrip(':') for name in elsewhere)}, not from stable")
    failed = sorted(
        {f"{one.function}:{one.version} {one.status}" for one in answers if one.status >= SERVER_ERRORS_FROM}
    )
    if failed:
        return Verdict.failed(f"stable itself answers 5xx: {', '.join(failed)}")
    return Verdict.passed(f"{len(answers)} answers, each from its function's stable version")
