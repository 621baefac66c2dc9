"""An estimate: each resource of a template is priced by what it is, and all else by what is assumed."""

from datetime import date

import pytest

from orchestrator import environments
from orchestrator.domain.cost.estimate import Usage, estimate_deployment, estimate_drill, estimate_month, task_memory_mb
from orchestrator.domain.cost.fixed_costs import HOURS, UNIT_NAMES, is_known_type, units_of
from orchestrator.domain.cost.prices import Prices
from orchestrator.domain.deployment.plan import Plan
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.strategy import read_strategy
from orchestrator.domain.errors import Refused
from tests.samples import delivery_table


class _OneDollarEach(dict):
    """Every unit costs one dollar, so that an estimate is a sum of amounts."""

    def __missing__(self, unit):
        return {"usd": 1, "sku": "S"}

    def items(self):
        return [(unit, self[unit]) for unit in UNITS]


UNITS = (
    *UNIT_NAMES, "lambda_arm64_gb_second", "lambda_arm64_million_requests", "api_gateway_rest_million_requests",
    "cloudwatch_logs_ingested_gb", "cloudwatch_logs_stored_gb_month", "kms_million_asymmetric_requests",
    "xray_million_traces", "cloudwatch_metric_month", "data_out_gb", "waf_million_requests", "dynamodb_million_read_units",
    "dynamodb_million_write_units", "dynamodb_storage_gb_month", "dynamodb_pitr_gb_month", "dynamodb_backup_gb_month",
    "lambda_provisioned_arm64_gb_second", "step_functions_million_transitions", "cloudwatch_million_metrics_requested",
    "dynamodb_restore_gb", "dynamodb_export_gb",
)  # fmt: skip
PRICES = Prices.parse({"as_of": date(2026, 9, 29), "source": "a test", "here": _OneDollarEach()}, "here")
USAGE = Usage(
    requests_per_month=2_000_000,
    milliseconds_per_request=100,
    logged_kb_per_request=1.048576,
    answered_kb_per_request=0.524288,
    reads_per_request=3,
    writes_per_request=2,
    signatures_per_request=0.5,
    traced_percent=10,
    stored_gb=4,
    custom_metrics=7,
    task_milliseconds=500,
    deployments_per_month=1,
    drills_per_month=1,
    drill_hours=73,
    backups_kept=3,
)


def template(**resources):
    return {
        "Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()}
    }


def amounts(estimate):
    return {charge.what: round(charge.amount, 6) for charge in estimate.charges}


def month(*templates, warm_mb=0, usage=USAGE):
    return estimate_month(templates, usage, PRICES, retention_days=90, warm_mb=warm_mb)


@pytest.mark.parametrize(
    ("kind", "properties", "units"),
    [
        ("AWS::KMS::Key", {}, {"kms_key_month": 1}),
        ("AWS::S3::Bucket", {}, {}),
        ("AWS::S3::Bucket", {"ReplicationConfiguration": {"Rules": [{"Destination": {}}]}}, {}),
        (
            "AWS::S3::Bucket",
            {"ReplicationConfiguration": {"Rules": [{"Destination": {"Metrics": {"Status": "Enabled"}}}]}},
            {"cloudwatch_metric_month": 4},
        ),
        ("AWS::CloudWatch::CompositeAlarm", {}, {"cloudwatch_composite_alarm_month": 1}),
        ("AWS::CloudWatch::Dashboard", {}, {"cloudwatch_dashboard_month": 1}),
        ("AWS::CloudWatch::InsightRule", {}, {"cloudwatch_insight_rule_month": 1}),
        ("AWS::WAFv2::WebACL", {"Rules": [1, 2, 3]}, {"waf_acl_month": 1, "waf_rule_month": 3}),
        ("AWS::CloudWatch::Alarm", {"MetricName": "Errors", "Period": 60}, {"cloudwatch_alarm_metric_month": 1}),
        (
            "AWS::CloudWatch::Alarm",
            {"MetricName": "E", "Period": 10},
            {"cloudwatch_high_resolution_alarm_metric_month": 1},
        ),
        (
            "AWS::CloudWatch::Alarm",
            {"Metrics": [{"MetricStat": {"Period": 60}}, {"MetricStat": {"Period": 60}}, {"Expression": "a / b"}]},
            {"cloudwatch_alarm_metric_month": 2},
        ),
        (
            "AWS::CloudWatch::Alarm",
            {"Metrics": [{"MetricStat": {"Period": 60}}, {"Expression": "ANOMALY_DETECTION_BAND(m, 2)"}]},
            {"cloudwatch_alarm_metric_month": 3},
        ),
        ("AWS::DynamoDB::Table", {"BillingMode": "PAY_PER_REQUEST"}, {}),
        (
            "AWS::DynamoDB::Table",
            {"ProvisionedThroughput": {"ReadCapacityUnits": 20, "WriteCapacityUnits": 10}},
            {"dynamodb_read_capacity_hour": 20 * HOURS, "dynamodb_write_capacity_hour": 10 * HOURS},
        ),
        ("AWS::EC2::VPCEndpoint", {"VpcEndpointType": "Gateway"}, {}),
        (
            "AWS::EC2::VPCEndpoint",
            {"VpcEndpointType": "Interface", "SubnetIds": ["a", "b"]},
            {"vpc_interface_endpoint_hour": 2 * HOURS},
        ),
        ("AWS::IAM::Role", {}, {}),
    ],
)
def test_a_resource_costs_by_what_it_is(kind, properties, units):
    assert units_of(kind, properties) == units
    assert is_known_type(kind)
    assert units.keys() <= UNIT_NAMES.keys()


