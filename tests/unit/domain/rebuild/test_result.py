"""A rebuild is complete if the service is healthy and nothing differs from the snapshot."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.domain.configuration.snapshot import Difference
from orchestrator.domain.rebuild.result import Phase, RebuildResult, describe_differences

pytestmark = pytest.mark.decision
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
RESULT = RebuildResult(
    "rb-1", "ann", AT, AT + timedelta(seconds=90), (Phase("keys", 0.1, "all were usable"),), (), healthy=True
)
CHANGE = Difference("table", "t", "Tags.owner", '"a"', '"b"')


@pytest.mark.parametrize(
    ("result", "complete"),
    [(RESULT, True), (replace(RESULT, healthy=False), False), (replace(RESULT, differences=(CHANGE,)), False)],
)
def test_complete_is_healthy_without_a_difference(result, complete):
    assert result.complete is complete
    assert result.took == timedelta(seconds=90)


def test_differences_are_counted_and_the_first_is_named():
    assert describe_differences(()) == "no difference from the configuration snapshot"
    assert "1 differences" in describe_differences((CHANGE,))
    assert "table t, Tags.owner" in describe_differences((CHANGE,))
    assert describe_differences((replace(CHANGE, path=""),)).endswith("table t")
