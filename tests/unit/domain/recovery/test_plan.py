from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from orchestrator.domain.cost.prices import Price, Prices
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.plan import Source, plan_recovery, recovery_cost, requested_point, startable_tables
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import Fault, Role
from orchestrator.domain.recovery.request import (
    RecoveryRequest,
    new_recovery_key,
    read_recovery_request,
    read_time,
    recovery_id,
    refuse_restore_options,
    scheduled_key,
    target_name,
)
from tests.samples import NOW, recovery, recovery_table, seconds

POLICY = RecoveryPolicy.parse(recovery_table())
PRICES = Prices(
    "us-west-1",
    date(2026, 9, 29),
    "a test",
    {
        unit: Price(unit, usd)
        for unit, usd in (
            ("dynamodb_restore_gb", 0.2),
            ("dynamodb_storage_gb_month", 0.3),
            ("dynamodb_pitr_gb_month", 0.1),
            ("dynamodb_export_gb", 0.5),
            ("dynamodb_million_read_units", 0.4),
        )
    },
)
GB = 1_000_000_000


@pytest.mark.parametrize("kind", [Kind.DRILL, Kind.RESTORE])
@pytest.mark.parametrize(
    ("changes", "requested", "by_export"),
    [
        ({}, {}, False),
        ({"size_bytes": 10 * GB}, {}, True),
        ({"size_bytes": 100_000_000, "read_units": 50}, {}, True),
        ({"size_bytes": 50_000_000, "read_units": 4000}, {}, False),
        ({"size_bytes": 10 * GB, "gone": True}, {}, False),
        ({"size_bytes": 10 * GB, "backup_arn": "arn:backup"}, {}, False),
        ({"size_bytes": 10 * GB}, {"skip_comparison": True}, False),
    ],
)
def test_a_source_that_cannot_be_read_without_hurting_its_clients_is_exported(kind, changes, requested, by_export):
    policy = RecoveryPolicy.parse(recovery_table(max_cost_usd=100))
    request = RecoveryRequest("ann", **requested)
    plan = plan_recovery(kind, "dr-1", [source(**changes)], request, policy, environment="test", prices=PRICES, now=NOW)
    (table,) = plan.tables
    assert (table.by_export, table.read_units) == (by_export, changes.get("read_units", 12_000))


def source(role=Role.STATE, **changes):
    fields = {
        "role": role,
        "name": f"ib-oauth-{role}-test",
        "arn": f"arn:{role}",
        "size_bytes": 1000,
        "items": 10,
        "earliest": NOW - timedelta(days=35),
        "latest": NOW - timedelta(minutes=5),
    }
    return Source(**(fields | changes))


def drawn(*sources, policy=POLICY, **request):
    recovery_request = RecoveryRequest("ann", **request)
    return plan_recovery(
        Kind.DRILL, "dr-1", sources, recovery_request, policy, environment="test", prices=PRICES, now=NOW
    )


def test_all_tables_get_the_latest_second_that_all_of_them_reach():
    plan = drawn(
        source(latest=NOW - timedelta(seconds=300.4)), source(Role.TOKENS, latest=NOW - timedelta(seconds=400.6))
    )
    assert plan.point == plan.latest == NOW - timedelta(seconds=401)
    assert [table.target for table in plan.tables] == [
        "ib-oauth-drill-dr-1-state-test",
        "ib-oauth-drill-dr-1-tokens-test",
    ]
    assert plan.expires_at == NOW + timedelta(hours=12)


def test_a_time_that_a_person_gives_is_taken_where_all_tables_reach_it():
    requested = NOW - timedelta(days=1, microseconds=-7)
    assert drawn(source(), to=requested).point == NOW - timedelta(days=1)


@pytest.mark.parametrize("to", [NOW - timedelta(days=36), NOW])
def test_a_time_outside_the_window_is_refused_with_the_window(to):
    with pytest.raises(Refused) as caught:
        drawn(source(earliest=NOW - timedelta(days=35, seconds=-0.5)), to=to)
    assert (caught.value.field, caught.value.value) == ("to", to.isoformat())
    first, last = NOW - timedelta(days=35, seconds=-1), NOW - timedelta(minutes=5)
    assert (
        caught.value.remedy == f"give a time from {first.isoformat()} to {last.isoformat()}: the window of all tables"
    )


@pytest.mark.parametrize("window", [{"earliest": None}, {"latest": None}])
def test_a_table_without_recovery_is_refused_by_its_name(window):
    with pytest.raises(Refused, match=r"tables\.ib-oauth-tokens-test: .*is off.*enable it"):
        drawn(source(), source(Role.TOKENS, **window))


def test_windows_that_do_not_meet_are_refused():
    with pytest.raises(Refused, match="their windows do not overlap yet"):
        drawn(source(earliest=NOW - seconds(10), latest=NOW), source(Role.TOKENS, latest=NOW - seconds(20)))


def test_more_tables_than_the_policy_allows_are_refused():
    with pytest.raises(Refused, match=r"recovery\.max_tables allows 1"):
        drawn(source(), source(Role.TOKENS), policy=replace(POLICY, max_tables=1))


