"""Keeping a report: the function signs its entry, once, and records no recovery for an operator."""

from __future__ import annotations

import json

import pytest

from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.signatures import is_signed
from orchestrator.event_handlers.record_report import handler
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.oauth_service import Keys
from tests.fakes.s3 import FakeS3


@pytest.fixture
def cloud(monkeypatch):
    clients = {"dynamodb": FakeDynamoDB(), "s3": FakeS3(), "lambda": LambdaControlPlane(), "kms": Keys()}
    cloud, second_place = cloud_over(clients, SimulatedClock().now), FakeS3()
    object.__setattr__(cloud, "client_in", lambda service, region: {("s3", "us-east-2"): second_place}[service, region])
    monkeypatch.setattr("orchestrator.event_handlers.runtime._cloud", cloud)
    return cloud


def report(kind: str = "upkeep", environment: str = "test") -> str:
    return json.dumps(
        {"kind": kind, "environment": environment, "at": "2026-11-30T06:00:00+00:00", "outcome": "SUCCEEDED"}
    )


def test_a_report_is_kept_once_with_a_signed_entry_and_a_head_in_the_second_place(cloud):
    first = handler({"document": report(), "page": "<p>"}, None)["answer"]
    again = handler({"document": report(), "page": "<p>"}, None)["answer"]

    (entry,) = cloud.evidence.read_entries()
    assert first == again == f"{entry.recovery} is entry 1"
    assert is_signed(entry, cloud.evidence.published_keys())
    assert cloud.evidence.verify_chain() == ()
    assert len(set(cloud.evidence.heads.read_versions())) == 2, "a head has a signature of its own each time"


@pytest.mark.parametrize(("kind", "environment"), [("drill", "test"), ("restore", "test"), ("upkeep", "prod")])
def test_what_an_operator_may_not_record_is_refused(cloud, kind, environment):
    with pytest.raises(Refused):
        handler({"document": report(kind, environment), "page": "<p>"}, None)

    assert cloud.evidence.read_entries() == []
    assert cloud.clients("s3").objects == {}


def test_a_signature_that_does_not_verify_records_nothing(cloud):
    class Broken(Keys):
        def sign(self, *, Message: bytes, **params):  # noqa: N803 - botocore's
            return super().sign(Message=Message + b"x", **params)

    vars(cloud)["evidence_keys"] = EvidenceKeys(Broken(), ["key"], "test")

    with pytest.raises(Refused, match="does not verify with its public key"):
        handler({"document": report(), "page": "<p>"}, None)

    assert cloud.evidence.read_entries() == []
