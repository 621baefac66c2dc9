from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.recovery.cleanup import cleanup_reason, concluded_by_cleanup, is_expired_drill, with_cleaned_at
from orchestrator.domain.recovery.record import RecoveryOutcome, concluded
from orchestrator.domain.recovery.restored_table import tags_of
from tests.samples import NOW, recovery, seconds

ENDED = concluded(recovery(), NOW)
CLEAN = replace(ENDED, cleaned_at=NOW)


@pytest.mark.parametrize(
    ("found", "alive", "after", "why"),
    [
        (recovery(), True, 0, ""),
        (recovery(), False, 0, "its execution died"),
        (ENDED, False, 0, "it ended without being cleaned up"),
        (CLEAN, False, 60, "it ended recently"),
        (CLEAN, False, 3600, ""),
        (replace(ENDED, kind=Kind.RESTORE), False, 0, ""),
    ],
)
def test_it_sweeps_after_the_dead_the_unclean_and_once_more_after_the_clean(found, alive, after, why):
    assert cleanup_reason(found, alive=alive, now=NOW + seconds(after)) == why


def test_a_drill_that_died_is_red_and_the_sweep_is_its_last_phase():
    found = concluded_by_cleanup(recovery(), NOW + seconds(90))
    assert (found.outcome, found.ended_at) == (RecoveryOutcome.FAILED, NOW + seconds(90))
    assert found.reason.startswith("machine.dead: its execution ended")
    assert found.phases[-1].name == "CleanedUp"


def test_cleaning_later_changes_nothing_else():
    assert with_cleaned_at(ENDED, NOW) == CLEAN
    assert with_cleaned_at(CLEAN, NOW + seconds(1)) == CLEAN


TAGS = tags_of(replace(recovery(), expires_at=NOW))


@pytest.mark.parametrize(
    ("changes", "after", "over"),
    [
        ({}, 1, True),
        ({}, 0, False),
        ({"ib-oauth:environment": "prod"}, 1, False),
        ({"ib-oauth:drill": ""}, 1, False),
        ({"ib-oauth:lease": "never"}, 1, False),
        ({"ib-oauth:lease": "2020-01-01T00:00:00"}, 1, False),
    ],
)
def test_a_lease_that_is_over_and_ours_is_abandoned(changes, after, over):
    assert is_expired_drill({**TAGS, **changes}, "test", NOW + timedelta(seconds=after)) is over
