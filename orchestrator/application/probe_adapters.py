"""The AWS clients that the probes use, composed from the adapters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.aws.cloudwatch.alarms import Alarms
from orchestrator.aws.cloudwatch.logs import Logs
from orchestrator.aws.cloudwatch.metrics import Metrics
from orchestrator.aws.custom_checks import CheckReader
from orchestrator.aws.http_client import HttpClient
from orchestrator.aws.kms import Kms
from orchestrator.aws.lambda_.invocation import Invocation
from orchestrator.aws.public_http import PublicHttp
from orchestrator.probes.ports import ProbeClients

__all__ = ["ProbeClients", "probe_clients"]


def probe_clients(clients: Callable[[str], Any]) -> ProbeClients:
    """Compose the probes' clients.

    Args:
        clients: botocore client by service name. All clients are created here, in one thread: threads may share
            clients, but not a botocore session that creates clients.
    """
    cloudwatch, logs = clients("cloudwatch"), clients("logs")
    return ProbeClients(
        metrics=Metrics(cloudwatch),
        logs=Logs(logs),
        alarms=Alarms(cloudwatch),
        functions=Invocation(clients("lambda")),
        web=HttpClient(),
        macs=Kms(clients("kms")),
        checks=CheckReader(cloudwatch, logs, PublicHttp()),
    )
