"""CloudWatch Logs: log events in the embedded metric format are published as metrics.

AWS publishes every metric in the event's ``_aws.CloudWatchMetrics`` once for each set of dimensions, with its unit, at
``_aws.Timestamp``; with ``StorageResolution`` 1 by the second. A metric's value is a number or up to 100 numbers. A
dimension's value is a string of the event. A set with another value is skipped, and so is a metric without a number.
A log event of a Lambda function may have a prefix before the document.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

Stock MiniStack stores such events as text only.
"""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.cloudwatch.statistics import HIGH_RESOLUTION_SECONDS, MINUTE_SECONDS, Statistics
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.services.cloudwatch_logs._append_log_events": "e47cae7a15a4cc46",
    "ministack.services.cloudwatch_logs._put_log_events": "acd4fda33a3857d7",
    "ministack.services.lambda_svc._emit_lambda_logs": "111efbf06968bb20",
}

MAX_VALUES: Final = 100
"""Maximum number of values of a metric in one event."""
MAX_DIMENSIONS: Final = 30
"""Maximum number of dimensions in a set."""

_LOGGER: Final = logging.getLogger("cloudwatch.emf")
_MARK: Final = '"_aws"'  # checked before parsing: most lines are no document

Document = Mapping[str, Any]


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    wrap(importlib.import_module("ministack.services.cloudwatch_logs"), "_append_log_events", _extracting)


def _extracting(original: Callable[..., Any]) -> Callable[..., Any]:
    def append_log_events(stream: Any, events: Sequence[Mapping[str, Any]]) -> Any:
        appended = original(stream, events)
        for event in events:
            message = event.get("message")
            if isinstance(message, str) and _MARK in message:
                publish_embedded_metrics(message, time.time())
        return appended

    return append_log_events


def publish_embedded_metrics(message: str, now: float) -> None:
    """Publish the metrics of a log event; an invalid document has none. `now` is epoch seconds."""
    try:
        document = json.loads(message[message.find("{") :])
        if not isinstance(document, dict):
            return
        metadata = document["_aws"]
        at = metadata["Timestamp"] / 1000
        if metric_store.accepts_timestamp(at, now):
            for directive in metadata["CloudWatchMetrics"]:
                _publish_directive(document, directive, at)
    except (ValueError, KeyError, TypeError, AttributeError) as invalid:
        _LOGGER.debug("no embedded metrics in a log event: %r", invalid)


def _publish_directive(document: Document, directive: Mapping[str, Any], at: float) -> None:
    sets = list(_dimension_sets(document, directive["Dimensions"]))
    for metric in directive["Metrics"]:
        values = _values(document.get(metric["Name"]))
        if values is None:
            continue
        resolution = metric.get("StorageResolution", MINUTE_SECONDS)
        for dimensions in sets:
            metric_store.put_metric(
                directive["Namespace"],
                metric["Name"],
                dimensions,
                values,
                unit=metric.get("Unit", "None"),
                at=at,
                resolution_seconds=resolution if resolution == HIGH_RESOLUTION_SECONDS else MINUTE_SECONDS,
            )


def _dimension_sets(document: Document, sets: Sequence[Sequence[str]]) -> Iterator[dict[str, str]]:
    for names in sets:
        values = {name: document.get(name) for name in names}
        if len(values) <= MAX_DIMENSIONS and all(isinstance(value, str) for value in values.values()):
            yield {name: str(value) for name, value in values.items()}


def _values(target: Any) -> Statistics | None:
    """Return the values of a metric's target; None if it is neither a number nor a list of numbers."""
    values = target if isinstance(target, list) else [target]
    if not 0 < len(values) <= MAX_VALUES or not all(map(_is_number, values)):
        return None
    statistics = Statistics()
    for value in values:
        statistics.add(float(value))
    return statistics


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
