"""The command `rebuild`: a rebuild under way is continued, or abandoned in one step."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.rebuild.records import RebuildRecords
from orchestrator.cli.actions.rebuild import run as action
from orchestrator.domain.configuration.snapshot import ConfigurationSnapshot
from orchestrator.domain.errors import Refused
from orchestrator.domain.rebuild.plan import PlannedStack, RebuildPlan
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.s3 import FakeS3
from tests.samples import NOW

PLAN = RebuildPlan("rb-1", "prod", "c-1", "key", "0" * 64, "0" * 64, (), (), (PlannedStack("gone", ()),), ())


@pytest.fixture
def context():
    """An environment whose rebuild rb-1 is under way."""
    artifacts = ArtifactStore({"s3": FakeS3(), "dynamodb": FakeDynamoDB()}.__getitem__, "ledger", "bucket")
    RebuildRecords(artifacts).begin(PLAN)
    artifacts.put_configuration(ConfigurationSnapshot("prod", "1", "r", NOW, "test", ()))
    environment = SimpleNamespace(region="us-west-1", local=False)
    cloud = SimpleNamespace(artifacts=artifacts, now=lambda: NOW)
    return SimpleNamespace(name="prod", account="1", environment=environment, cloud=cloud, clients=lambda _: None)


def abandon(context, *, agrees=True):
    return action.abandon(context, "ann", lambda _question: agrees, json=True)


def test_an_abandoned_rebuild_is_not_continued(context, capsys):
    assert abandon(context) == 0
    assert json.loads(capsys.readouterr().out) == {"abandoned": "rb-1"}
    assert RebuildRecords(context.cloud.artifacts).unfinished() is None
    with pytest.raises(Refused, match="none is under way"):
        abandon(context)


def test_without_agreement_it_goes_on(context):
    with pytest.raises(Refused, match="nothing was changed"):
        abandon(context, agrees=False)
    assert RebuildRecords(context.cloud.artifacts).unfinished() == PLAN


def test_another_assembly_is_refused_with_the_way_out_also_if_a_stack_of_the_plan_is_not_in_it(
    context, monkeypatch, tmp_path
):
    other = SimpleNamespace(stacks=lambda _region: (), template=lambda _stack: pytest.fail("there is no such stack"))
    monkeypatch.setattr(action, "find_assembly", lambda *_: (tmp_path, other))
    monkeypatch.setattr(action, "_stacks", lambda *_: ())
    with pytest.raises(Refused, match="orchestrator rebuild --abandon"):
        action.rebuild(context, None, "", (), "ann", lambda _: True, plan_only=False, json=True)
