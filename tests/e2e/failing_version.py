"""Metrics of a canary that fails, so that an alarm is its fault: an alarm without a fault rolls nothing back."""

from __future__ import annotations

from orchestrator.domain.deployment.record import Deployment
from orchestrator.local.deployed_environment import LocalEnvironment

FAILED = 200


def publish_failures(here: LocalEnvironment, deployment: Deployment, function: str = "token") -> None:
    """Count 200 requests of the canary that it answered with 5xx, now."""
    version = next(one.canary_version for one in deployment.functions if one.name == function)
    values = {"environment": deployment.environment, "function": function, "version": version}
    dimensions = [{"Name": name, "Value": value} for name, value in values.items()]
    data = [
        {"MetricName": name, "Dimensions": dimensions, "Value": FAILED, "StorageResolution": 1}
        for name in ("Requests", "ServerErrors")
    ]
    here.cloud.clients("cloudwatch").put_metric_data(Namespace=deployment.service.metric_namespace, MetricData=data)
