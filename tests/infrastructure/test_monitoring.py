"""The stack that watches: what its dashboard shows is measured, what its queries name is logged, what it composes fires."""

import dataclasses
import importlib
import json
import re

import pytest

from infrastructure.monitoring.composite_alarms import ROLLBACK_PATH_ALARMS
from infrastructure.monitoring.log_queries import SAVED_QUERIES
from infrastructure.service.api import _ACCESS_LOG
from orchestrator import environments
from orchestrator.application.failover.metrics import LEASE_SECONDS_LEFT, STEPS_NOT_READY
from orchestrator.application.live_state import PROBLEMS
from orchestrator.application.recovery_reporting import (
    DATA_LOSS_SECONDS,
    RECOVERY_SECONDS,
    SECONDS_SINCE_SUCCESS,
    SUCCEEDED,
)
from orchestrator.application.restored_tables.listing import SECONDS_UNUSED
from orchestrator.aws.cloudwatch.embedded_metrics import NAMESPACE as ORCHESTRATOR
from orchestrator.domain.deployment.record import DeploymentOutcome
from service import log, request_metrics
from tests.infrastructure.templates import resources, synthesise, text_of

AWS_OWN = {
    "AWS/Lambda": {"ConcurrentExecutions", "Throttles"},
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "ReadThrottleEvents", "WriteThrottleEvents",
    },
}  # fmt: skip


def monitoring(one) -> dict:
    (template,) = [
        found for found, file in zip(one.all, one.files, strict=True) if file.name.startswith("ib-oauth-monitoring")
    ]
    return template


def dashboard(one) -> list[dict]:
    (found,) = resources(monitoring(one), "AWS::CloudWatch::Dashboard").values()
    assert found["DashboardName"] == f"ib-oauth-{one.name}"
    body = found["DashboardBody"]
    return json.loads("".join(part if isinstance(part, str) else "X" for part in body["Fn::Join"][1]))["widgets"]


def metrics_on(widgets: list[dict]) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of every metric that is shown; a row may give a dimension's value in a search."""
    shown = []
    for widget in widgets:
        for row in widget["properties"].get("metrics", []):
            if isinstance(row[0], dict):
                continue
            namespace, name, *rest = (part for part in row if isinstance(part, str))
            shown.append((namespace, name, dict(zip(rest[::2], rest[1::2], strict=True))))
    return shown


def searches_on(widgets: list[dict]) -> list[str]:
    return [
        row[0]["expression"]
        for widget in widgets
        for row in widget["properties"].get("metrics", [])
        if isinstance(row[0], dict) and row[0]["expression"].startswith("SEARCH")
    ]


def measured() -> dict[tuple[str, str], set[frozenset[str]]]:
    """What is measured by our own lines: namespace and name to the sets of dimensions that it is read by.

    The metrics of drills are there by environment, too, where the kinds are mixed: nothing reads them so.
    """
    found = {}
    directives = json.loads(request_metrics._directives(request_metrics.NAMESPACE, grants=True))
    for directive in directives:
        for metric in directive["Metrics"]:
            found[directive["Namespace"], metric["Name"]] = {frozenset(one) for one in directive["Dimensions"]}
    whole = frozenset({"environment"})
    for name, of in (
        ("Deployments", "outcome"),
        ("Rollbacks", "trigger"),
        ("RollbackSeconds", "trigger"),
        ("CustomerExposureSeconds", "trigger"),
    ):
        found[ORCHESTRATOR, name] = {whole, whole | {of}}
    for name in (SUCCEEDED, RECOVERY_SECONDS, DATA_LOSS_SECONDS, SECONDS_SINCE_SUCCESS):
        found[ORCHESTRATOR, name] = {whole | {"kind"}}
    for name in (SECONDS_UNUSED, PROBLEMS, LEASE_SECONDS_LEFT, STEPS_NOT_READY):
        found[ORCHESTRATOR, name] = {whole}
    return found


