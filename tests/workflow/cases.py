"""All cases of both definitions: every Task state times every fault, generated from the definitions, so that none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.verdict import Outcome
from state_machines import definitions
from tests.workflow.faults import FAULTS, Fault
from tests.workflow.moto_interpreter import MotoInterpreter
from tests.workflow.world import Invocation, Scenario, World, inhabited, raised

MACHINES = ("deployment", "rollback")
STRATEGY = {"type": "canary", "steps": [{"weight_percent": 50, "bake_seconds": 10}]}


@dataclass(frozen=True)
class Story:
    """A way through the definitions without a fault: what the canary does, and how it comes out.

    Attributes:
        states: Task states of each machine that it goes through.
        ends_at: stable or canary.
        fails: a state of the rollback's first attempt whose task fails as part of the story.
    """

    name: str
    scenario: Scenario
    ends_at: str
    fails: str = ""

    def also(self, invocation: Invocation) -> Any:
        """The story's own failure."""
        first = invocation.execution.endswith("-1")
        return raised("AliasConflict", "it will not") if first and invocation.state == self.fails else None


STORIES = (
    Story("good", Scenario(), "canary"),
    Story("bad", Scenario({50: Outcome.FAIL}), "stable"),
    Story("hooked", Scenario(hooked=True), "canary"),
    Story("held", Scenario({50: Outcome.INCONCLUSIVE}, "resume", "PAUSE"), "canary"),
    Story("cut over", Scenario(cutover=True), "canary"),
    Story("cut back", Scenario({100: Outcome.FAIL}, cutover=True), "stable"),
    Story("warmed", Scenario(warm=5), "canary"),
    Story("left cold", Scenario(warm=5, does_not_warm="FUNCTION_ERROR_INIT_FAILURE"), "stable"),
    Story("went back", Scenario(cutover=True, failback=True), "canary"),
    Story("stuck", Scenario({50: Outcome.FAIL}), "stable", fails="RevertAliases"),
)


def task_states(machine: str) -> tuple[str, ...]:
    """The names of a definition's Task states, in its order."""
    states = definitions.load(machine).states
    return tuple(name for name, state in states.items() if state["Type"] == "Task")


STORY_OF: Mapping[tuple[str, str], str] = {
    **{("deployment", state): "good" for state in task_states("deployment")},
    **{("deployment", state): "held" for state in ("Pause", "Resume")},
    ("deployment", "CallHook"): "hooked",
    ("deployment", "WarmUp"): "warmed",
    **{("deployment", state): "cut over" for state in ("PreparePromotion", "BlockSourceTables", "ReplayLateWrites")},
    **{
        ("deployment", state): "went back"
        for state in ("SyncTables", "CatchUp", "VerifySyncedTables", "BlockPreviousTables")
    },
    ("deployment", "StartRollback"): "bad",
    **{("rollback", state): "bad" for state in task_states("rollback")},
    **{("rollback", state): "cut back" for state in ("ReplayNewWrites", "UnblockSourceTables")},
    ("rollback", "Escalate"): "stuck",
}
"""The story that goes through a state. A state that no story reaches fails its cases: its fault never strikes."""


def story_named(name: str) -> Story:
    """A story by its name."""
    return next(story for story in STORIES if story.name == name)


@dataclass(frozen=True)
class Case:
    """One fault at one state."""

    machine: str
    state: str
    fault: str

    @property
    def id(self) -> str:
        """For a reader, such as ``deployment/Promote/timeout after``."""
        return f"{self.machine}/{self.state}/{self.fault}"

    @property
    def story(self) -> Story:
        """The way that goes through its state."""
        return story_named(STORY_OF[self.machine, self.state])


CASES = tuple(Case(machine, state, fault) for machine in MACHINES for state in task_states(machine) for fault in FAULTS)


def create_machines(interpreter: MotoInterpreter, arns: Any) -> None:
    """Create both machines, bound."""
    for machine in MACHINES:
        interpreter.create(machine, definitions.bind(definitions.load(machine), arns(machine)))


def play(
    case: Case, interpreter: MotoInterpreter, name: str, *, settle: bool = True, story: Story | None = None
) -> tuple[World, Fault]:
    """Play a case to its end: deployment, fault, and, where it may settle, all that EventBridge brings and what comes late.

    story: in the place of the case's own.
    """
    story = story or case.story
    fault = Fault(case.machine, case.state, case.fault, story.also)
    world = fault.world = World(interpreter, name, story.scenario, fault)
    with inhabited(world):
        world.deploy(strategy=STRATEGY)
        if not settle:
            return world, fault
        world.settle(twice=case.fault == "reordered events", backwards=case.fault == "reordered events")
        for late in world.afterwards:
            late()
        world.settle()
    return world, fault
