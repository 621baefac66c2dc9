"""A `Cloud` over fakes: everything real from the tasks down to the clients, which are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from orchestrator.application.cloud import LIVE, Cloud
from orchestrator.aws.lambda_.aliases import Aliases
from orchestrator.aws.lambda_.versions import Versions
from orchestrator.aws.step_functions import Executions
from tests.samples import service

ACCOUNT, REGION = "123456789012", "us-west-1"


def machine_arn(name: str) -> str:
    """The ARN of the test environment's state machine."""
    return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ib-oauth-{name}-test"


def execution_arn(machine: str, name: str) -> str:
    """The ARN of an execution of the test environment's state machine."""
    return f"arn:aws:states:{REGION}:{ACCOUNT}:execution:ib-oauth-{machine}-test:{name}"


def topic_arn(audience: str) -> str:
    """The ARN of the test environment's topic for an audience."""
    return f"arn:aws:sns:{REGION}:{ACCOUNT}:ib-oauth-{audience}-test"


SETTINGS: Mapping[str, str] = {
    "ENVIRONMENT": "test",
    "AWS_REGION": REGION,
    "LEDGER_TABLE": "ib-oauth-ledger-test",
    "EVENT_BUS": "ib-oauth-test",
    "EVIDENCE_BUCKET": "ib-oauth-evidence-test-123456789012",
    "EVIDENCE_KEYS": "evidence",
    "EVIDENCE_HEADS_BUCKET": "ib-oauth-evidence-heads-test-123456789012",
    "EVIDENCE_HEADS_REGION": "us-east-2",
    "EXPORTS_BUCKET": "ib-oauth-exports-test-123456789012",
    "OPERATORS_TOPIC": topic_arn("operators"),
    "CLIENTS_TOPIC": topic_arn("clients"),
    "SEED_GRANTS_KEY": "witness",
    "DRILL_ROLE": f"arn:aws:iam::{ACCOUNT}:role/ib-oauth-functions-of-drills-test",
    "DRILL_LOGS": "/aws/lambda/ib-oauth-functions-of-drills-test",
    "DRILL_SIGNING_KEY": "drill",
    "DEPLOYMENT_MACHINE": machine_arn("deployment"),
    "ROLLBACK_MACHINE": machine_arn("rollback"),
    "INCIDENTS": "{}",
    "LOST_REGION": "",
    "SERVICE": msgspec.json.encode(service()).decode(),
}


def cloud_over(
    clients: Mapping[str, Any],
    now: Callable[[], datetime],
    settings: Mapping[str, str] = SETTINGS,
    sleep: Callable[[float], None] = time.sleep,
) -> Cloud:
    """Compose a cloud of clients by service; a service that is missing may not be used. Nothing is paced in real time."""
    cloud = Cloud(settings, clients=clients.__getitem__, now=now, sleep=sleep)
    # cached_property keeps its value where an attribute would be.
    vars(cloud)["aliases"] = Aliases(clients["lambda"], LIVE, sleep=lambda _seconds: None)
    vars(cloud)["versions"] = Versions(clients["lambda"], sleep=lambda _seconds: None)
    if "stepfunctions" in clients:
        vars(cloud)["executions"] = Executions(clients["stepfunctions"], sleep=lambda _seconds: None)
    return cloud
