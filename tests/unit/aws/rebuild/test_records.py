"""A rebuild is under way until its result is recorded, or until it is abandoned."""

from __future__ import annotations

from datetime import timedelta

from orchestrator.aws.ledger.artifacts import ArtifactStore
from orchestrator.aws.rebuild.records import RebuildRecords
from orchestrator.domain.rebuild.plan import RebuildPlan
from orchestrator.domain.rebuild.result import RebuildResult
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.s3 import FakeS3
from tests.samples import NOW


def plan(name: str) -> RebuildPlan:
    return RebuildPlan(name, "prod", "c-1", "key", "0" * 64, "0" * 64, (), (), (), ())


def records() -> RebuildRecords:
    return RebuildRecords(ArtifactStore({"s3": FakeS3(), "dynamodb": FakeDynamoDB()}.__getitem__, "ledger", "bucket"))


def test_a_rebuild_with_a_result_has_ended():
    found = records()
    assert found.unfinished() is None
    found.begin(plan("rb-1"))
    assert found.unfinished() == plan("rb-1")
    found.end(RebuildResult("rb-1", "ann", NOW, NOW + timedelta(hours=1), (), (), healthy=True))
    assert found.unfinished() is None


def test_an_abandoned_rebuild_is_not_continued_and_the_next_one_is_planned_anew():
    found = records()
    found.begin(plan("rb-1"))
    found.abandon("rb-1", "ann", NOW)
    assert found.unfinished() is None
    found.begin(plan("rb-2"))
    assert found.unfinished() == plan("rb-2")
