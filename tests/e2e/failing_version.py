"""Metrics of a canary that fails, so that an alarm is its fault: an alarm without a fault rolls nothing back."""

from __future__ import annotations

from orchestrator.domain.deployment.record import Deployment
from orchestrator.local.deployed_environment import LocalEnvironment

FAILED = 200


def publish_failures(here: LocalEnvironment, deployment: Deployment, function: str = "token") -> None:
    """Count 200 requests of the canary that it answered with 5xx, now: by version and, as the alarm reads them, together."""
    version = next(one.canary_version for one in deployment.functions if one.name == function)
    pooled = {"environment": deployment.environment, "function": function}
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in values.items()],
            "Value": FAILED,
            "StorageResolution": 1,
        }
        for name in ("Requests", "ServerErrors")
        for values in (pooled, {**pooled, "version": version})
    ]
    here.cloud.clients("cloudwatch").put_metric_data(Namespace=deployment.service.metric_namespace, MetricData=data)
