"""A drill, state by state, over tables that are restored as AWS restores them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestrator.domain.recovery import RecoveryEnding
from orchestrator.domain.restored import DRILL_TAG, ENVIRONMENT_TAG, LEASE_TAG
from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.stock_tables import StockTables
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def test_a_drill_of_healthy_tables_is_green_and_leaves_nothing(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        ended = world.drill("dr-green")
        recovery = world.recovery("dr-green")
    assert ended.phase == "SUCCEEDED", recovery.reason
    assert recovery.ending is RecoveryEnding.GREEN
    assert world.copies() == set()
    assert recovery.cleaned_at is not None
    assert not world.cloud.drills.claim().held


def test_the_phases_add_up_to_the_wall_time(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-phases")
    recovery = world.recovery("dr-phases")
    assert sum((phase.took for phase in recovery.phases), timedelta(0)) == recovery.ended_at - recovery.requested_at
    assert [phase.name for phase in recovery.phases] == [
        "PlanRecovery", "ClaimRecovery", "RecordConfiguration", "StartRestore", "AwaitRestore", "ReapplySettings",
        "CompareSettings", "CompareContent", "Measure",
        "CleanUp", "Conclude",
    ]  # fmt: skip


def test_both_tables_are_restored_to_one_point_and_each_once(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-once")
    recovery = world.recovery("dr-once")
    assert [(source, point) for source, _, point in world.tables.restored] == [
        (STATE, recovery.point),
        (TOKENS, recovery.point),
    ]


def test_a_copy_is_tagged_with_drill_environment_and_lease_while_it_is_still_being_made(interpreter):
    seen = []

    def watch(invocation, run):
        answer = run()
        if invocation.state == "AwaitRestore" and not seen:
            seen.extend(dict(world.tables.tables[name].tags) for name in world.copies())
        return answer

    with drilled(DrillWorld(interpreter, watch)) as world:
        world.drill("dr-tags")
    lease = world.recovery("dr-tags").lease_until.isoformat()
    assert seen == [{DRILL_TAG: "dr-tags", ENVIRONMENT_TAG: "test", LEASE_TAG: lease}] * 2


def test_more_copies_than_the_account_takes_at_once_are_made_one_after_the_other(interpreter):
    def narrow(clock):
        return RestorableTables(clock.now, at_once=1)

    with drilled(DrillWorld(interpreter, tables=narrow)) as world:
        ended = world.drill("dr-narrow")
    assert ended.phase == "SUCCEEDED"
    assert len(world.tables.restored) == 2


def test_a_setting_that_is_not_as_in_the_source_turns_the_drill_red_and_names_it(interpreter):
    def meddle(invocation, run):
        answer = run()
        if invocation.state == "ReapplySettings" and answer["Payload"]["decision"]["action"] == "PROCEED":
            for name in world.copies():
                if "-tokens-" in name:
                    world.tables.tables[name].time_to_live = {"TimeToLiveStatus": "DISABLED"}
        return answer

    with drilled(DrillWorld(interpreter, meddle)) as world:
        ended = world.drill("dr-ttl")
    recovery = world.recovery("dr-ttl")
    assert (ended.phase, recovery.ending) == ("FAILED", RecoveryEnding.RED)
    assert recovery.reason.startswith("settings.tokens.time_to_live: time to live of the copy: none")
    assert world.copies() == set()


def test_a_state_that_breaks_makes_a_red_drill_that_still_cleans_up_and_tells(interpreter):
    def break_it(invocation, run):
        if invocation.state == "CompareSettings":
            return {"FunctionError": "Unhandled", "Payload": {"errorType": "RuntimeError", "errorMessage": "it broke"}}
        return run()

    with drilled(DrillWorld(interpreter, break_it)) as world:
        ended = world.drill("dr-broken")
    recovery = world.recovery("dr-broken")
    assert (ended.phase, recovery.ending) == ("FAILED", RecoveryEnding.RED)
    assert recovery.reason == "machine.1: RuntimeError: it broke"
    assert world.copies() == set()
    ((_, subject, text),) = world.topics.published
    assert subject == "test: drill red"
    assert "it broke" in text


@pytest.mark.parametrize(
    ("given", "policy", "why"),
    [
        ({}, {"max_cost_usd": 0}, "recovery.max_cost_usd allows 0 US dollars"),
        ({"to": "2020-01-01T00:00:00Z"}, {}, "give a time from 2026-"),
        ({"to": "yesterday"}, {}, "give a time with its zone"),
        ({"sabotage": "fire"}, {}, "give one of missing-row"),
        ({"sabotage": "ttl-off"}, {"sabotage": False}, "not in test: its settings do not say recovery.sabotage = true"),
    ],
)
def test_what_is_refused_is_refused_before_anything_is_made(interpreter, given, policy, why):
    name = f"dr-refused-{sum(why.encode())}"
    with drilled(DrillWorld(interpreter, **policy)) as world:
        ended = world.drill(name, **given)
    assert ended.phase == "FAILED"
    assert world.tables.restored == []
    assert why in world.cloud.drills.refusal(name).why
    ((_, subject, _),) = world.topics.published
    assert subject == "test: drill refused"


def with_an_index(clock):
    """Tables that have one; the service's have none."""
    tables = RestorableTables(clock.now)
    index = {
        "IndexName": "by-subject",
        "KeySchema": [{"AttributeName": "subject", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "subject")]
    tables.add(TOKENS, GlobalSecondaryIndexes=[index], AttributeDefinitions=attributes)
    return tables


@pytest.mark.parametrize(
    ("kind", "check", "why"),
    [
        ("ttl-off", "settings.state.time_to_live", "time to live of the copy: none"),
        ("time-off-by-a-minute", "restore.state", "it was restored to"),
        ("index-gone", "settings.tokens.indexes", "indexes of the copy lacks by-subject"),
        ("missing-row", "content.tokens", "1 missing, 0 extra, 0 changed"),
        ("changed-byte", "content.tokens", "0 missing, 0 extra, 1 changed"),
        ("cleanup-blocked", "cleanup", "AWS refuses to remove ib-oauth-drill-dr-cleanup-blocked-state-test"),
    ],
)
def test_a_saboteur_turns_the_drill_red_by_the_finding_that_names_it(interpreter, kind, check, why):
    name = f"dr-{kind}"
    with drilled(DrillWorld(interpreter, tables=with_an_index)) as world:
        ended = world.drill(name, sabotage=kind)
        recovery = world.recovery(name)
        bad = {one.check: one.verdict for one in recovery.findings if one.verdict.outcome is not Outcome.PASS}
        assert (ended.phase, recovery.ending) == ("FAILED", RecoveryEnding.RED)
        assert recovery.reason.startswith(f"{check}: ")
        assert why in bad[check].reason
        for _ in range(3):
            world.clock.advance(300)
            world.deliver_end(name, "FAILED")
    assert world.copies() == set(), "the sweeper removes what a blocked cleaner could not"
    assert world.recovery(name).ending is RecoveryEnding.RED


def test_an_index_cannot_go_where_there_is_none(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-no-index", sabotage="index-gone")
    assert "no table of this service has an index; choose another kind" in world.recovery("dr-no-index").reason
    assert world.copies() == set()


def test_on_stock_ministack_which_ignores_the_point_the_drill_is_red(interpreter):
    def stock(clock):
        tables = StockTables(clock.now)
        for name in (STATE, TOKENS):
            tables.add(name)
        return tables

    with drilled(DrillWorld(interpreter, tables=stock)) as world:
        ended = world.drill("dr-stock")
    recovery = world.recovery("dr-stock")
    found = {one.check: one.verdict for one in recovery.findings}
    assert (ended.phase, recovery.ending) == ("FAILED", RecoveryEnding.RED)
    assert found["restore.state"].reason == ("the table does not say that it was restored, nor from what, nor to when")
    assert world.copies() == set()
