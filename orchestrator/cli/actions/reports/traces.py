"""The command `trace`: executions as OpenTelemetry traces, printed or sent to a collector."""

from __future__ import annotations

import json as json_text
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.application.telemetry.traces import read_trace
from orchestrator.cli.context import Context
from orchestrator.cli.rendering.output import console, print_json, print_json_line
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.request import RECOVERY_PREFIX
from orchestrator.domain.telemetry.settings import parse_headers, refuse_endpoint


def export_traces(context: Context, name: str, otlp: str | None, headers: Sequence[str], *, json: bool) -> None:
    """Print the traces of an id, one a line, or send them to a collector.

    Args:
        context: the environment.
        name: id of a deployment, a drill or a restore. A deployment includes its rollback.
        otlp: address of the collector; None prints the traces.
        headers: of the requests, each as NAME=VALUE.
        json: print one JSON object about what was sent.

    Raises:
        Refused: there is nothing with this id, a value is wrong, or the collector does not take the traces.
        Unreachable: the collector did not answer.
    """
    request_headers = _headers(headers)
    if otlp is None and request_headers:
        raise Refused("--header", next(iter(request_headers)), "give it with --otlp, which sends the traces")
    if otlp is not None:
        refuse_endpoint("--otlp", otlp)
    arns = _executions(context, name)
    traces = [read_trace(context.cloud, arn) for arn in arns]
    if otlp is None:
        for trace in traces:
            print_json_line(trace)
        return
    for trace in traces:
        context.cloud.otlp_exporter.export(trace, otlp, request_headers)
    sent = [
        {"execution": arn, "trace": _spans(trace)[0]["traceId"], "spans": len(_spans(trace))}
        for arn, trace in zip(arns, traces, strict=True)
    ]
    if json:
        print_json({"endpoint": otlp, "traces": sent})
        return
    for one in sent:
        console().print(f"{one['trace']}  {one['spans']} spans  {one['execution']}", markup=False, soft_wrap=True)


def _executions(context: Context, name: str) -> list[str]:
    """Return the ARNs of the executions with an id: of a deployment and its rollback, or of a recovery."""
    if name.startswith(RECOVERY_PREFIX):
        return [context.cloud.drills.read_record(name).execution]
    deployment = context.cloud.ledger.read_record(name)
    rollback = deployment.rollback.execution if deployment.rollback else ""
    return [deployment.execution, *([rollback] if rollback else [])]


def _headers(headers: Sequence[str]) -> dict[str, str]:
    # A value may be a token, so no message repeats it.
    refused = Refused("--header", "…", "give NAME=VALUE in printable ASCII")
    if not all(header.partition("=")[0] and "=" in header for header in headers):
        raise refused
    try:
        return parse_headers(json_text.dumps(dict(header.partition("=")[::2] for header in headers), allow_nan=False))
    except ValueError:
        raise refused from None


def _spans(trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = trace["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return found
