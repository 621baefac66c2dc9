"""Lambda: metrics of every invocation by function, alias or version, and executed version, whatever its source.

AWS publishes Invocations, Errors, Duration, Throttles and ConcurrentExecutions in ``AWS/Lambda``, by the minute, with
the time of the invocation:

- by ``FunctionName``;
- by ``FunctionName`` and ``Resource`` (``function:alias`` or ``function:version``), if the invocation named a
  qualifier;
- by ``FunctionName``, ``Resource`` and ``ExecutedVersion``, if the qualifier was an alias with weights. This dimension
  distinguishes the two versions. AWS documents it for weighted aliases only, and does not say that other aliases lack it;
  ``Options.executed_versions`` switches it on for all.

A throttled request is neither an invocation nor an error. Each attempt of an asynchronous invocation is an invocation.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html

Stock MiniStack publishes by ``FunctionName`` only and for the Invoke API only, counts throttled requests, and counts an
asynchronous invocation once, before it ran.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.lambda_svc._emit_lambda_metrics": "3b6689d77cf6f1e4",
    "ministack.services.lambda_svc._execute_function": "3ceb16d6480a2161",
    "ministack.services.lambda_svc._function_config_scope_mismatch": "440702222ab56d4d",
    "ministack.services.lambda_svc._inflight_key": "5e3a5f67df0d2c4b",
    "ministack.services.lambda_svc.executions_in_flight": "7602b2469fd856ca",
    "ministack.services.lambda_svc._invoke": "ab193779e5c2ea94",
}

_NAMESPACE: Final = "AWS/Lambda"
_LATEST: Final = "$LATEST"
_QUALIFIED_PARTS: Final = 8
"""A function's ARN has seven parts; an eighth part names a version or an alias."""

Config = Mapping[str, Any]


def install(options: Options) -> None:
    """Install the patch in this process."""
    functions = importlib.import_module("ministack.services.lambda_svc")
    of_all = options.executed_versions == "all"

    def names_version(config: Config) -> bool:
        return of_all or _has_weights(config, functions)

    wrap(functions, "_emit_lambda_metrics", lambda _: _publish_nothing)
    wrap(functions, "_execute_function", lambda original: _measured(original, functions, names_version))


def _has_weights(config: Config, functions: Any) -> bool:
    record = functions._functions.get(config["FunctionName"]) or {}
    alias = (record.get("aliases") or {}).get(str(config["FunctionArn"]).rpartition(":")[2]) or {}
    return bool((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights"))


def dimensions_of(config: Config, names_version: Callable[[Config], bool]) -> list[dict[str, str]]:
    """Return the dimension sets of an invocation.

    Args:
        config: configuration of the version that runs; its ``FunctionArn`` is the invoked ARN.
        names_version: whether the metrics of the invoked alias have the dimension ExecutedVersion.
    """
    function = config["FunctionName"]
    parts = str(config.get("FunctionArn", "")).split(":")
    by_function = {"FunctionName": function}
    qualifier = parts[-1] if len(parts) == _QUALIFIED_PARTS else _LATEST
    if qualifier == _LATEST:
        return [by_function]
    by_resource = {**by_function, "Resource": f"{function}:{qualifier}"}
    if qualifier.isdecimal() or not names_version(config):
        return [by_function, by_resource]
    return [by_function, by_resource, {**by_resource, "ExecutedVersion": str(config.get("Version", _LATEST))}]


def _publish_nothing(*args: Any, **kwargs: Any) -> None:
    """Publish nothing: invocations are measured where they run."""


def _measured(
    original: Callable[[Any, Any], Any], functions: Any, names_version: Callable[[Config], bool]
) -> Callable[[Any, Any], Any]:
    def execute_function(function: Mapping[str, Any], event: Any) -> Any:
        config: Config = function.get("config") or function
        if functions._function_config_scope_mismatch(config):
            return original(function, event)  # calls this wrapper again, in the function's account and region
        started = time.time()
        key = functions._inflight_key(config)
        concurrent = functions.executions_in_flight()[1].get(key, 0) + 1
        outcome = original(function, event)
        dimension_sets = dimensions_of(config, names_version)
        _publish(dimension_sets, outcome, started, (time.time() - started) * 1000, concurrent)
        return outcome

    return execute_function


def _publish(
    dimension_sets: list[dict[str, str]], outcome: Any, started: float, duration_ms: float, concurrent: int
) -> None:
    result = outcome if isinstance(outcome, Mapping) else {}
    throttled = bool(result.get("throttle"))
    counts = {"Throttles": float(throttled)}
    if not throttled:
        counts |= {"Invocations": 1.0, "Errors": float(bool(result.get("error"))), "ConcurrentExecutions": concurrent}
    for dimensions in dimension_sets:
        for name, value in counts.items():
            metric_store.put_metric(_NAMESPACE, name, dimensions, value, unit="Count", at=started)
        if not throttled:
            metric_store.put_metric(
                _NAMESPACE, "Duration", dimensions, round(duration_ms, 2), unit="Milliseconds", at=started
            )
