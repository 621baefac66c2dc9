from datetime import timedelta

import pytest

from orchestrator import environments
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.policy import RecoveryPolicy, seconds_before_poll
from tests.samples import recovery_table


def test_a_table_is_read_with_its_units():
    found = RecoveryPolicy.parse(recovery_table(expiry_hours=0.5))
    assert (found.expiry, found.poll, found.drill_window) == (
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
        ("drill_schedule", None, "give a schedule such as cron"),
        ("drill_schedule", " ", "give a schedule such as cron"),
        (
            "drill_schedule",
            "cron(0 5 * * * *)",
            "give a schedule such as cron(0 5 * * ? *), or an empty text: exactly one",
        ),
        (
            "drill_schedule",
            "cron(0 25 * * ? *)",
            "give a schedule such as cron(0 5 * * ? *), or an empty text: 25 is none",
        ),
        ("drill_schedule", "cron(0 5 * * ?)", "give a schedule such as cron"),
        ("drill_schedule", "rate(banana)", "give a schedule such as cron"),
        ("drill_schedule", "rate(0 days)", "give a schedule such as cron"),
        ("standing_grants", "hourly", "give a schedule such as cron"),
        ("standing_grants", 1, "give a schedule such as cron"),
        ("drill_point", "oldest", "give one of latest, random"),
        ("drill_point_days", 0, "give a whole number from 1 to 35"),
        ("drill_point_days", 36, "give a whole number from 1 to 35"),
        ("max_monthly_usd", -1, "give a number from 0 to 100000"),
        ("drills", "weekly", "give a table"),
        ("drill_window_minutes", 1441, "give a whole number from 0 to 1440"),
        ("drill_window_minutes", 0.5, "give a whole number from 0 to 1440"),
        ("rto_minutes", 0, "give a number from 1 to 10080"),
        ("rpo_minutes", "10", "give a number from 1 to 10080"),
        ("max_cost_usd", -1, "give a number from 0 to 10000"),
        ("max_cost_usd", float("nan"), "give a number from 0 to 10000"),
        ("max_cost_usd", float("inf"), "give a number from 0 to 10000"),
        ("max_cost_usd", True, "give a number from 0 to 10000"),
        ("max_tables", 0, "give a whole number from 1 to 50"),
        ("restores_at_once", 51, "give a whole number from 1 to 50"),
        ("rotated_tokens", "keep", "give one of revoke, accept"),
        ("source_at_point", "backup", "give one of stream, export"),
        *(
            ("read_share_percent", value, "give a number from 1 to 50")
            for value in (0, 0.9, 51, float("nan"), True, "20")
        ),
        ("block_hold_seconds", 0, "give a whole number from 1 to 40"),
        ("block_hold_seconds", 41, "give a whole number from 1 to 40"),
        ("poll_seconds", 1.5, "give a whole number from 1 to 300"),
        ("expiry_hours", 24, "give a number from 0.1 to 23"),
        ("inject_faults", "no", "give true or false"),
        ("colour", "red", "remove it; known keys are drill_schedule"),
    ],
)
def test_what_makes_no_sense_is_refused_by_key_value_and_remedy(key, value, remedy):
    with pytest.raises(Refused) as caught:
        RecoveryPolicy.parse(recovery_table(**{key: value}))
    assert caught.value.field == f"recovery.{key}"
    assert caught.value.value is value or caught.value.value == value
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize("schedule", ["", "cron(0 5 * * ? *)", "rate(1 day)", "cron(0/30 5 ? * MON-FRI *)"])
def test_a_schedule_is_kept_as_it_is_written(schedule):
    assert RecoveryPolicy.parse(recovery_table(drill_schedule=schedule)).drill_schedule == schedule


def test_the_schedules_of_all_kinds_are_listed():
    weekly = {"schedule": "cron(0 7 ? * SUN *)", "select": "oldest", "success_within_hours": 361}
    policy = RecoveryPolicy.parse(recovery_table(drills={"copy": weekly}))
    assert [(one.kind, one.expression) for one in policy.schedules] == [
        ("pitr", "cron(0 5 * * ? *)"),
        ("copy", "cron(0 7 ? * SUN *)"),
    ]
    unscheduled = RecoveryPolicy.parse(recovery_table(drill_schedule="", drills={"copy": weekly}))
    assert [one.kind for one in unscheduled.schedules] == ["copy"]


def test_drills_of_other_kinds_of_backup_have_schedules_of_their_own():
    weekly = {"schedule": "cron(0 7 ? * SUN *)", "select": "oldest", "success_within_hours": 361}
    (drill,) = RecoveryPolicy.parse(recovery_table(drills={"copy": weekly})).drills.values()
    assert (drill.kind, drill.selection, drill.expression) == ("copy", "oldest", "cron(0 7 ? * SUN *)")


def test_scheduled_drills_restore_the_latest_point_or_a_random_one_within_some_days():
    policy = RecoveryPolicy.parse(recovery_table())
    assert (policy.drill_point, policy.drill_point_window, policy.standing_grants) == (
        "latest",
        timedelta(days=35),
        None,
    )
    assert RecoveryPolicy.parse(recovery_table(standing_grants="")).standing_grants == ""
    table = recovery_table(drill_point="random", drill_point_days=5, standing_grants="rate(1 hour)")
    policy = RecoveryPolicy.parse(table)
    assert (policy.drill_point, policy.drill_point_window) == ("random", timedelta(days=5))


def test_random_points_without_standing_grants_are_refused_because_every_such_drill_would_be():
    with pytest.raises(Refused) as caught:
        RecoveryPolicy.parse(recovery_table(drill_point="random"))
    assert (caught.value.field, caught.value.value) == ("recovery.drill_point", "random")
    assert caught.value.remedy.startswith('set standing_grants, such as "cron(0 * * * ? *)"')


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_has_a_policy_and_faults_are_injected_only_where_no_client_is_hurt(name):
    assert RecoveryPolicy.parse(environments.load(name).recovery).inject_faults is (name in {"dev", "local"})


def test_looks_come_evenly_at_first_and_then_ever_later():
    policy = RecoveryPolicy.parse(recovery_table())
    waits = [seconds_before_poll(policy, attempt) for attempt in range(20)]
    assert waits[:11] == [30] * 11
    assert waits[11] == 45
    assert waits[-1] == 300
