"""The evaluation of whether a failover could run now."""

import json
from types import SimpleNamespace

import pytest

from orchestrator.application.failover.evaluation import evaluate_failover
from orchestrator.aws.dynamodb.backups import backup_name_as_of
from orchestrator.domain.errors import Refused
from orchestrator.domain.failover.steps import Step
from orchestrator.event_handlers.standby import evaluate_failover as evaluation_handler
from tests.fakes.errors import client_error
from tests.unit.application.failover.scenes import at_home, evaluable, internal_error, opened, reach_home, serve_at_home


def test_what_is_there_is_ready(world):
    serve_at_home(world, "code-1")
    evaluated = evaluate_failover(world.cloud, evaluable(world))
    assert [(one.step, one.reason) for one in evaluated if not one.ready] == []


def test_two_tables_of_which_one_was_in_use_stop_the_plan_and_are_found_before(world):
    restored = "ib-oauth-restored-dr-1-tokens-test"
    copied = backup_name_as_of(world.clock.now())
    for table in (restored, f"{restored}-copy"):
        world.tables.add(table)
    world.tables.back_up(f"{restored}-copy", copied)
    names = f"copies of {restored} and of ib-oauth-tokens-test"
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, evaluable(world))}
    assert names in evaluated[Step.RESTORE].reason
    with pytest.raises(Refused, match=names):
        opened(world)
    world.cloud.settings["SOURCE_TABLES"] = json.dumps({"state": "ib-oauth-state-test", "tokens": restored})
    tables = [world.tables.backups[table.backup_arn]["TableName"] for table in opened(world).failover.tables]
    assert tables == ["ib-oauth-state-test-copy", f"{restored}-copy"]


def test_what_cannot_be_read_is_not_ready(world):
    home = evaluable(world)

    def lost(service):
        if service == "lambda":
            return SimpleNamespace(get_function_configuration=internal_error)
        return home(service)

    evaluated = {one.step: one for one in evaluate_failover(world.cloud, lost)}
    assert not evaluated[Step.DEPLOY_RELEASE].ready
    assert "could not be checked" in evaluated[Step.DEPLOY_RELEASE].reason
    assert evaluated[Step.RESTORE].ready


def test_a_file_without_a_copy_is_named_and_an_unreadable_bucket_is_no_copy(world):
    home = evaluable(world)
    home("s3").put_object(Bucket="b", Key="evidence/e.json", Body=b"{}", ChecksumAlgorithm="SHA256")
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert "no copy of evidence/e.json" in evaluated[Step.RESTORE].reason

    def lost(service):
        return (
            SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=_denied))
            if service == "s3"
            else home(service)
        )

    evaluated = {one.step: one for one in evaluate_failover(world.cloud, lost)}
    assert "snapshots could not be checked: ClientError" in evaluated[Step.RESTORE].reason
    assert not evaluated[Step.RESTORE].ready


def _denied(**_):
    yield from ()
    raise client_error("AccessDenied", "no", status=403)


def test_a_release_that_only_latest_has_is_what_a_failover_would_publish(world):
    """No deployment moves the alias of a region without a lease: it stays at the first version."""
    home = evaluable(world)
    serve_at_home(world, "code-2")
    for function in world.plane.functions.values():
        function.latest["CodeSha256"] = "code-2"
    reasons = {}
    for served in ("code-1", "code-2"):
        clients = {"lambda": at_home(served), "dynamodb": home("dynamodb"), "s3": home("s3")}
        evaluated = {one.step: one for one in evaluate_failover(world.cloud, clients.__getitem__)}
        reasons[served] = (evaluated[Step.DEPLOY_RELEASE].ready, evaluated[Step.DEPLOY_RELEASE].reason)
    ready, rolled_back = reasons["code-1"]
    assert not ready
    assert "$LATEST in us-west-1 is code-2" in rolled_back
    assert reasons["code-2"][0]


def test_another_release_a_missing_alias_and_an_unhealthy_service_are_found(world):
    home = evaluable(world)
    world.service.broken = "/health/deep"
    other = SimpleNamespace(get_function_configuration=lambda **_: {"CodeSha256": "another"})
    evaluated = {
        one.step: one
        for one in evaluate_failover(
            world.cloud, {"lambda": other, "dynamodb": home("dynamodb"), "s3": home("s3")}.__getitem__
        )
    }
    assert not evaluated[Step.DEPLOY_RELEASE].ready
    assert evaluated[Step.VERIFY].reason == "the service in us-west-1 answers 500"
    world.plane.functions["ib-oauth-token-test"].aliases.clear()
    evaluated = {one.step: one for one in evaluate_failover(world.cloud, home)}
    assert "no live alias in us-west-1: token" in evaluated[Step.DEPLOY_RELEASE].reason


def test_the_handler_notifies_the_operators_of_each_step_that_is_not_ready(world, monkeypatch):
    home = evaluable(world)
    serve_at_home(world, "code-1")
    reach_home(monkeypatch, home)
    assert evaluation_handler.handler({"id": "e"}, None)["answer"] == "a failover could run now"
    assert world.topics.published == []
    world.tables.backups.clear()
    world.cloud.settings["OPERATORS"] = "0"
    answer = evaluation_handler.handler({"id": "e"}, None)["answer"]
    assert answer.startswith("RESTORE: no copy of the table state")
    ((_, subject, text),) = world.topics.published
    assert subject == "test: a failover could not run now"
    assert "ANNOUNCE: no operator would be notified" in text
    assert [line["FailoverStepsNotReady"] for line in world.measured] == [0, 2]
