"""What can go wrong at one state: before its task, after its task, or in the world around it, while it runs.

A fault strikes the first execution that comes to the state. Most strike its first invocation there; those in `LASTING` strike every one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.application.start_rollback import start_rollback
from orchestrator.domain.deployment.record import RollbackTrigger
from state_machines import definitions
from tests.fakes.clouds import machine_arn
from tests.fakes.errors import client_error
from tests.samples import ALARM, OTHER_ALARM
from tests.workflow.world import Invocation, World, raised

TASK_TIMEOUT_SECONDS = 75.0
"""TimeoutSeconds of a Task state that reads no stream; a test holds it."""

FUNCTION_TIMEOUT_SECONDS = 60.0
"""How long Lambda lets a task's function run (infrastructure/orchestrator/functions.py)."""

THROTTLED_SECONDS = 60.0

Run = Callable[[], Any]
Strike = Callable[[World, Invocation, Run], Any]


def error_before(_world: World, _invocation: Invocation, _run: Run) -> Any:
    """The function raises an unexpected error, and has done nothing."""
    return raised("RuntimeError", "it broke")


def error_after(_world: World, _invocation: Invocation, run: Run) -> Any:
    """The function's process dies after it did everything."""
    run()
    return raised("Runtime.ExitError", "exit status 137")


def function_timeout_before(world: World, _invocation: Invocation, _run: Run) -> Any:
    """Lambda ends the function at its own timeout, before it did anything."""
    world.clock.advance(FUNCTION_TIMEOUT_SECONDS)
    return raised("Sandbox.Timedout", "Task timed out after 60.00 seconds")


def function_timeout_after(world: World, _invocation: Invocation, run: Run) -> Any:
    """Lambda ends the function at its own timeout, after it did everything."""
    run()
    world.clock.advance(FUNCTION_TIMEOUT_SECONDS)
    return raised("Sandbox.Timedout", "Task timed out after 60.00 seconds")


def throttled_for_a_minute(world: World, invocation: Invocation, run: Run) -> Any:
    """Lambda refuses to invoke the function, for a minute."""
    since = world.throttled_since.setdefault(invocation.state, world.clock.seconds())
    if world.clock.seconds() - since < THROTTLED_SECONDS:
        raise client_error("TooManyRequestsException", "Rate Exceeded.", status=429)
    return run()


def time_limit_seconds(invocation: Invocation) -> float:
    """TimeoutSeconds of a state; those that wait for an answer have another limit."""
    state = definitions.load(invocation.machine).states[invocation.state]
    return float(state.get("TimeoutSeconds", TASK_TIMEOUT_SECONDS))


def timeout_before(world: World, invocation: Invocation, _run: Run) -> Any:
    """The task's time is over before it did anything."""
    world.clock.advance(time_limit_seconds(invocation))
    raise TimeoutError


def timeout_after(world: World, invocation: Invocation, run: Run) -> Any:
    """The task did everything, and its answer came too late."""
    run()
    world.clock.advance(time_limit_seconds(invocation))
    raise TimeoutError


def throttled(_world: World, _invocation: Invocation, _run: Run) -> Any:
    """Lambda refuses to invoke the function."""
    raise client_error("TooManyRequestsException", "Rate Exceeded.", status=429)


def lost_response(_world: World, _invocation: Invocation, run: Run) -> Any:
    """The connection to Lambda breaks after the task did everything; the state tries it again."""
    run()
    raise client_error("SdkClientException", "Connection reset", status=500)


def unreachable(_world: World, _invocation: Invocation, _run: Run) -> Any:
    """The task cannot reach what it needs."""
    return raised("Unreachable", "connect timeout")


def lock_lost_before(world: World, invocation: Invocation, run: Run) -> Any:
    """Another execution has taken over and finished before the task begins."""
    _take_over(world, invocation)
    return run()


def lock_lost_after(world: World, invocation: Invocation, run: Run) -> Any:
    """Another execution takes over and finishes between the task and the next state."""
    answer = run()
    _take_over(world, invocation)
    return answer


def stopped_before(world: World, invocation: Invocation, _run: Run) -> Any:
    """The execution is stopped from outside before its task did anything."""
    world.stop(invocation.execution)
    return {"Payload": {}}


def stopped_after(world: World, invocation: Invocation, run: Run) -> Any:
    """The execution is stopped from outside after its task did everything."""
    run()
    world.stop(invocation.execution)
    return {"Payload": {}}


