"""The dashboard for Grafana shows what that of CloudWatch shows, of the environment that its reader names."""

from __future__ import annotations

import json

import pytest

from infrastructure.monitoring import grafana
from orchestrator import environments


@pytest.fixture(scope="module")
def widgets():
    return grafana.widgets_of(environments.load(grafana.ENVIRONMENT))


@pytest.fixture(scope="module")
def panels(widgets):
    return grafana.grafana_dashboard(widgets)["panels"]


def test_the_file_is_what_the_stack_says(widgets):
    assert json.loads(grafana.FILE.read_text()) == grafana.grafana_dashboard(widgets), (
        "python -m infrastructure.monitoring.grafana"
    )


def test_every_metric_and_every_expression_of_the_one_is_in_the_other(widgets, panels):
    named = [
        metric[1] if "expression" not in metric[-1] else metric[-1]["expression"].replace('"prod"', '"${environment}"')
        for widget in widgets
        for metric in widget["properties"].get("metrics", ())
    ]
    assert len(named) > 30
    assert named == [
        target.get("metricName", target.get("expression"))
        for panel in panels
        for target in panel.get("targets", ())
        if target["queryMode"] == "Metrics"
    ]


def test_the_name_of_the_environment_is_a_variable_everywhere(panels):
    text = json.dumps(panels)
    assert '"environment": "${environment}"' in text
    assert "ib-oauth-token-${environment}" in text
    assert "prod" not in text


def test_what_an_expression_uses_is_a_target_of_its_panel_and_hidden(panels):
    (panel,) = [panel for panel in panels if panel.get("title") == "Days since a successful drill"]
    shown, used = panel["targets"]
    assert (shown["expression"], used["id"], shown["hide"], used["hide"]) == ("since / 86400", "since", False, True)


def test_a_query_of_logs_names_its_groups(panels):
    queries = [target for panel in panels for target in panel.get("targets", ()) if target["queryMode"] == "Logs"]
    assert len(queries) == 2
    for query in queries:
        assert query["logGroups"]
        assert "SOURCE" not in query["expression"]


def test_panels_and_targets_have_ids_of_their_own(panels):
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        ids = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(ids)) == len(ids)