def test_what_no_one_here_can_price_is_named():
    estimate = month(template(A=("AWS::GuardDuty::Detector", {}), B=("AWS::IAM::Role", {}), C=("AWS::KMS::Key", {})))
    assert estimate.not_estimated == ("AWS::GuardDuty::Detector",)
    assert amounts(estimate)["KMS keys"] == 1


def test_requests_are_priced_by_what_each_does():
    found = amounts(
        month(template(F=("AWS::Lambda::Function", {"Handler": "service.handlers.token.handler", "MemorySize": 512})))
    )
    assert found == {
        "functions on a schedule": 0,
        "functions on a schedule, by run": 0,
        "the API": 2,
        "the service's functions": 100_000,
        "the service's functions, by request": 2,
        "logs": 2,
        "stored logs": 6,
        "signatures": 1,
        "traces": 0.2,
        "metrics of our own": 7,
        "data to clients": 1,
        "reads on demand": 6,
        "writes on demand": 4,
        "tables": 4,
        "point-in-time recovery": 4,
    }


@pytest.mark.strategy("Resource Optimization: DynamoDB capacity")
def test_provisioned_tables_pay_by_the_hour_and_not_by_request():
    table = ("AWS::DynamoDB::Table", {"ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 1}})
    found = amounts(month(template(T=table)))
    assert (found["provisioned reads"], found["provisioned writes"]) == (2 * HOURS, HOURS)
    assert not [what for what in found if "on demand" in what]


def test_a_web_acl_sees_every_request_a_vault_keeps_copies_and_warm_environments_run_all_month():
    stack = template(W=("AWS::WAFv2::WebACL", {}), B=("AWS::Backup::BackupPlan", {}))
    found = amounts(month(stack, warm_mb=2048))
    assert (found["requests through the web ACL"], found["backups"]) == (2, 12)
    assert found["provisioned concurrency"] == 2 * HOURS * 3600


def test_a_rule_with_a_rate_runs_its_function_in_its_memory_all_month():
    target = {"Arn": {"Fn::GetAtt": ["F", "Arn"]}}
    stack = template(
        F=("AWS::Lambda::Function", {"MemorySize": 512}),
        G=("AWS::Lambda::Function", {}),
        Minute=("AWS::Events::Rule", {"ScheduleExpression": "rate(1 minute)", "Targets": [target]}),
        Hours=("AWS::Events::Rule", {"ScheduleExpression": "rate(2 hours)", "Targets": [{"Arn": "arn:other"}]}),
        Daily=("AWS::Events::Rule", {"ScheduleExpression": "cron(0 5 * * ? *)", "Targets": [target]}),
    )
    found = amounts(month(stack))
    runs = HOURS * 60 + HOURS / 2
    assert found["functions on a schedule, by run"] == round(runs / 1e6, 6)
    assert found["functions on a schedule"] == HOURS * 60 * 0.5 * 0.5 + HOURS / 2 * 0.125 * 0.5


def test_a_deployment_costs_by_the_states_and_looks_of_its_plan():
    policy = DeliveryPolicy.parse(delivery_table())
    plan = Plan.from_strategy(read_strategy(None, policy), policy)
    found = estimate_deployment(plan, 512, USAGE, PRICES, warm_mb=0)
    assert found.what == "a deployment, canary-10-50"
    costs = amounts(found)
    assert costs["state transitions"] == round(plan.transitions / 1e6, 6)
    assert costs["task functions"] == plan.transitions * 0.25
    assert costs["metrics read by evaluations"] == round(plan.evaluations * 200 / 1e6, 6)
    assert {"the ledger", "the ledger's reads"} <= costs.keys()
    assert "provisioned concurrency" not in costs


def test_a_deployment_keeps_a_second_version_warm_until_its_rollback_window_is_over():
    policy = DeliveryPolicy.parse(delivery_table())
    plan = Plan.from_strategy(read_strategy(None, policy), policy)
    costs = amounts(estimate_deployment(plan, 512, USAGE, PRICES, warm_mb=2048))
    assert costs["provisioned concurrency"] == 2 * (30 + 20 + 20 + 900)


def test_a_drill_costs_restoring_reading_twice_keeping_and_exporting_where_it_always_does():
    costs = amounts(estimate_drill(40, 512, USAGE, PRICES))
    assert (costs["restoring"], costs["keeping the restored tables"]) == (4, 0.4)
    assert costs["reading both sides"] == round(2 * 4 * 1024 * 1024 / 4 / 1e6, 6)
    assert "exporting" not in costs
    for exports in (1, 2):
        assert amounts(estimate_drill(40, 512, USAGE, PRICES, exports=exports)) == {**costs, "exporting": 4 * exports}


def test_the_orchestrator_s_memory_is_read_from_its_templates():
    task, handler = (
        (
            "AWS::Lambda::Function",
            {"Handler": "orchestrator.tasks.deployment.plan_deployment.handler", "MemorySize": 512},
        ),
        (
            "AWS::Lambda::Function",
            {"Handler": "orchestrator.event_handlers.alarm_state_change.handler", "MemorySize": 1024},
        ),
    )
    assert task_memory_mb([template(A=task, B=handler, C=("AWS::KMS::Key", {}))]) == 512
    assert task_memory_mb([template(C=("AWS::KMS::Key", {}))]) == 128


def test_an_estimate_says_what_rests_on_prices_that_were_not_looked_up():
    unknown = Prices.parse(
        {"as_of": date(2026, 9, 29), "source": "s", "here": {unit: {"usd": 1} for unit in UNITS}}, "here"
    )
    assert estimate_drill(40, 512, USAGE, PRICES).unchecked_usd == 0
    estimate = estimate_drill(40, 512, USAGE, unknown)
    assert estimate.unchecked_usd == pytest.approx(estimate.usd)
    assert estimate.usd > 4


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"requests_per_month": -1}, r"prod.usage.requests_per_month: -1 is refused: give a number"),
        ({"stored_gb": "much"}, r"prod.usage.stored_gb: 'much' is refused"),
        ({"stored_gb": True}, r"prod.usage.stored_gb: True is refused"),
        ({"stored_gb": float("inf")}, r"prod.usage.stored_gb: inf is refused: give a number from 0 to"),
        ({"traced_percent": 100.5}, r"prod.usage.traced_percent: 100.5 is refused: give a number from 0 to 100"),
        ({"drill_hours": 25}, r"prod.usage.drill_hours: 25 is refused: give a number from 0 to 24"),
        ({"backups_kept": 1.5}, r"prod.usage.backups_kept: 1.5 is refused: give a whole number"),
        ({"requests": 3}, r"prod.usage.requests: 3 is refused: remove it; known keys are requests_per_month"),
    ],
)
def test_an_assumption_that_makes_no_sense_is_refused_by_its_place(change, refused):
    with pytest.raises(Refused, match=refused):
        Usage.parse({**environments.load("prod").usage, **change}, "prod.usage")


def test_an_assumption_that_is_missing_is_refused():
    with pytest.raises(Refused, match=r"prod.usage.requests_per_month: None is refused"):
        Usage.parse({}, "prod.usage")


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_says_what_is_assumed_of_it(name):
    assert Usage.parse(environments.load(name).usage, f"{name}.usage").requests_per_month > 0
