"""API Gateway: metrics of every request to a REST API.

AWS publishes Count, 4XXError, 5XXError, Latency and IntegrationLatency in ``AWS/ApiGateway``, by the minute:

- by ``ApiName``, and by ``ApiName`` and ``Stage``;
- by ``ApiName``, ``Stage``, ``Method`` and ``Resource``, if detailed metrics are enabled for the method.

The error metrics have the value 0 or 1 for each request, so their average is the error rate. IntegrationLatency is the
time that the integration took; a request that never reached the integration has none.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html

Stock MiniStack publishes none of these metrics.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.apigateway_v1._handle_execute_in_scope": "60ed5805557fdae6",
    "ministack.services.apigateway_v1._execute_in_scope": "2ae72b7d5eb64690",
    "ministack.services.apigateway_v1._invoke_lambda_proxy_v1": "5651a96fa7ba1ad6",
    "ministack.services.apigateway_v1._invoke_lambda_custom_v1": "79d47dae9d0003dd",
    "ministack.services.apigateway_v1._invoke_http_proxy_v1": "794bf003ceedc9f1",
    "ministack.services.apigateway_v1._invoke_sqs_v1": "f1a9ab93150af1a3",
}

_NAMESPACE: Final = "AWS/ApiGateway"

Call = Callable[..., Awaitable[Any]]


@dataclass
class _Request:
    """Observations about one request: the path of its resource and the duration of its integration in ms."""

    resource: str = ""
    integration_ms: float | None = None


_request: ContextVar[_Request | None] = ContextVar("request", default=None)


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    gateway = importlib.import_module("ministack.services.apigateway_v1")
    wrap(gateway, "_handle_execute_in_scope", lambda original: _measured(original, gateway))
    wrap(gateway, "_execute_in_scope", _routed)
    for integration in (
        "_invoke_lambda_proxy_v1",
        "_invoke_lambda_custom_v1",
        "_invoke_http_proxy_v1",
        "_invoke_sqs_v1",
    ):
        wrap(gateway, integration, _integrated)


def _measured(original: Call, gateway: Any) -> Call:
    async def handle_execute_in_scope(api_id: str, stage_name: str, method: str, *args: Any, **kwargs: Any) -> Any:
        request = _Request()
        before = _request.set(request)
        started = time.time()
        try:
            response = await original(api_id, stage_name, method, *args, **kwargs)
        finally:
            _request.reset(before)
        stage = gateway._stages_v1.get(api_id, {}).get(stage_name)
        if stage:  # a request to an unknown stage has no metrics
            name = gateway._rest_apis[api_id].get("name") or api_id
            latency_ms = (time.time() - started) * 1000
            for dimensions in _dimensions(name, stage_name, stage, method, request.resource):
                _publish(dimensions, response[0], latency_ms, request.integration_ms, started)
        return response

    return handle_execute_in_scope


def _routed(original: Call) -> Call:
    async def execute_in_scope(resolved: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        response = await original(resolved, *args, **kwargs)
        if request := _request.get():
            request.resource = resolved.get("resource_path") or ""
        return response

    return execute_in_scope


def _integrated(original: Call) -> Call:
    async def invoke(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        response = await original(*args, **kwargs)
        if request := _request.get():
            request.integration_ms = (time.perf_counter() - started) * 1000
        return response

    return invoke


def _dimensions(
    api: str, stage_name: str, stage: Mapping[str, Any], method: str, resource: str
) -> Iterator[dict[str, str]]:
    yield {"ApiName": api}
    yield {"ApiName": api, "Stage": stage_name}
    if resource and _has_detailed_metrics(stage, method, resource):
        yield {"ApiName": api, "Stage": stage_name, "Method": method, "Resource": resource}


def _has_detailed_metrics(stage: Mapping[str, Any], method: str, resource: str) -> bool:
    """Return whether detailed metrics are enabled for a method, by its own setting or by the stage's."""
    settings = stage.get("methodSettings") or {}
    path = resource.lstrip("/")
    for key in (
        f"/{path}/{method}",
        f"{path}/{method}",
        "*/*",
    ):  # MiniStack keeps the key as it was sent, with or without a slash
        if key in settings:
            return str(settings[key].get("metricsEnabled", False)).lower() == "true"
    return False


def _publish(
    dimensions: Mapping[str, str], status: int, latency_ms: float, integration_ms: float | None, at: float
) -> None:
    counts = {
        "Count": 1.0,
        "4XXError": float(HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR),
        "5XXError": float(status >= HTTPStatus.INTERNAL_SERVER_ERROR),
    }
    for name, value in counts.items():
        metric_store.put_metric(_NAMESPACE, name, dimensions, value, unit="Count", at=at)
    for name, taken_ms in (("Latency", latency_ms), ("IntegrationLatency", integration_ms)):
        if taken_ms is not None:
            metric_store.put_metric(_NAMESPACE, name, dimensions, float(round(taken_ms)), unit="Milliseconds", at=at)
