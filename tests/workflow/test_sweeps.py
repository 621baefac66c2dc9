"""Whatever the end of a drill, nothing of it stays: the cleanup job removes what a dead one left, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from orchestrator.domain.recovery.record import RecoveryOutcome
from orchestrator.domain.recovery.request import recovery_id
from orchestrator.domain.recovery.restored_table import DRILL_TAG, ENVIRONMENT_TAG, EXPIRY_TAG
from state_machines import definitions
from tests.fakes.step_functions import ABORTED
from tests.workflow.drills import TOKENS, DrillWorld, drilled, reaching
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns

STATES = [
    name
    for name, state in definitions.load("drill").states.items()
    if state["Type"] == "Task" and name != "InjectFault"
]
PATIENCE_SWEEPS = 12


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def killed_at(state, *, after):
    """A bridge that stops the execution at a state, before or after its task."""
    killed = []

    def bridge(invocation, run):
        if invocation.state != state or killed:
            return run()
        killed.append(state)
        name = invocation.execution.rpartition(":")[2]
        if not after:
            bridge.world.stop(name)
            return {"Payload": {}}
        answer = run()
        bridge.world.stop(name)
        return answer

    return bridge


def sweep_until_nothing_is_left(world):
    for _ in range(PATIENCE_SWEEPS):
        if not world.copies():
            break
        world.clock.advance(300)
        world.sweep()


@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.proof, id="before"), pytest.param(True, id="after")]
)
@pytest.mark.parametrize("state", STATES)
def test_a_drill_that_is_killed_at_any_state_leaves_nothing_and_is_not_green_by_it(interpreter, state, after):
    bridge = killed_at(state, after=after)
    name = f"dr-{state}-{after}"
    with drilled(DrillWorld(interpreter, bridge, **reaching(state))) as world:
        bridge.world = world
        world.drill(name)
        world.deliver_end(name, ABORTED)
        sweep_until_nothing_is_left(world)
        world.sweep()
        recovery = world.cloud.drills.find_record(name)
        link = world.cloud.evidence.find_entry(name)
        assert world.cloud.evidence.verify_chain() == ()
    assert world.copies() == set()
    if recovery is None:
        assert (state, after) in {("SeedGrants", False), ("SeedGrants", True), ("PlanRecovery", False)}
        return
    assert recovery.ended_at is not None
    assert recovery.cleaned_at is not None
    concluded = state in {"RecordEvidence", "Notify", "ReleaseLock"} or (state == "Conclude" and after)
    assert recovery.outcome is (RecoveryOutcome.SUCCEEDED if concluded else RecoveryOutcome.FAILED)
    assert link is not None, "whoever ends a drill writes its evidence"
    assert link.outcome == recovery.outcome
    holder = world.cloud.drills.read_lock().execution
    assert holder in {"", world.execution(name)}
    if not concluded:
        assert not holder


def test_the_next_drill_takes_the_lock_of_one_that_died_after_its_record_was_complete(interpreter):
    bridge = killed_at("ReleaseLock", after=False)
    with drilled(DrillWorld(interpreter, bridge)) as world:
        bridge.world = world
        world.drill("dr-dead")
        assert world.drill("dr-next").phase == "SUCCEEDED"


def test_a_drill_that_lives_is_left_alone(interpreter):
    messages = []

    def sweep_meanwhile(invocation, run):
        if invocation.state == "CompareSettings":
            messages.append(world.sweep())
        return run()

    with drilled(DrillWorld(interpreter, sweep_meanwhile)) as world:
        assert world.drill("dr-alive").phase == "SUCCEEDED"
    assert messages == ["nothing is left behind"]


def test_a_task_that_outlives_its_execution_asks_for_no_copy_after_the_sweep(interpreter):
    late = []

    def outlive(invocation, run):
        if invocation.state == "StartRestore" and not late:
            late.append(run)
            world.stop("dr-late")
            return {"Payload": {}}
        return run()

    with drilled(DrillWorld(interpreter, outlive)) as world:
        world.drill("dr-late")
        world.deliver_end("dr-late", ABORTED)
        assert late[0]()["Payload"]["errorType"] == "LockLost"
    assert world.tables.restored == []


def function_of(world, name, *, drill):
    """Have a function of a drill's name, tagged as a drill's."""
    live = world.functions.functions["ib-oauth-token-test"]
    world.functions.functions[name] = {**live, "FunctionName": name, "Tags": {DRILL_TAG: drill}}


def test_what_served_the_copies_is_removed_with_them(interpreter):
    bridge = killed_at("CompareSettings", after=False)
    thing = "ib-oauth-drill-dr-served-token-test"
    with drilled(DrillWorld(interpreter, bridge)) as world:
        bridge.world = world
        function_of(world, thing, drill="dr-served")
        world.drill("dr-served")
        world.deliver_end("dr-served", ABORTED)
    assert thing not in world.functions.functions


def strangers_table(world, name, **described):
    table = world.tables.add(name, CreationDateTime=world.clock.now(), **described)
    return name, (dict(table.description), dict(table.tags), table.recovery_days, dict(table.time_to_live))


def of_no_drill(world, name):
    return strangers_table(world, name)


def of_another_source(world, name):
    summary = {
        "SourceTableArn": "arn:aws:dynamodb:us-west-1:123456789012:table/shop",
        "RestoreDateTime": world.begun_at,
    }
    return strangers_table(world, name, RestoreSummary=summary)


def of_an_earlier_restore(world, name):
    source = world.tables.tables[TOKENS].description["TableArn"]
    made = strangers_table(world, name, RestoreSummary={"SourceTableArn": source, "RestoreDateTime": world.begun_at})
    world.clock.advance(3600)
    return made


@pytest.mark.parametrize("stranger", [of_no_drill, of_another_source, of_an_earlier_restore])
def test_another_owner_s_table_of_the_same_name_is_neither_changed_nor_removed(interpreter, stranger):
    drill = f"dr-{stranger.__name__.replace('_', '-')}"
    with drilled(DrillWorld(interpreter)) as world:
        name, before = stranger(world, f"ib-oauth-drill-{drill}-tokens-test")
        assert world.drill(drill).phase == "FAILED"
        sweep_until_nothing_is_left(world)
        world.sweep()
    recovery = world.recovery(drill)
    assert name in recovery.reason
    assert "it is left as it is, because" in recovery.reason
    table = world.tables.tables[name]
    assert (dict(table.description), dict(table.tags), table.recovery_days, dict(table.time_to_live)) == before
    assert world.copies() == {name}, "the other table is the drill's, and is removed"
    assert recovery.cleaned_at is not None


def test_another_owner_s_function_of_the_same_name_is_neither_called_nor_removed(interpreter):
    thing = "ib-oauth-drill-dr-function-token-test"
    with drilled(DrillWorld(interpreter)) as world:
        function_of(world, thing, drill="dr-another")
        before = dict(world.functions.functions[thing])
        assert world.drill("dr-function").phase == "FAILED"
        sweep_until_nothing_is_left(world)
    assert "has no tag ib-oauth:drill=dr-function" in world.recovery("dr-function").reason
    assert world.functions.functions[thing] == {**before, "Pending": 0}
    assert world.copies() == set()


def tagged(world, name, *, environment="test", lease=None, drill="dr-forgotten"):
    table = world.tables.add(name)
    over = (world.clock.now() - timedelta(minutes=1)).isoformat()
    table.tags = {DRILL_TAG: drill, ENVIRONMENT_TAG: environment, EXPIRY_TAG: over if lease is None else lease}


def test_what_is_tagged_and_unknown_to_the_ledger_goes_when_its_lease_is_over(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        tagged(world, "ib-oauth-drill-dr-forgotten-state-test")
        assert world.sweep() == "ib-oauth-drill-dr-forgotten-state-test: abandoned, under_way"
        world.clock.advance(300)
        assert world.sweep() == "ib-oauth-drill-dr-forgotten-state-test: abandoned, gone"


def test_what_is_not_known_to_be_an_abandoned_drills_is_never_touched(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.tables.add("ib-oauth-drill-dr-untagged-state-test")
        tagged(world, "ib-oauth-drill-dr-lives-state-test", lease=(world.clock.now() + timedelta(hours=1)).isoformat())
        tagged(world, "ib-oauth-drill-dr-no-lease-state-test", lease="soon")
        tagged(world, "ib-oauth-drill-dr-elsewhere-state-prod", environment="prod")
        tagged(world, "another-owner-s-table")
        before = set(world.tables.tables)
        assert world.sweep() == "nothing is left behind"
    assert set(world.tables.tables) == before


def test_the_operators_are_notified_of_a_drill_that_died(interpreter):
    bridge = killed_at("CompareSettings", after=False)
    with drilled(DrillWorld(interpreter, bridge)) as world:
        bridge.world = world
        world.drill("dr-told")
        world.deliver_end("dr-told", ABORTED)
        # A copy that was busy is removed by the sweep after.
        world.clock.advance(60)
        world.sweep()
    ((_, subject, text),) = world.topics.published
    assert subject == "test: drill failed"
    assert "its execution ended before the drill" in text


def test_a_scheduled_time_starts_one_drill_however_often_it_is_delivered(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        event = {"scheduled": "2026-11-24T05:00:00Z"}
        assert world.deliver_event("start_drill", event) == "started dr-20261124T050000Z"
        world.states.end(world.execution("dr-20261124T050000Z"), "SUCCEEDED")
        assert world.deliver_event("start_drill", event) == "dr-20261124T050000Z was started before"
    assert world.states.pending == [world.execution("dr-20261124T050000Z")]


@pytest.mark.parametrize("kind", ["backup", "vault", "copy"])
def test_the_schedule_of_a_kind_of_backup_starts_a_drill_of_that_kind_at_the_same_time_as_any_other(interpreter, kind):
    with drilled(DrillWorld(interpreter)) as world:
        time = {"scheduled": "2026-11-24T05:00:00Z"}
        assert world.deliver_event("start_drill", time) == "started dr-20261124T050000Z"
        name = f"dr-20261124T050000Z-{kind}"
        assert recovery_id(name.removeprefix("dr-")) == name, "the name is one that names of resources may contain"
        event = time | {"from": kind, "select": "random", "within_days": 30}
        assert world.deliver_event("start_drill", event) == f"started {name}"
        world.states.end(world.execution(name), "SUCCEEDED")
        assert world.deliver_event("start_drill", event) == f"{name} was started before"
    request = json.loads(world.states.executions[world.execution(name)].execution_input)
    assert request == {"requested_by": "schedule", "from": kind, "select": "random", "within_days": 30}
