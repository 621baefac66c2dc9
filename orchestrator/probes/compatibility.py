"""Compatibility: does each of stable and canary read the items that the other writes? Asked before any client can reach canary.

The functions of a release are made of one asset, so `public`, which serves `/version`, speaks for all of them.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from orchestrator.domain.item_layouts import Layouts, LayoutsUntold, judge, layouts_of
from orchestrator.domain.observation import Answer, Request
from orchestrator.domain.verdict import Evidence, Json, Verdict
from orchestrator.probes.checks import VERSION_HEADER
from orchestrator.probes.ports import Invokes
from orchestrator.probes.scene import Scene

PROBE = "compatibility"
TELLING = "public"
VERSION_REQUEST = Request("GET", "/version")


class _Untold(Exception):
    """A version did not tell its layouts: says which, and what it did instead."""


def look(scene: Scene, invokes: Invokes) -> Evidence:
    """Ask both versions of `public` for their layouts and hold them against each other.

    Raises:
        Throttled, Unreachable: Lambda did not let us.
    """
    verdict, told = _looked(scene, invokes)
    return Evidence(
        probe=PROBE,
        verdict=verdict,
        versions=scene.versions,
        window=scene.window,
        source="/version of stable and canary by lambda:Invoke",
        samples=len(told),
        figures={"items": told},
    )


def _looked(scene: Scene, invokes: Invokes) -> tuple[Verdict, dict[str, Json]]:
    function = next((one for one in scene.functions if one.name == TELLING), None)
    if function is None:
        return Verdict.error(f"the service has no function {TELLING} that could tell its layouts"), {}
    told: dict[str, Json] = {}
    layouts = []
    for side, version in (("stable", function.stable_version), ("canary", function.canary_version)):
        try:
            layouts.append(_layouts(invokes, function.function_name, version))
        except _Untold as error:
            return Verdict.error(f"{side} ({TELLING}:{version}) {error}"), told
        told[side] = layouts[-1].to_json()
    return judge(*layouts), told


def _layouts(invokes: Invokes, function_name: str, version: str) -> Layouts:
    try:
        return _read(invokes.invoke(function_name, version, VERSION_REQUEST), version)
    except _Untold:  # one lost answer is no verdict
        return _read(invokes.invoke(function_name, version, VERSION_REQUEST), version)


def _read(answer: Answer, version: str) -> Layouts:
    if answer.unhandled:
        raise _Untold(f"raised {answer.unhandled}")
    if answer.status != HTTPStatus.OK:
        raise _Untold(f"answered {answer.status}")
    if answer.header(VERSION_HEADER) != version:
        raise _Untold(f"says that it is version {answer.header(VERSION_HEADER) or 'unknown'}")
    try:
        document = json.loads(answer.body)
    except ValueError as error:
        raise _Untold("answered no JSON") from error
    if not isinstance(document, dict):
        raise _Untold("answered no JSON object")
    try:
        return layouts_of(document)
    except LayoutsUntold as error:
        raise _Untold(f"tells {error}") from error
