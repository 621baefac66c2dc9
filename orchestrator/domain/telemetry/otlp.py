"""Spans in the JSON form of OTLP, which every OpenTelemetry collector takes at ``/v1/traces``.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hex, times as strings of nanoseconds)
and the protocol's trace.proto for the numbers of kinds and codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.domain.telemetry.spans import Span, SpanEvent, TracedExecution, trace_id

SCOPE = "ib-oauth-orchestrator"
INTERNAL, ERROR = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_trace(
    execution: TracedExecution, spans: Sequence[Span], environment: str, region: str, version: str
) -> dict[str, Any]:
    """Return a trace as the body of an export request.

    Args:
        execution: whose trace it is.
        spans: its spans.
        environment: the name of the environment.
        region: its region.
        version: of the orchestrator.
    """
    resource = {
        "service.name": SCOPE,
        "service.version": version,
        "deployment.environment.name": environment,
        "cloud.provider": "aws",
        "cloud.region": region,
    }
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [
                    {
                        "scope": {"name": SCOPE, "version": version},
                        "spans": [_encode_span(span, execution) for span in spans],
                    }
                ],
            }
        ]
    }


def _encode_span(span: Span, execution: TracedExecution) -> dict[str, Any]:
    attributes = {"aws.step_functions.state.type": span.kind}
    if not span.parent_id:
        attributes = {
            "aws.step_functions.execution.arn": execution.arn,
            "aws.step_functions.execution.status": execution.status,
        }
    return {
        "traceId": trace_id(execution.arn),
        "spanId": span.span_id,
        **({"parentSpanId": span.parent_id} if span.parent_id else {}),
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.started_at),
        "endTimeUnixNano": _nanoseconds(span.ended_at),
        "attributes": _attributes(attributes),
        "events": [_encode_event(event) for event in span.events],
        "links": [
            {
                "traceId": link.trace_id,
                "spanId": link.span_id,
                "attributes": _attributes({"relation": link.relation}),
            }
            for link in span.links
        ],
        "status": {"code": ERROR, "message": span.message} if span.failed else {},
    }


def _encode_event(event: SpanEvent) -> dict[str, Any]:
    return {
        "timeUnixNano": _nanoseconds(event.at),
        "name": event.name,
        "attributes": _attributes({"exception.message": event.text}),
    }


def _attributes(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _nanoseconds(at: datetime) -> str:
    return str((at - _EPOCH) // _MICROSECOND * 1000)
