"""The incident of a lost region: a failover opens it when it begins, and ends it when the service runs here.

A failover does not wait for its incident. A report that fails is logged. That of the loss is repeated when the failover is
planned again; without that of the end the incident stays open, and a person resolves it.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.incidents.incident_log import apply_signal
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.failover.record import Failover
from orchestrator.domain.incidents.regions import region_lost, region_replaced
from orchestrator.domain.incidents.signals import Signal


def report_region_lost(failover: Failover, cloud: Cloud) -> None:
    """Open the incident, and page. A repetition changes nothing."""
    reason = f"failover {failover.id} to {failover.region}, requested by {failover.requested_by}: {failover.reason}"
    _report(region_lost(failover.home, failover.requested_at, reason), cloud)


def report_region_replaced(failover: Failover, cloud: Cloud) -> None:
    """End the loss. A person resolves the incident if they command it, otherwise it is resolved."""
    _report(region_replaced(failover.home, cloud.now(), f"the service runs in {failover.region}"), cloud)


def _report(signal: Signal, cloud: Cloud) -> None:
    try:
        logger.info(apply_signal(signal, cloud))
    except (OrchestratorError, ClientError) as error:
        logger.warning(
            "the incident of a failover was not reported", extra={"signal": signal.title, "error": str(error)}
        )
