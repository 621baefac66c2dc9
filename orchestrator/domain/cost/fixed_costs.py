"""The fixed costs of a template's resources, independent of usage.

Every resource type has a fixed price here, has none, or is unknown; an estimate lists the unknown types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

HOURS = 730
"""Hours of a month, as in AWS's calculator."""

HIGH_RESOLUTION_SECONDS = 60
"""Alarms with a shorter period cost more."""

REPLICATION_METRICS = 4
"""Metrics of a rule: bytes and operations pending, operations failed, and latency. They are charged as custom metrics.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
"""

_NO_PRICE_OF_ITS_OWN = (
    "AWS::ApiGateway::", "AWS::ApplicationAutoScaling::", "AWS::Backup::", "AWS::Budgets::", "AWS::CDK::", "AWS::CE::",
    "AWS::CloudFormation::", "AWS::CloudWatch::AnomalyDetector", "AWS::EC2::FlowLog", "AWS::EC2::Route",
    "AWS::EC2::SecurityGroup", "AWS::EC2::Subnet", "AWS::EC2::VPC", "AWS::Events::", "AWS::IAM::", "AWS::KMS::Alias",
    "AWS::Lambda::", "AWS::Logs::", "AWS::Route53::RecordSet", "AWS::S3::", "AWS::Scheduler::", "AWS::Signer::", "AWS::SNS::",
    "AWS::SQS::", "AWS::SSM::", "AWS::StepFunctions::", "AWS::WAFv2::LoggingConfiguration", "AWS::WAFv2::WebACLAssociation",
    "AWS::XRay::", "AWS::CertificateManager::", "Custom::",
)  # fmt: skip
"""Prefixes of types without a fixed price. Their usage is priced in `estimate.py`."""

UNIT_NAMES: Mapping[str, str] = {
    "kms_key_month": "KMS keys",
    "cloudwatch_alarm_metric_month": "alarms, by metric",
    "cloudwatch_high_resolution_alarm_metric_month": "alarms with short periods, by metric",
    "cloudwatch_metric_month": "metrics of replication",
    "cloudwatch_composite_alarm_month": "composite alarms",
    "cloudwatch_dashboard_month": "dashboards",
    "cloudwatch_insight_rule_month": "contributor rules",
    "waf_acl_month": "web ACLs",
    "waf_rule_month": "rules of web ACLs",
    "dynamodb_read_capacity_hour": "provisioned reads",
    "dynamodb_write_capacity_hour": "provisioned writes",
    "vpc_interface_endpoint_hour": "interface endpoints",
}
UNIT_REASONS: Mapping[str, str] = {
    "dynamodb_read_capacity_hour": f"the template's units times {HOURS} h, before autoscaling",
    "dynamodb_write_capacity_hour": f"the template's units times {HOURS} h, before autoscaling",
    "vpc_interface_endpoint_hour": f"one per subnet times {HOURS} h",
}


def units_of(kind: str, properties: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the fixed monthly cost of one resource, as amounts by the unit of the price."""
    return _PRICED[kind](properties) if kind in _PRICED else {}


def is_known_type(kind: str) -> bool:
    """Return whether a type has a fixed price, or is known to have none."""
    return kind in _PRICED or kind.startswith(_NO_PRICE_OF_ITS_OWN)


def _alarm(properties: Mapping[str, Any]) -> Mapping[str, float]:
    """An alarm is charged by its metrics; an anomaly detection band counts as two more."""
    queries = properties.get("Metrics", [])
    metrics = [query["MetricStat"] for query in queries if "MetricStat" in query]
    bands = sum(2 for query in queries if "ANOMALY_DETECTION_BAND" in str(query.get("Expression", "")))
    periods = [query["Period"] for query in metrics] or [properties.get("Period", HIGH_RESOLUTION_SECONDS)]
    short = min(periods) < HIGH_RESOLUTION_SECONDS
    unit = "cloudwatch_high_resolution_alarm_metric_month" if short else "cloudwatch_alarm_metric_month"
    return {unit: max(len(metrics), 1) + bands}


def _web_acl(properties: Mapping[str, Any]) -> Mapping[str, float]:
    return {"waf_acl_month": 1, "waf_rule_month": len(properties.get("Rules", []))}


def _table(properties: Mapping[str, Any]) -> Mapping[str, float]:
    units = properties.get("ProvisionedThroughput")
    if not units:
        return {}
    return {
        "dynamodb_read_capacity_hour": units["ReadCapacityUnits"] * HOURS,
        "dynamodb_write_capacity_hour": units["WriteCapacityUnits"] * HOURS,
    }


def _endpoint(properties: Mapping[str, Any]) -> Mapping[str, float]:
    if properties.get("VpcEndpointType") != "Interface":
        return {}
    return {"vpc_interface_endpoint_hour": len(properties.get("SubnetIds", [0])) * HOURS}


def _bucket(properties: Mapping[str, Any]) -> Mapping[str, float]:
    """S3 publishes its metrics of a replication for each rule that has them. What a bucket holds is usage."""
    rules = properties.get("ReplicationConfiguration", {}).get("Rules", [])
    measured = [rule for rule in rules if rule["Destination"].get("Metrics", {}).get("Status") == "Enabled"]
    return {"cloudwatch_metric_month": REPLICATION_METRICS * len(measured)} if measured else {}


def _single_unit(unit: str) -> Callable[[Mapping[str, Any]], Mapping[str, float]]:
    return lambda _properties: {unit: 1}


_PRICED: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, float]]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _single_unit("cloudwatch_composite_alarm_month"),
    "AWS::CloudWatch::Dashboard": _single_unit("cloudwatch_dashboard_month"),
    "AWS::CloudWatch::InsightRule": _single_unit("cloudwatch_insight_rule_month"),
    "AWS::DynamoDB::Table": _table,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::KMS::Key": _single_unit("kms_key_month"),
    "AWS::S3::Bucket": _bucket,
    "AWS::WAFv2::WebACL": _web_acl,
}