def test_an_alarm_on_our_own_metrics_reads_no_values_of_different_kinds_as_one(every):
    ours = measured()
    watched = {
        (alarm["AlarmName"], alarm["MetricName"], frozenset(one["Name"] for one in alarm["Dimensions"]))
        for alarm in resources(every.orchestrator, "AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == ORCHESTRATOR
    }
    assert len(watched) >= 6
    assert [one for one in watched if one[2] not in ours[ORCHESTRATOR, one[1]]] == []


@pytest.mark.strategy("Monitoring: Resource utilization")
def test_the_dashboard_shows_only_what_is_measured(every):
    ours = measured()
    shown = metrics_on(dashboard(every))

    assert len(shown) > 20
    for namespace, name, dimensions in shown:
        if namespace.startswith("AWS/"):
            assert name in AWS_OWN[namespace], (namespace, name)
            assert all(every.name in value for value in dimensions.values())
        else:
            assert frozenset(dimensions) in ours[namespace, name], (namespace, name, dimensions)
            assert dimensions["environment"] == every.name


def test_a_search_names_a_metric_and_the_dimensions_that_it_is_there_by(every):
    ours = measured()
    pattern = re.compile(
        r"SEARCH\('\{\"([\w/]+)\",([\w,]+)\} MetricName=\"(\w+)\" environment=\"([\w-]+)\"', '\w+', 60\)"
    )

    found = [pattern.fullmatch(search) for search in searches_on(dashboard(every))]

    assert len(found) == 4
    for match in found:
        assert match
        namespace, dimensions, name, environment = match.groups()
        assert frozenset(dimensions.split(",")) in ours[namespace, name]
        assert environment == every.name


@pytest.mark.strategy("Monitoring: CloudWatch dashboards")
def test_the_dashboard_answers_three_questions_in_this_order(every):
    titles = [
        widget["properties"]["markdown"].splitlines()[0] for widget in dashboard(every) if widget["type"] == "text"
    ]

    assert titles == [
        f"# {every.name}: is it healthy?",
        "# What is being deployed?",
        "# When did the last recovery drill succeed?",
    ]


def test_every_ending_of_a_deployment_is_on_the_dashboard(every):
    endings = {dimensions["outcome"] for _, name, dimensions in metrics_on(dashboard(every)) if name == "Deployments"}

    assert endings == set(DeploymentOutcome)


def test_every_alarm_is_on_the_dashboard(every):
    shown = {
        arn.rpartition(":")[2]
        for widget in dashboard(every)
        if widget["type"] == "alarm"
        for arn in widget["properties"]["alarms"]
    }
    kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    made = {one["AlarmName"] for template in every.all for kind in kinds for one in resources(template, kind).values()}
    if every.name == "local":
        made |= {f"ib-oauth-{what}-local" for what in ("service-degraded", "automatic-rollback-unavailable")}

    assert made <= shown
    assert shown == made


# --- composite alarms ----------------------------------------------------------------------------------------


def composites(one) -> dict[str, dict]:
    found = resources(monitoring(one), "AWS::CloudWatch::CompositeAlarm").values()
    return {alarm["AlarmName"].removeprefix("ib-oauth-").removesuffix(f"-{one.name}"): alarm for alarm in found}


def fires(rule: str, ringing: set[str]) -> bool:
    """Whether the rule is true where these alarms are in ALARM, by the local cloud's own reading of it."""
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    cloudwatch._alarms.clear()
    names = set(re.findall(r'ALARM\("([^"]+)"\)', rule))
    assert ringing <= names
    for name in names:
        cloudwatch._alarms[name] = {"AlarmName": name, "StateValue": "ALARM" if name in ringing else "OK"}
    try:
        return cloudwatch._rule_true(cloudwatch._parse_alarm_rule(rule))
    finally:
        cloudwatch._alarms.clear()


def names_in(template: dict) -> set[str]:
    return {alarm["AlarmName"] for alarm in resources(template, "AWS::CloudWatch::Alarm").values()}


def test_operators_are_notified_once_when_any_alarm_of_the_service_fires(prod):
    rule = composites(prod)["service-degraded"]["AlarmRule"]

    assert not fires(rule, set())
    assert set(re.findall(r'ALARM\("([^"]+)"\)', rule)) == names_in(prod.service)
    assert all(fires(rule, {name}) for name in names_in(prod.service))


def test_the_worst_is_a_failure_without_anything_that_rolls_it_back(prod):
    rule = composites(prod)["automatic-rollback-unavailable"]["AlarmRule"]
    of_rollback = set(re.findall(r'ALARM\("([^"]+)"\)', rule)) - names_in(prod.service)

    assert not fires(rule, names_in(prod.service))
    assert not fires(rule, of_rollback)
    for name in of_rollback:
        assert fires(rule, {name, f"ib-oauth-token-server-errors-{prod.name}"})
    for begin in ROLLBACK_PATH_ALARMS:
        assert [name for name in of_rollback if name.startswith(f"ib-oauth-orchestrator-{begin}")], begin
    # That recovery is not proven keeps no rollback from running.
    assert "ib-oauth-orchestrator-recovery-drill-overdue-prod" in names_in(prod.orchestrator) - of_rollback


def test_composite_alarms_tell_the_operators_when_it_begins_and_when_it_is_over(prod):
    for alarm in composites(prod).values():
        (topic,) = alarm["AlarmActions"]
        assert text_of(topic).endswith(":ib-oauth-operators-prod")
        assert alarm["OKActions"] == alarm["AlarmActions"]


# --- latency that is unusual ---------------------------------------------------------------------------------


@pytest.mark.strategy("Monitoring: Performance monitoring", "Monitoring & Alerts: Performance alerts")
def test_latency_above_its_usual_band_notifies_the_operators_and_rolls_nothing_back(prod):
    found = {
        name: alarm
        for name, alarm in (
            (one["AlarmName"], one) for one in resources(monitoring(prod), "AWS::CloudWatch::Alarm").values()
        )
        if "ThresholdMetricId" in alarm
    }

    assert found.keys() == {f"ib-oauth-{function}-latency-anomaly-prod" for function in environments.FUNCTIONS}
    for alarm in found.values():
        (band,) = [one for one in alarm["Metrics"] if one["Id"] == alarm["ThresholdMetricId"]]
        assert re.fullmatch(r"ANOMALY_DETECTION_BAND\(\w+, 3\)", band["Expression"])
        (metric,) = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
        assert (metric["Namespace"], metric["MetricName"]) == ("IbOauth", "Latency")
        assert alarm["ComparisonOperator"] == "GreaterThanUpperThreshold"
    described = json.dumps(prod.orchestrator)
    assert not [name for name in names_in(monitoring(prod)) if name in described]


# --- saved questions -----------------------------------------------------------------------------------------

WORDS = frozenset(
    [
        "filter",
        "in",
        "fields",
        "stats",
        "sort",
        "limit",
        "by",
        "as",
        "and",
        "or",
        "asc",
        "desc",
        "like",
        "count",
        "sum",
        "latest",
        "pct",
        "ispresent",
        "timestamp",
        "message",
    ]
)


def keys_of(of: str) -> set[str]:
    """The members of the lines that are asked."""
    if of == "api":
        return set(_ACCESS_LOG)
    if of == "tasks":
        return {
            "message", "level", "deployment", "state", "epoch", "action", "reason", "error", "environment",
            "outcome", "trigger", "RollbackSeconds", "CustomerExposureSeconds", "Deployments", "Rollbacks",
        }  # fmt: skip
    settings = type("Settings", (), dict.fromkeys(("environment", "function", "function_name", "version"), "x"))()
    observed = request_metrics.RequestObservation(grant="issued", client="web")
    line = request_metrics.RequestLines(settings).format(
        observed, route="GET /x", status=200, latency_ms=1, request_id="r", at_ms=1
    )
    failed = log.failure_record(settings, ValueError(), request_id="r", reason=None)
    return set(json.loads(line)) | set(failed)


@pytest.mark.parametrize("name", SAVED_QUERIES)
def test_a_saved_question_names_what_the_lines_have(name):
    question = SAVED_QUERIES[name]
    text = re.sub(r'"[^"]*"|/[^/]*/', "", question.text)
    named = set(re.findall(r"[A-Za-z_]\w*", text))
    made_up = set(re.findall(r"\bas (\w+)", text))

    assert named - WORDS - made_up <= keys_of(question.source), name


def test_the_questions_are_saved_under_the_environments_name_and_ask_groups_that_there_are(prod):
    saved = resources(monitoring(prod), "AWS::Logs::QueryDefinition").values()
    groups = {
        group["LogGroupName"] for template in prod.all for group in resources(template, "AWS::Logs::LogGroup").values()
    }

    assert {one["Name"] for one in saved} == {f"ib-oauth/prod/{name}" for name in SAVED_QUERIES}
    for one in saved:
        assert set(one["LogGroupNames"]) <= groups


# --- clients -------------------------------------------------------------------------------------------------


@pytest.mark.strategy("Features: Enhanced monitoring")
def test_contributor_insights_counts_clients_where_it_is_switched_on(tmp_path, prod):
    assert not resources(monitoring(prod), "AWS::CloudWatch::InsightRule")
    environment = environments.load("staging")
    watched = dataclasses.replace(
        environment, monitoring=dataclasses.replace(environment.monitoring, insight_rules=True)
    )

    one = synthesise(tmp_path, watched)

    (rule,) = resources(monitoring(one), "AWS::CloudWatch::InsightRule").values()
    body = json.loads(rule["RuleBody"])
    assert body["Schema"] == {"Name": "CloudWatchLogRule", "Version": 1}
    assert {key.removeprefix("$.") for key in body["Contribution"]["Keys"]} <= keys_of("service")
    assert body["LogGroupNames"] == ["/aws/lambda/ib-oauth-token-staging"]
    assert [search for search in json.dumps(dashboard(one)).split("'") if search == "ib-oauth-clients-staging"]
