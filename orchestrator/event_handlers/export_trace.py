"""An execution ended: send its trace to the collector that the settings name.

An export is the same trace each time, so a repeated event does no harm. Where the collector does not answer, Lambda repeats
the event twice, and it then goes to the dead-letter queue: `orchestrator trace ID --otlp` sends the trace later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.application.telemetry.traces import read_trace
from orchestrator.event_handlers.runtime import event_handler


def export_trace(event: Mapping[str, Any], cloud: Cloud) -> str:
    """Export the trace of the ended execution.

    Raises:
        Refused: the collector or the secret is not what the settings say.
        Throttled, Unreachable: AWS or the collector did not answer.
    """
    arn = event["detail"]["executionArn"]
    endpoint = cloud.settings["OTLP_ENDPOINT"]
    headers = cloud.otlp_exporter.read_headers(cloud.settings["OTLP_HEADERS_SECRET"])
    trace = read_trace(cloud, arn)
    cloud.otlp_exporter.export(trace, endpoint, headers)
    spans = trace["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return f"{event['detail']['name']}: {len(spans)} spans exported"


handler = event_handler(export_trace)
