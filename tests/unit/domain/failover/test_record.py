"""The record of a failover: the choice of the copies."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.record import Role
from tests.samples import NOW
from tests.unit.domain.failover.world import failover


def newest(**hours):
    """The copies of a later plan, so many hours newer than the approved ones."""
    return tuple(
        replace(
            table,
            backup_arn=f"arn:{table.role}:later",
            as_of=table.as_of + timedelta(hours=hours[table.role]),
            target="another",
        )
        for table in failover().tables
    )


def test_newer_copies_are_chosen_under_the_approved_names_and_what_was_approved_stays_recorded():
    chosen = failover().with_choice(newest(state=2, tokens=0), NOW)
    assert [(table.backup_arn, table.target) for table in chosen.tables] == [
        (f"arn:{role}:later", f"ib-oauth-restored-fo-1-{role}-prod") for role in Role
    ]
    assert (chosen.approved_tables, chosen.chosen_at) == (failover().tables, NOW)


def test_the_first_choice_stays():
    chosen = failover().with_choice(newest(state=2, tokens=2), NOW)
    assert chosen.with_choice(newest(state=9, tokens=9), NOW + timedelta(hours=1)) == chosen


def test_a_copy_older_than_the_approved_one_is_refused_by_its_table_and_both_times():
    with pytest.raises(
        Refused, match=r"copies\.tokens.*2026-11-23 00:00:00 UTC, older than the approved one of 2026-11-23"
    ):
        failover().with_choice(newest(state=5, tokens=-1), NOW)
