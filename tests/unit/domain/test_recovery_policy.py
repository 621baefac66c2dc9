from datetime import timedelta

import pytest

import environments
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery_policy import RecoveryPolicy, seconds_before_poll
from tests.samples import recovery_table


def test_a_table_is_read_with_its_units():
    found = RecoveryPolicy.parse(recovery_table(lease_hours=0.5))
    assert (found.lease, found.poll, found.drill_window) == (
        timedelta(minutes=30),
        timedelta(seconds=30),
        timedelta(hours=1),
    )
    assert (found.objectives.recovery_time, found.objectives.data_loss) == (timedelta(hours=2), timedelta(minutes=10))


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("drill_schedule", "daily", "give a schedule such as cron"),
        ("drill_schedule", 5, "give a schedule such as cron"),
        ("drill_window_minutes", 1441, "give a number from 0 to 1440"),
        ("rto_minutes", 0, "give a number from 1 to 10080"),
        ("rpo_minutes", "10", "give a number from 1 to 10080"),
        ("max_cost_usd", -1, "give a number from 0 to 10000"),
        ("max_cost_usd", True, "give a number from 0 to 10000"),
        ("max_tables", 0, "give a whole number from 1 to 50"),
        ("restores_at_once", 51, "give a whole number from 1 to 50"),
        ("rotated_tokens", "keep", "give one of revoke, accept"),
        ("source_at_point", "backup", 'give "stream" or "export"'),
        ("poll_seconds", 1.5, "give a whole number from 1 to 300"),
        ("lease_hours", 24, "give a number from 0.1 to 23"),
        ("sabotage", "no", "give true or false"),
        ("colour", "red", "remove it; known keys are drill_schedule"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key_value_and_remedy(key, value, remedy):
    with pytest.raises(Refused) as caught:
        RecoveryPolicy.parse(recovery_table(**{key: value}))
    assert (caught.value.field, caught.value.value) == (f"recovery.{key}", value)
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_has_a_policy_and_only_where_nobody_is_hurt_is_there_sabotage(name):
    assert RecoveryPolicy.parse(environments.load(name).recovery).sabotage is (name in {"dev", "local"})


def test_looks_come_evenly_at_first_and_then_ever_later():
    policy = RecoveryPolicy.parse(recovery_table())
    waits = [seconds_before_poll(policy, attempt) for attempt in range(20)]
    assert waits[:11] == [30] * 11
    assert waits[11] == 45
    assert waits[-1] == 300