def stopped_while_the_task_goes_on(world: World, invocation: Invocation, run: Run) -> Any:
    """The execution is stopped; what follows from that has happened before its task, which is not stopped, does anything."""
    world.stop(invocation.execution)
    world.settle()
    run()
    return {"Payload": {}}


def duplicate(_world: World, _invocation: Invocation, run: Run) -> Any:
    """The function is invoked twice."""
    run()
    return run()


def duplicate_after_an_answer(world: World, invocation: Invocation, run: Run) -> Any:
    """The function is invoked once more when everything is over."""
    world.afterwards.append(lambda: world.call(invocation))
    return run()


def alarm_events(world: World, _invocation: Invocation, run: Run) -> Any:
    """An alarm's event comes twice at once and once more later, among others that mean nothing."""
    world.ring("e-other-service", arn=ALARM.replace("oauth", "other"))
    world.ring("e-ok", state="OK")
    world.ring("e-old", age_seconds=3600)
    world.ring("e-1")
    world.ring("e-1")
    world.ring("e-2", arn=OTHER_ALARM)
    world.run_started()
    world.ring("e-1", age_seconds=1)
    return run()


def reordered_events(world: World, invocation: Invocation, run: Run) -> Any:
    """Events that executions ended come before they did, twice, and for executions that are none of ours."""
    stranger = invocation.execution.rpartition(":")[0] + ":stranger"
    world.states.start_execution(stateMachineArn=machine_arn(invocation.machine), name="stranger", input="{}")
    world.states.stop_execution(executionArn=stranger)
    for _ in range(2):
        world.deliver(stranger, "ABORTED")
        world.deliver(invocation.execution, "FAILED")
        world.deliver_event("reconcile", {"id": "tick"})
    return run()


def _take_over(world: World, invocation: Invocation) -> None:
    if invocation.machine == "deployment":
        start_rollback(world.cloud, world.name, RollbackTrigger("person", "rolled back by bob", world.clock.now()))
    else:
        # A rollback is only taken over where it seems dead.
        world.states.presumed_dead.add(invocation.execution)
        world.deliver_event("reconcile", {"id": "tick"})
    world.run_started()


FAULTS: Mapping[str, Strike] = {
    "error before": error_before,
    "error after": error_after,
    "every try fails": error_before,
    "function timeout before": function_timeout_before,
    "function timeout after": function_timeout_after,
    "timeout before": timeout_before,
    "timeout after": timeout_after,
    "throttled once": throttled,
    "throttled": throttled,
    "throttled for a minute": throttled_for_a_minute,
    "unreachable once": unreachable,
    "unreachable": unreachable,
    "lost response": lost_response,
    "lock lost before": lock_lost_before,
    "lock lost after": lock_lost_after,
    "stopped before": stopped_before,
    "stopped after": stopped_after,
    "stopped while the task goes on": stopped_while_the_task_goes_on,
    "duplicate": duplicate,
    "duplicate after an answer": duplicate_after_an_answer,
    "alarm events": alarm_events,
    "reordered events": reordered_events,
}
LASTING = frozenset({"every try fails", "throttled", "unreachable"})
ENDURING = frozenset({"throttled for a minute"})
"""Faults that strike every invocation until they are over by themselves."""
HARMLESS = frozenset(
    {
        "error after",
        "function timeout before",
        "function timeout after",
        "throttled once",
        "throttled for a minute",
        "unreachable once",
        "lost response",
        "duplicate",
        "duplicate after an answer",
    }
)
"""Faults after which everything must come out as without them."""


@dataclass
class Fault:
    """A fault at one state, as the bridge between states and tasks.

    Args:
        machine: `deployment` or `rollback`.
        state: the state's name.
        kind: among FAULTS.
        also: a fault of the scenario, which comes first.
    """

    machine: str
    state: str
    kind: str
    also: Callable[[Invocation], Any] | None = None
    world: World | None = None
    struck: str = ""
    at_seconds: float | None = None
    times: int = 0
    strikes: list[str] = field(default_factory=list)

    def __call__(self, invocation: Invocation, run: Run) -> Any:
        assert self.world is not None, "a fault has its world"
        if self.also and (found := self.also(invocation)):
            return found
        if (invocation.machine, invocation.state) != (self.machine, self.state):
            return run()
        self.struck = self.struck or invocation.execution
        if self.struck != invocation.execution or (self.times and self.kind not in LASTING | ENDURING):
            return run()
        self.times += 1
        if self.at_seconds is None:
            self.at_seconds = self.world.clock.seconds()
        return FAULTS[self.kind](self.world, invocation, run)