def test_what_costs_more_than_it_may_is_refused_before_anything_is_made():
    with pytest.raises(Refused, match=r"cost: 99\.\d+ is refused: recovery\.max_cost_usd allows 5 US dollars"):
        drawn(source(size_bytes=100 * GB))


@pytest.mark.parametrize(
    ("kind", "source_at_point", "by_export"),
    [(Kind.DRILL, "export", True), (Kind.DRILL, "stream", False), (Kind.RESTORE, "export", False)],
)
def test_a_drill_s_sources_are_read_from_exports_where_the_settings_say_so(kind, source_at_point, by_export):
    policy = RecoveryPolicy.parse(recovery_table(source_at_point=source_at_point))
    plan = plan_recovery(
        kind, "dr-1", [source()], RecoveryRequest("ann"), policy, environment="test", prices=PRICES, now=NOW
    )
    assert [table.by_export for table in plan.tables] == [by_export]


def test_the_cost_has_its_parts_and_the_day_of_its_prices():
    cost = recovery_cost([GB, GB], timedelta(days=15), PRICES)
    assert cost.parts == {
        "restore": 0.4,
        "storage": 0.3,
        "recovery of the restored tables": 0.1,
        "exports": 1.0,
        "reads": round(3 * 2 * GB / 4096 / 1e6 * 0.4, 4),
    }
    assert cost.usd == pytest.approx(sum(cost.parts.values()), abs=0.001)
    assert cost.prices_of == "2026-09-29"


def test_two_exports_of_each_table_cost_twice_as_much_and_change_nothing_else():
    one, two = (recovery_cost([GB, GB], timedelta(days=15), PRICES, exports=number) for number in (1, 2))
    assert two.parts == {**one.parts, "exports": 2.0}
    assert two.usd == pytest.approx(one.usd + 1.0, abs=0.001)


def test_the_plan_of_a_backup_has_the_cost_of_two_exports_of_each_table():
    point, backup = drawn(source(size_bytes=GB)), drawn(source(size_bytes=GB, backup_arn="arn:backup"))
    assert backup.cost.parts["exports"] == pytest.approx(2 * point.cost.parts["exports"])


def test_an_id_is_a_key_that_can_stand_in_a_functions_name():
    assert recovery_id("20261124T050000Z") == "dr-20261124T050000Z"
    longest = target_name(Kind.DRILL, recovery_id("x" * 25), "authorize", "staging")
    assert len(longest) <= 64


@pytest.mark.parametrize("key", ["", "a b", "x" * 26, "a:b"])
def test_a_key_that_cannot_is_refused(key):
    with pytest.raises(Refused, match="give 1 to 25 letters, digits or -"):
        recovery_id(key)


def test_the_same_scheduled_time_is_the_same_drill():
    assert scheduled_key(datetime(2026, 11, 24, 5, tzinfo=UTC)) == "20261124T050000Z"
    assert recovery_id(new_recovery_key(NOW, b"salt")).startswith("dr-20261123T030000Z-")


def test_a_restores_tables_are_not_called_drills():
    assert target_name(Kind.RESTORE, "dr-1", "state", "test") == "ib-oauth-restored-dr-1-state-test"


