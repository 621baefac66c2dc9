"""Lambda: metrics of every invocation, whichever way it came, by function, alias or version, and executed version.

AWS publishes Invocations, Errors, Duration, Throttles and ConcurrentExecutions in ``AWS/Lambda``, by the minute, with the
time of the invocation:

- by ``FunctionName``;
- by ``FunctionName`` and ``Resource`` (``function:alias`` or ``function:version``), where a qualifier was named;
- by ``FunctionName``, ``Resource`` and ``ExecutedVersion``, where it was an alias: this tells the two versions of a weighted
  alias apart.

A throttled request is no invocation and no error. Each attempt of an asynchronous invocation is an invocation.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html

MiniStack publishes by ``FunctionName`` alone and for the Invoke API alone, counts what was throttled, and counts an
asynchronous invocation once, before it ran.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from orchestrator.local.fidelity import metric_store
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.lambda_svc._emit_lambda_metrics": "3b6689d77cf6f1e4a34bbc802897ae14238f517ac62b96bb499be027b1846957",
    "ministack.services.lambda_svc._execute_function": "3ceb16d6480a2161601b152da88f1633573e5143f94de16fab84877d447165be",
    "ministack.services.lambda_svc._function_config_scope_mismatch": "440702222ab56d4dddfd126c0fbd3e65f46b2fbcbdb522e78ccdedd6047a889b",
    "ministack.services.lambda_svc._inflight_key": "5e3a5f67df0d2c4bb917ea1798a378a157957e74257d18e4d517c9d6da97efe6",
    "ministack.services.lambda_svc.executions_in_flight": "7602b2469fd856ca623847913f4a4517530e890833a22fe79ddf43cf75045b27",
    "ministack.services.lambda_svc._invoke": "ab193779e5c2ea9410f53f0fe93f34fec1f1bd3ad4a83c07c8d3620fdbfa78bb",
}

_NAMESPACE: Final = "AWS/Lambda"
_LATEST: Final = "$LATEST"
_QUALIFIED_PARTS: Final = 8
"""A function's ARN has seven parts, and an eighth where it names a version or an alias."""

Config = Mapping[str, Any]


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    functions = importlib.import_module("ministack.services.lambda_svc")
    wrap(functions, "_emit_lambda_metrics", lambda _: _nothing)
    wrap(functions, "_execute_function", lambda original: _measured(original, functions))


def dimensions_of(config: Config) -> list[dict[str, str]]:
    """Return the sets of dimensions of an invocation.

    Args:
        config: of the version that runs; its ``FunctionArn`` is the one that was invoked.
    """
    function = config["FunctionName"]
    parts = str(config.get("FunctionArn", "")).split(":")
    by_function = {"FunctionName": function}
    qualifier = parts[-1] if len(parts) == _QUALIFIED_PARTS else _LATEST
    if qualifier == _LATEST:
        return [by_function]
    by_resource = {**by_function, "Resource": f"{function}:{qualifier}"}
    if qualifier.isdecimal():
        return [by_function, by_resource]
    return [by_function, by_resource, {**by_resource, "ExecutedVersion": str(config.get("Version", _LATEST))}]


def _nothing(*given: Any, **named: Any) -> None:
    """Publish nothing: all invocations are measured where they run."""


def _measured(original: Callable[[Any, Any], Any], functions: Any) -> Callable[[Any, Any], Any]:
    def execute_function(function: Mapping[str, Any], event: Any) -> Any:
        config: Config = function.get("config") or function
        if functions._function_config_scope_mismatch(config):
            return original(function, event)  # comes back here, in the function's own account and region
        started = time.time()
        key = functions._inflight_key(config)
        concurrent = functions.executions_in_flight()[1].get(key, 0) + 1
        outcome = original(function, event)
        _publish(config, outcome, started, (time.time() - started) * 1000, concurrent)
        return outcome

    return execute_function


def _publish(config: Config, outcome: Any, started: float, duration_ms: float, concurrent: int) -> None:
    result = outcome if isinstance(outcome, Mapping) else {}
    throttled = bool(result.get("throttle"))
    counts = {"Throttles": float(throttled)}
    if not throttled:
        counts |= {"Invocations": 1.0, "Errors": float(bool(result.get("error"))), "ConcurrentExecutions": concurrent}
    for dimensions in dimensions_of(config):
        for name, value in counts.items():
            metric_store.record(_NAMESPACE, name, dimensions, value, unit="Count", at=started)
        if not throttled:
            metric_store.record(
                _NAMESPACE, "Duration", dimensions, round(duration_ms, 2), unit="Milliseconds", at=started
            )
