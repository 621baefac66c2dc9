"""What the probes look through, on AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.aws.alarms import Alarms
from orchestrator.aws.http import Http
from orchestrator.aws.invocation import Invocation
from orchestrator.aws.logs import Logs
from orchestrator.aws.macs import Macs
from orchestrator.aws.metrics import Metrics
from orchestrator.probes.ports import Instruments

__all__ = ["Instruments", "instruments"]


def instruments(clients: Callable[[str], Any]) -> Instruments:
    """Compose the instruments.

    Args:
        clients: botocore client by service name. All are made here, in one thread: a botocore session is not to be shared
            by threads that make clients, while a client may be shared by threads that use it.
    """
    cloudwatch = clients("cloudwatch")
    return Instruments(
        metrics=Metrics(cloudwatch),
        logs=Logs(clients("logs")),
        alarms=Alarms(cloudwatch),
        functions=Invocation(clients("lambda")),
        web=Http(),
        macs=Macs(clients("kms")),
    )