def test_a_request_is_read():
    body = {"requested_by": "ann", "to": "2026-11-23T02:00:00+01:00", "fault": "ttl-off"}
    found = read_recovery_request(body, POLICY, "test")
    assert found == RecoveryRequest("ann", datetime(2026, 11, 23, 1, tzinfo=UTC), Fault.TTL_OFF)
    assert read_recovery_request({"requested_by": "ann"}, POLICY, "test") == RecoveryRequest("ann")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"requested_by": " "}, "requested_by"),
        ({}, "requested_by"),
        ({"requested_by": "ann", "when": 1}, "when"),
        ({"requested_by": "ann", "fault": "fire"}, "fault"),
        ({"requested_by": "ann", "to": "2026-11-23T02:00:00"}, "to"),
        ({"requested_by": "ann", "to": 20261123}, "to"),
        ({"requested_by": "ann", "to": "yesterday"}, "to"),
        ({"requested_by": "ann", "to": "0001-01-01T00:00:00+14:00"}, "to"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_its_field(body, field):
    with pytest.raises(Refused) as caught:
        read_recovery_request(body, POLICY, "test")
    assert caught.value.field == field


def test_faults_are_refused_where_the_settings_do_not_allow_them():
    with pytest.raises(Refused, match=r"not allowed in prod: its settings do not have recovery\.inject_faults = true"):
        read_recovery_request({"requested_by": "ann", "fault": "ttl-off"}, replace(POLICY, inject_faults=False), "prod")


def test_no_time_is_the_latest():
    assert read_time(None) is None


def test_an_injected_fault_requests_another_time():
    found = recovery()
    assert requested_point(found) == found.point
    assert requested_point(replace(found, fault=Fault.TIME_OFF_BY_A_MINUTE)) == found.point - timedelta(minutes=1)


def test_so_many_restores_are_started_as_may_run_at_once():
    found = recovery()
    state, tokens = found.tables
    assert startable_tables(found, 1) == (state,)
    under_way = found.with_tables([replace(state, started_at=NOW)])
    assert startable_tables(under_way, 1) == ()
    assert startable_tables(under_way, 2) == (tokens,)
    assert startable_tables(found.with_tables([replace(state, started_at=NOW, ready_at=NOW)]), 1) == (tokens,)


def test_of_backups_the_earliest_s_time_is_the_point_and_no_window_has_to_meet():
    older, newer = NOW - timedelta(hours=2), NOW - timedelta(hours=1, microseconds=-5)
    made = [
        source(role, earliest=at, latest=at, backup_arn=f"backup/{role}")
        for role, at in ((Role.STATE, older), (Role.TOKENS, newer))
    ]
    plan = drawn(*made, backup="before-d-1")
    assert plan.point == plan.latest == older
    assert [(table.backup_arn, table.backup_at) for table in plan.tables] == [
        ("backup/state", older),
        ("backup/tokens", newer),
    ]


def test_a_table_that_is_gone_is_planned_as_such():
    at = NOW - timedelta(minutes=9)
    plan = drawn(left(at), source(Role.TOKENS))
    assert plan.point == at
    assert [(table.role, table.gone) for table in plan.tables] == [(Role.STATE, True), (Role.TOKENS, False)]


def left(at, role=Role.STATE):
    """A deleted table, as it was at a time."""
    return source(role, earliest=at, latest=at, backup_arn=f"backup/{role}", gone=True)


def test_a_backup_s_time_has_a_fraction_of_a_second_and_is_a_recovery_point_all_the_same():
    at = NOW - timedelta(minutes=9, microseconds=-654_321)
    assert drawn(left(at), source(Role.TOKENS)).point == NOW - timedelta(minutes=9)
    assert drawn(left(at), left(at + timedelta(seconds=5), Role.TOKENS)).point == NOW - timedelta(minutes=9)
    with pytest.raises(Refused, match=r"omit it: a backup has its own time, that of ib-oauth-state-test, 2026-11-23T"):
        drawn(left(at), left(at, Role.TOKENS), to=NOW)


def test_what_does_not_reach_a_backup_s_time_yet_is_restored_to_an_earlier_one():
    at = NOW - seconds(10)
    plan = drawn(left(at), source(Role.TOKENS))
    assert (plan.point, plan.latest, plan.tables[0].backup_at) == (NOW - seconds(300), NOW - seconds(300), at)
    with pytest.raises(Refused, match="which is not later than the backup of a deleted table"):
        drawn(left(at), source(Role.TOKENS), to=at)


def test_what_does_not_reach_back_to_a_backup_s_time_is_refused_with_both():
    at = NOW - timedelta(days=2)
    with pytest.raises(
        Refused, match=r"reaches back to 2026-11-22T.* only, and that of ib-oauth-state-test, 2026-11-21"
    ):
        drawn(left(at), source(Role.TOKENS, earliest=NOW - timedelta(days=1)))


def test_the_window_of_a_table_that_exists_counts_also_where_another_one_is_deleted():
    with pytest.raises(Refused, match=r"tables\.ib-oauth-tokens-test: .*is off.*enable it"):
        drawn(left(NOW - seconds(600)), source(Role.TOKENS, earliest=None))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"backup": 7}, "backup"),
        ({"backup": "before-d-1", "to": "2026-11-23T03:00:00Z"}, "backup"),
        ({"override_freeze": "yes"}, "override_freeze"),
        ({"skip_comparison": 1}, "skip_comparison"),
        ({"failback_of": 1}, "failback_of"),
        ({"failback_of": ""}, "failback_of"),
        ({"backup": " "}, "backup"),
        ({"failback_of": "dr-1", "to": "2026-11-23T03:00:00Z"}, "to"),
        ({"failback_of": "dr-1", "backup": "b"}, "backup"),
        ({"failback_of": "dr-1", "skip_comparison": True}, "skip_comparison"),
    ],
)
def test_a_restore_s_own_wishes_that_make_no_sense_are_refused(body, field):
    with pytest.raises(Refused) as caught:
        read_recovery_request({"requested_by": "ann", **body}, POLICY, "test")
    assert caught.value.field == field


def test_a_restore_s_own_wishes_are_read_and_a_drill_has_none():
    recovery_request = read_recovery_request(
        {"requested_by": "ann", "backup": "b", "override_freeze": True}, POLICY, "test"
    )
    assert (recovery_request.backup, recovery_request.override_freeze) == ("b", True)
    with pytest.raises(Refused, match="orchestrator restore"):
        refuse_restore_options(recovery_request)
    back = read_recovery_request(
        {"requested_by": "ann", "failback_of": "dr-1", "override_freeze": True}, POLICY, "test"
    )
    assert (back.failback_of, back.override_freeze) == ("dr-1", True)
    with pytest.raises(Refused, match="a drill has no failback"):
        refuse_restore_options(back)
    with pytest.raises(Refused, match="a drill always compares"):
        refuse_restore_options(read_recovery_request({"requested_by": "ann", "skip_comparison": True}, POLICY, "test"))
    refuse_restore_options(RecoveryRequest("ann"))
