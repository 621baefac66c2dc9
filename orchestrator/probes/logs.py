"""Logs: does canary log errors of a kind that stable does not? Judged in `orchestrator.domain.log_errors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.domain.log_errors import Errors, LoggedError, by_kind, error_of, judge
from orchestrator.domain.observation import Compared, LogPage
from orchestrator.domain.plan import Function
from orchestrator.domain.verdict import Evidence, Json, Window
from orchestrator.probes.metrics import nothing_settled
from orchestrator.probes.ports import ReadsLogs
from orchestrator.probes.scene import Scene

PROBE = "logs"
KINDS_KEPT = 10
"""How many kinds of a version evidence lists, the most frequent ones."""


def look(scene: Scene, measured: tuple[Compared, ...], logs: ReadsLogs) -> Evidence:
    """Read the errors that the functions that changed have logged, and hold canary's kinds against stable's.

    Args:
        scene: what is looked at.
        measured: the same functions' requests, which errors are put in proportion to.
        logs: where to read. What stable logged before the deployment is read only where canary has a new kind.

    Raises:
        Throttled, Unreachable: they cannot be read.
    """
    requests = {one.name: one for one in measured}
    found = (
        tuple(_errors(scene, function, requests[function.name], logs) for function in scene.changed)
        if scene.window.length
        else ()
    )
    return Evidence(
        probe=PROBE,
        verdict=judge(found, scene.thresholds) if scene.window.length else nothing_settled(scene),
        versions=scene.versions,
        window=scene.window,
        source="cloudwatch logs, lines with ERROR, version by log stream or by the line itself",
        samples=sum(one.canary_requests for one in found),
        figures={"functions": {one.name: _figures(one) for one in found}},
    )


def _errors(scene: Scene, function: Function, compared: Compared, logs: ReadsLogs) -> Errors:
    page = logs.errors(_group(function), scene.window)
    errors = _read(page)
    found = Errors(
        name=function.name,
        stable=by_kind(errors, function.stable_version),
        canary=by_kind(errors, function.canary_version),
        stable_requests=compared.stable.requests,
        canary_requests=compared.canary.requests,
        complete=page.complete,
    )
    if not found.new_kinds or scene.baseline_window is None:
        return found
    return _with_before(found, function, scene.baseline_window, compared, logs)


def _with_before(found: Errors, function: Function, window: Window, compared: Compared, logs: ReadsLogs) -> Errors:
    earlier = by_kind(_read(logs.errors(_group(function), window)), function.stable_version)
    requests = compared.before.requests if compared.before else 0
    return replace(found, before=frozenset(earlier), before_requests=requests)


def _read(page: LogPage) -> list[LoggedError]:
    return [error for line in page.lines if (error := error_of(line)) is not None]


def _group(function: Function) -> str:
    return f"/aws/lambda/{function.function_name}"


def _figures(errors: Errors) -> Mapping[str, Json]:
    return {
        "stable": {"requests": errors.stable_requests, "errors": _most_frequent(errors.stable)},
        "canary": {"requests": errors.canary_requests, "errors": _most_frequent(errors.canary)},
        "new_on_canary": _most_frequent(errors.new_kinds),
        "complete": errors.complete,
    }


def _most_frequent(kinds: Mapping[str, int]) -> Mapping[str, Json]:
    ranked = sorted(kinds.items(), key=lambda entry: -entry[1])
    return dict(ranked[:KINDS_KEPT])
