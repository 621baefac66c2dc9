"""Whatever goes wrong at whichever state: all functions end on one version, the lock is free, and an operator was notified.

Real tasks, real adapters and real handlers over fakes, driven by moto's interpreter of the definitions as they are in their files.
"""

from __future__ import annotations

import pytest

from state_machines import definitions
from tests.samples import service
from tests.workflow.cases import (
    CASES,
    MACHINES,
    STORIES,
    STORY_OF,
    STRATEGY,
    Case,
    create_machines,
    play,
    story_named,
    task_states,
)
from tests.workflow.faults import FAULTS, HARMLESS, LASTING, TASK_TIMEOUT_SECONDS
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import World, function_arns, inhabited

RESTORED_WITHIN_SECONDS = 90.0


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        create_machines(moto, function_arns)
        yield moto


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_environment_is_whole_after(case, interpreter):
    world, fault = play(case, interpreter, f"d-{CASES.index(case)}")

    assert fault.times, "the fault never struck: no story goes through this state"
    ends_at = world.check()
    if case.fault in HARMLESS:
        assert ends_at == case.story.ends_at
    if case.machine == "rollback":
        assert ends_at == "stable"
    found = world.deployment
    # Before the first shift nothing is exposed, and a task is retried for minutes.
    if found and found.first_shift_at and found.rollback and found.rollback.reverted_at:
        since = fault.at_seconds
        lived = world.states.executions[world.execution]
        if lived.phase == "SUCCEEDED":
            # Its first rollback failed before there was a plan. Here the reconciler runs after an execution, not meanwhile.
            since = max(since, (lived.ended_at - world.begun_at).total_seconds())
        took = (found.rollback.reverted_at - world.begun_at).total_seconds() - since
        assert took <= RESTORED_WITHIN_SECONDS


AFTER_THE_UNBLOCKING = ("UnblockSourceTables", "VerifyStable", "RecordIncident", "Notify", "ReleaseLock")


@pytest.mark.parametrize("fault", ["every try fails", "stopped after", "error after"])
@pytest.mark.parametrize("state", AFTER_THE_UNBLOCKING)
def test_a_rollback_of_a_cutover_that_fails_late_blocks_no_table_again_that_it_unblocked(state, fault, interpreter):
    case, story = Case("rollback", state, fault), story_named("cut back")
    world, struck = play(case, interpreter, f"d-late-{state}-{fault.replace(' ', '-')}", story=story)
    assert struck.times
    assert world.check() == "stable"
    for name in service().tables:
        written = [blocked for arn, blocked in world.table_access.written if arn.endswith(f"/{name}")]
        assert True not in written[written.index(False) :], "blocked again"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_without_a_fault_comes_out_as_it_says(story, interpreter):
    def also(invocation, run):
        return story.also(invocation) or run()

    world = World(interpreter, f"d-story-{story.name}", story.scenario, also)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        world.settle()
    assert world.check() == story.ends_at


def test_there_is_a_case_for_every_task_state_and_every_fault():
    states = [
        (machine, name)
        for machine in MACHINES
        for name, state in definitions.load(machine).states.items()
        if state["Type"] == "Task"
    ]
    assert len(CASES) == len(set(CASES)) == len(states) * len(FAULTS)
    assert {(case.machine, case.state) for case in CASES} == set(states) == set(STORY_OF)


def test_every_definition_has_its_cases():
    """A new machine needs stories of its own: it is not to be forgotten here."""
    assert set(MACHINES) == {"deployment", "rollback"} <= set(definitions.names())


def test_every_fault_that_lasts_or_is_harmless_is_a_fault():
    assert FAULTS.keys() >= LASTING | HARMLESS
    assert not LASTING & HARMLESS


@pytest.mark.parametrize("machine", MACHINES)
def test_a_timed_out_task_takes_as_long_as_its_state_says(machine):
    states = definitions.load(machine).states
    limits = {name: states[name].get("TimeoutSeconds", TASK_TIMEOUT_SECONDS) for name in task_states(machine)}
    longer = {name for name, seconds in limits.items() if seconds > TASK_TIMEOUT_SECONDS}
    assert longer <= {"CatchUp", "ReplayLateWrites", "ReplayNewWrites", "UnblockSourceTables"}


def test_an_environment_that_is_left_at_a_weight_would_be_found(interpreter):
    """The check itself: without the handlers and the reconciler, a stopped execution leaves its weight behind."""
    case = Case("deployment", "AnalyzeCanary", "stopped before")
    world, _ = play(case, interpreter, "d-unsettled", settle=False)
    with pytest.raises(AssertionError, match="weights left"):
        world.check()
