"""The environment's dashboard for Grafana, with its data source for CloudWatch: `python -m infrastructure.monitoring.grafana`.

It is made from the dashboard of the stack, so that both show the same. The environment and the region are variables of the
dashboard. Source: https://grafana.com/docs/grafana/latest/datasources/aws-cloudwatch/query-editor/ and the JSON model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aws_cdk

from infrastructure.monitoring.dashboard import create_dashboard
from orchestrator import environments

FILE = Path(__file__).resolve().parents[3] / "examples" / "grafana-dashboard.json"
ENVIRONMENT = "prod"
"""Whose dashboard it is made from; its name becomes the variable."""

_SOURCE = {"type": "cloudwatch", "uid": "${datasource}"}
_METRICS, _LOGS = "Metrics", "Logs"
_KINDS = {"timeSeries": "timeseries", "singleValue": "stat", "table": "table"}
_GROUP = re.compile(r"SOURCE '([^']+)' \| ")
_NAME = re.compile(rf"\b{ENVIRONMENT}\b")


def grafana_dashboard(widgets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the dashboard as Grafana imports it.

    Args:
        widgets: of the dashboard of CloudWatch. Widgets of alarms have no counterpart and are left out.
    """
    shown = [widget for widget in widgets if widget["type"] != "alarm"]
    return {
        "title": "ib-oauth ${environment}",
        "uid": "ib-oauth",
        "schemaVersion": 39,
        "time": {"from": "now-3h", "to": "now"},
        "refresh": "1m",
        "tags": ["ib-oauth"],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "cloudwatch"},
                _text("environment", ENVIRONMENT),
                _text("region", "us-west-1"),
            ]
        },
        "panels": [_panel(number, widget) for number, widget in enumerate(shown, start=1)],
    }


def _text(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "type": "textbox", "query": value, "current": {"text": value, "value": value}}


def _panel(number: int, widget: Mapping[str, Any]) -> dict[str, Any]:
    place = {"id": number, "gridPos": {"h": widget["height"], "w": widget["width"], "x": widget["x"], "y": widget["y"]}}
    properties = widget["properties"]
    if widget["type"] == "text":
        return {**place, "type": "text", "options": {"mode": "markdown", "content": _named(properties["markdown"])}}
    panel = {**place, "title": properties["title"], "type": _KINDS[properties["view"]], "datasource": _SOURCE}
    if widget["type"] == "log":
        return {**panel, "targets": [_log_target(properties["query"])]}
    options: dict[str, Any] = {"defaults": {"custom": {"stacking": {"mode": "normal"}}}, "overrides": []}
    stacking = {"fieldConfig": options} if properties.get("stacked") else {}
    return {**panel, **stacking, "targets": list(_metric_targets(properties["metrics"]))}


def _metric_targets(metrics: Sequence[Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for number, metric in enumerate(metrics):
        options = metric[-1]
        target = {
            "refId": f"Q{number}",
            "id": options.get("id", f"q{number}"),
            "datasource": _SOURCE,
            "queryMode": _METRICS,
            "region": "${region}",
            "period": str(options["period"]),
            "label": _named(options.get("label", "")),
            "hide": options.get("visible") is False,
        }
        if "expression" in options:
            yield {**target, "metricQueryType": 0, "metricEditorMode": 1, "expression": _named(options["expression"])}
            continue
        namespace, name, *dimensions = metric[:-1]
        yield {
            **target,
            "metricQueryType": 0,
            "metricEditorMode": 0,
            "namespace": namespace,
            "metricName": name,
            "dimensions": {key: _named(value) for key, value in zip(dimensions[::2], dimensions[1::2], strict=True)},
            "statistic": options["stat"],
            "matchExact": True,
        }


def _log_target(query: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "datasource": _SOURCE,
        "queryMode": _LOGS,
        "region": "${region}",
        "logGroups": [{"name": _named(group)} for group in _GROUP.findall(query)],
        "expression": _GROUP.sub("", query),
    }


def _named(text: str) -> str:
    """Return a text with the variable for the environment's name."""
    return _NAME.sub("${environment}", text)


def widgets_of(environment: environments.Environment) -> list[dict[str, Any]]:
    """Return the widgets of an environment's dashboard, without its alarms."""
    app = aws_cdk.App()
    stack = aws_cdk.Stack(app, "Dashboard")
    create_dashboard(stack, environment, {}, None)
    resources = app.synth().get_stack_by_name("Dashboard").template["Resources"].values()
    (body,) = (one["Properties"]["DashboardBody"] for one in resources if one["Type"] == "AWS::CloudWatch::Dashboard")
    parts = body["Fn::Join"][1]
    widgets: list[dict[str, Any]] = json.loads("".join(part if isinstance(part, str) else "" for part in parts))[
        "widgets"
    ]
    return widgets


def render() -> str:
    """Return the text of the file."""
    return json.dumps(grafana_dashboard(widgets_of(environments.load(ENVIRONMENT))), indent=1, allow_nan=False) + "\n"
