"""The trace of one execution: its history, and links to what it is about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from orchestrator.application.cloud import Cloud
from orchestrator.aws.step_functions import Execution, execution_arn
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import PREFIX
from orchestrator.domain.telemetry.otlp import encode_trace
from orchestrator.domain.telemetry.spans import Link, TracedExecution, execution_spans, link_of, release_link

PACKAGE = "ib-oauth-orchestrator"
_DEPLOYMENT, _ROLLBACK = f"{PREFIX}deployment-", f"{PREFIX}rollback-"


def read_trace(cloud: Cloud, arn: str) -> dict[str, Any]:
    """Return the trace of an execution as the body of an export request.

    Args:
        cloud: the environment.
        arn: of the execution.

    Raises:
        Refused: Step Functions does not have the execution; it keeps one for 90 days after its end.
    """
    described = cloud.executions.describe_execution(arn)
    if described.started_at is None:
        raise Refused("execution", arn, "name one that ended less than 90 days ago")
    execution = TracedExecution(
        arn, described.phase, described.started_at, described.ended_at, _links(cloud, described)
    )
    spans = execution_spans(execution, cloud.executions.read_history(arn))
    return encode_trace(execution, spans, cloud.environment, cloud.settings["AWS_REGION"], _version())


def _links(cloud: Cloud, execution: Execution) -> tuple[Link, ...]:
    """Return the links to the release, and from a rollback to the deployment that it rolls back."""
    machine, name = execution.arn.split(":")[6:8]
    deployment = _deployment_of(machine, name, execution.input_json)
    record = cloud.ledger.find_record(deployment) if deployment else None
    if record is None:
        return ()
    links = [release_link(record.release.digest)] if record.release.digest else []
    if deployment != name:
        machine_arn = execution.arn.replace(":execution:", ":stateMachine:").rsplit(":", 1)[0]
        deployments = execution_arn(machine_arn.replace(_ROLLBACK, _DEPLOYMENT), deployment)
        links.append(link_of(deployments, "rolls back"))
    return tuple(links)


def _deployment_of(machine: str, name: str, input_json: str) -> str:
    """Return the deployment that an execution is about; empty for a drill or a restore."""
    if machine.startswith(_DEPLOYMENT):
        return name
    if not machine.startswith(_ROLLBACK):
        return ""
    found: Mapping[str, Any] = json.loads(input_json or "{}")
    return str(found.get("deployment", ""))


def _version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # the functions' package has no metadata
        return ""
