"""The archive: what is put is found again, and what was changed since is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.aws.ledger.artifacts import NEWEST, ArtifactStore
from orchestrator.domain.configuration.normalization import Identities, Part
from orchestrator.domain.configuration.snapshot import snapshot_of
from orchestrator.domain.errors import Refused
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.s3 import FakeS3

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)


@pytest.fixture
def s3():
    return FakeS3()


@pytest.fixture
def archive(s3):
    clients = {"s3": s3, "dynamodb": FakeDynamoDB()}
    return ArtifactStore(clients.__getitem__, "ib-oauth-ledger-test", "ib-oauth-evidence-test-1")


def bundle(day: int, timeout: int = 3):
    part = Part("function", "f", {"Timeout": timeout})
    return snapshot_of("test", Identities("1", "us-west-1"), NOW + timedelta(days=day), "schedule", [part])


def test_a_bundle_that_was_kept_is_read_back(archive):
    taken = archive.put_configuration(bundle(0))

    assert archive.find_snapshot(taken.id) == taken
    assert archive.read_snapshot(taken) == bundle(0)


def test_bundles_are_listed_newest_first(archive):
    taken = [archive.put_configuration(bundle(day)) for day in range(3)]

    assert archive.list_snapshots(2) == [taken[2], taken[1]]
    assert archive.find_snapshot(NEWEST) == taken[2]


def test_the_same_configuration_has_the_same_digest_in_every_bundle(archive):
    one, two, other = (archive.put_configuration(bundle(day, timeout)) for day, timeout in ((0, 3), (1, 3), (2, 4)))

    assert one.digest == two.digest != other.digest
    assert len({one.id, two.id, other.id}) == 3


@pytest.mark.parametrize("name", [NEWEST, "c-of-somebody"])
def test_a_bundle_that_there_is_not_is_refused_with_what_to_do(archive, name):
    with pytest.raises(Refused, match="config backup") as refused:
        archive.find_snapshot(name)

    assert (refused.value.field, refused.value.value) == ("bundle", name)


def test_a_bundle_that_was_changed_in_the_bucket_is_refused(archive, s3):
    taken = archive.put_configuration(bundle(0))
    s3.objects[taken.key] = s3.objects[taken.key].replace(b'"Timeout":3', b'"Timeout":9')

    with pytest.raises(Refused, match="an earlier version"):
        archive.read_snapshot(taken)


def test_a_bundle_that_was_deleted_from_the_bucket_is_refused(archive, s3):
    taken = archive.put_configuration(bundle(0))
    s3.objects.clear()

    with pytest.raises(Refused, match="a deleted version"):
        archive.read_snapshot(taken)
