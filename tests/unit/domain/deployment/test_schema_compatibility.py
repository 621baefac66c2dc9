"""Whether two releases can serve the same logins."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from orchestrator.domain.deployment.schema_compatibility import (
    FIRST_SCHEMA_VERSION,
    SchemaVersions,
    SchemaVersionsUnknown,
    judge_schema_compatibility,
    schema_versions_of,
)
from orchestrator.domain.verdict import Outcome


def layouts(writes, *reads):
    return SchemaVersions(writes, frozenset(reads))


def test_releases_of_the_same_layout_go_together():
    verdict = judge_schema_compatibility(layouts(1, 1), layouts(1, 1))
    assert verdict.outcome is Outcome.PASS
    assert verdict.reason == "stable writes schema version 1 and reads 1; canary writes schema version 1 and reads 1"


@pytest.mark.parametrize(
    ("stable", "canary", "because"),
    [
        (layouts(1, 1), layouts(2, 1, 2), "a rollback would lose those logins"),
        (layouts(1, 1), layouts(1, 2), "the existing logins would be lost"),
        (layouts(1, 1, 2), layouts(2, 1), "canary cannot read its own items"),
    ],
)
def test_a_release_that_would_lose_logins_fails_with_the_numbers(stable, canary, because):
    verdict = judge_schema_compatibility(stable, canary)
    assert verdict.outcome is Outcome.FAIL
    assert because in verdict.reason
    assert stable.description in verdict.reason
    assert canary.description in verdict.reason


def test_the_three_releases_that_change_a_layout_each_go_with_the_one_before():
    chain = [layouts(1, 1), layouts(1, 1, 2), layouts(2, 1, 2), layouts(2, 2)]
    for stable, canary in pairwise(chain):
        assert judge_schema_compatibility(stable, canary).outcome is Outcome.PASS
    for stable, canary in zip(chain, chain[2:], strict=False):
        assert judge_schema_compatibility(stable, canary).outcome is Outcome.FAIL


def test_it_passes_exactly_where_each_reads_what_either_writes():
    numbers = [(1,), (2,), (1, 2)]
    for stable_writes, canary_writes, stable_reads, canary_reads in product((1, 2), (1, 2), numbers, numbers):
        passed = judge_schema_compatibility(
            layouts(stable_writes, *stable_reads), layouts(canary_writes, *canary_reads)
        )
        expected = canary_writes in stable_reads and stable_writes in canary_reads and canary_writes in canary_reads
        assert (passed.outcome is Outcome.PASS) == expected


def test_a_release_from_before_they_were_recorded_has_the_first_layout():
    assert schema_versions_of({"function": "public"}) == FIRST_SCHEMA_VERSION == layouts(1, 1)


def test_what_is_recorded_is_read_and_recorded_alike():
    recorded = {"writes": 2, "reads": [1, 2]}
    assert schema_versions_of({"items": recorded}).to_json() == recorded


@pytest.mark.parametrize(
    "recorded",
    [
        None, [], "1", {}, {"writes": 1}, {"reads": [1]}, {"writes": 1, "reads": []}, {"writes": "1", "reads": [1]},
        {"writes": 0, "reads": [0]}, {"writes": True, "reads": [1]}, {"writes": 1, "reads": [1, 1.5]}, {"writes": 1, "reads": "1"},
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_not_taken_for_something(recorded):
    with pytest.raises(SchemaVersionsUnknown, match=r"^items: .* must be like \{"):
        schema_versions_of({"items": recorded})
