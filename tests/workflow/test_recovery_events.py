"""What a drill publishes to the bus as it goes on: each event as docs/reference/events describes it, and one that says how it came out."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Throttled
from state_machines import definitions
from tests.fakes.errors import client_error
from tests.fakes.step_functions import ABORTED
from tests.json_schema import validate_event
from tests.workflow.drills import STATE, TOKENS, DrillWorld, drilled
from tests.workflow.moto_interpreter import moto_interpreter
from tests.workflow.world import function_arns, raised


@pytest.fixture(scope="module")
def interpreter():
    with moto_interpreter() as moto:
        moto.create("drill", definitions.bind(definitions.load("drill"), function_arns("drill")))
        yield moto


def event_types(world):
    """Detail-types in order; each event fits its schema."""
    for kind, detail in world.events.put:
        validate_event(kind, detail)
    return [kind for kind, _ in world.events.put]


def last(world):
    return world.events.put[-1][1]


def in_state(name, do):
    return lambda invocation, run: do(run) if invocation.state == name else run()


def test_a_drill_publishes_that_it_started_what_it_restored_and_how_it_ended(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-bus-green")
        link = world.cloud.evidence.read_entry("dr-bus-green")
    assert event_types(world) == ["DrillStarted", "DrillTablesRestored", "DrillCompleted"]
    assert world.events.put[0][1]["tables"] == [STATE, TOKENS]
    assert (last(world)["outcome"], last(world)["evidence"]) == ("SUCCEEDED", f"1:{link.hash}")
    assert last(world)["recovery_seconds"] > 0


def test_a_drill_with_an_injected_fault_publishes_the_fault_and_why_it_is_red(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-bus-red", fault="ttl-off")
    assert event_types(world)[-1] == "DrillCompleted"
    assert (last(world)["outcome"], last(world)["fault"]) == ("FAILED", "ttl-off")
    assert "settings.state.time_to_live" in last(world)["reason"]


def test_a_drill_that_is_refused_publishes_nothing_but_that(interpreter):
    with drilled(DrillWorld(interpreter)) as world:
        world.drill("dr-bus-refused", to="2001-01-01T00:00:00Z")
    assert event_types(world) == ["DrillRefused"]
    assert "2001" in last(world)["reason"]


def test_a_drill_without_evidence_is_not_announced_as_green(interpreter):
    broken = in_state("RecordEvidence", lambda _run: raised("ValueError", "no bucket"))
    with drilled(DrillWorld(interpreter, broken)) as world:
        world.drill("dr-bus-none")
    assert event_types(world)[-1] == "DrillCompleted"
    assert (last(world)["outcome"], last(world)["evidence"]) == ("FAILED", None)


def test_the_end_of_a_dead_drill_is_announced_by_the_cleanup_job_once(interpreter):
    def dies(run):
        answer = run()
        world.stop("dr-bus-dead")
        return answer

    with drilled(DrillWorld(interpreter, in_state("AwaitRestore", dies))) as world:
        world.drill("dr-bus-dead")
        world.deliver_end("dr-bus-dead", ABORTED)
        for _ in range(12):
            world.clock.advance(300)
            world.sweep()
    assert event_types(world).count("DrillCompleted") == 1
    assert (last(world)["outcome"], last(world)["evidence"] is None) == ("FAILED", False)


def test_a_bus_that_does_not_answer_changes_nothing(interpreter, monkeypatch):
    with drilled(DrillWorld(interpreter)) as world:
        for failure in (client_error("AccessDeniedException", "no"), Throttled("later")):
            monkeypatch.setattr(
                world.cloud.bus, "put_event", lambda *_, failure=failure: (_ for _ in ()).throw(failure)
            )
            ended = world.drill(f"dr-bus-off-{type(failure).__name__.lower()}")
            assert ended.phase == "SUCCEEDED"
    assert world.events.put == []
