"""The context of a command: its clients, as threads create them, and the tables that the live versions use."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.exceptions import ClientError

from orchestrator import environments
from orchestrator.aws.clients import CONFIG
from orchestrator.cli import context as cli_context
from orchestrator.cli.context import Context
from orchestrator.domain.recovery.record import Role
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.errors import client_error
from tests.fakes.lambda_control_plane import LambdaControlPlane


def test_threads_create_clients_one_after_the_other_because_a_session_is_not_made_for_them(monkeypatch):
    inside, most = [], []

    def create_client(service, **_):
        inside.append(service)
        most.append(len(inside))
        time.sleep(0.005)
        inside.remove(service)
        return service

    monkeypatch.setattr(botocore.session, "get_session", lambda: SimpleNamespace(create_client=create_client))
    clients = cli_context._clients("us-west-1", {}, CONFIG)
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(clients, [f"service-{number}" for number in range(8)]))
    assert len(set(made)) == 8
    assert set(most) == {1}


RESTORED = {"STATE_TABLE": "ib-oauth-restored-1-state-local", "TOKENS_TABLE": "ib-oauth-restored-1-tokens-local"}


@pytest.fixture
def functions():
    return LambdaControlPlane()


@pytest.fixture
def context(functions):
    context = Context(environments.load("local"), {"lambda": functions}.__getitem__)
    clock = SimulatedClock()
    vars(context)["cloud"] = cloud_over({"lambda": functions, "dynamodb": FakeDynamoDB()}, clock.now, SETTINGS)
    return context


def test_the_live_tables_are_those_of_the_live_versions(context, functions):
    for function in context.environment.service.functions:
        functions.add(context.function_name(function), Environment={"Variables": RESTORED})
        functions.change(context.function_name(function), "code-2", Environment={"Variables": {}})
    assert context.live_tables == {Role.STATE: RESTORED["STATE_TABLE"], Role.TOKENS: RESTORED["TOKENS_TABLE"]}


def test_before_the_first_release_the_live_tables_are_those_of_the_settings(context):
    service = context.environment.service
    assert context.live_tables == {Role.STATE: service.state_table, Role.TOKENS: service.tokens_table}


def test_live_versions_that_cannot_be_read_are_no_reason_to_take_the_tables_of_the_settings(
    context, functions, monkeypatch
):
    def denied(**_):
        raise client_error("AccessDeniedException", "no", status=403)

    monkeypatch.setattr(functions, "get_alias", denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        _ = context.live_tables


@pytest.mark.parametrize("lost_region", [None, "us-west-1"])
def test_the_buckets_are_those_of_the_stacks_also_after_a_failover(lost_region):
    """The stacks name them so (tests/infrastructure/test_lost_region.py)."""
    prod = environments.load("prod")
    region = prod.region if lost_region is None else "us-east-2"
    backups = dataclasses.replace(prod.backups, copy_region="eu-west-1")
    moved = dataclasses.replace(prod, region=region, lost_region=lost_region, backups=backups)
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"})
    context = Context(moved, {"sts": sts}.__getitem__)
    end = "prod-123456789012" if lost_region is None else "prod-123456789012-us-east-2"
    settings = context.cloud.settings
    assert settings["EVIDENCE_BUCKET"] == f"ib-oauth-evidence-{end}"
    assert settings["EVIDENCE_HEADS_BUCKET"] == f"ib-oauth-evidence-heads-{end}"
    assert context.signing_bucket == f"ib-oauth-signing-{end}"
