"""The cases of all definitions: every Task state times every fault, and every way through the definitions without one.

A story is a way without a fault: what each task decides. Each state's faults strike in the first story that goes through it, so
that a state which no story reaches fails the tests here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from state_machines import definitions, fragments
from tests.workflow.sfn_local.paths import Strike, Walked, walk

MACHINES = definitions.names()
WAIT_SECONDS = 1
NEVER_EXPECTED = "RuntimeError"
RETRIED_EVERYWHERE = frozenset((*fragments.TRANSIENT_ERRORS, *fragments.ENDED_FUNCTION_ERRORS))


@dataclass(frozen=True)
class Story:
    """What the tasks decide: differences from `USUAL`, and tasks that never succeed."""

    actions: Mapping[str, str] = field(default_factory=dict)
    fails: tuple[str, ...] = ()


USUAL: Mapping[str, Mapping[str, str]] = {
    "deployment": {
        "VerifyBeforeTraffic": "ADVANCE",
        "AnalyzeCanary": "PROMOTE",
        "Resume": "PROMOTE",
        "PreparePromotion": "CUT_OVER",
        "BlockSourceTables": "REPLAY",
        "BlockPreviousTables": "WAIT_FOR_METRICS",
        "SyncTables": "REPLAY",
        "ReplayLateWrites": "PROMOTE",
        "VerifySyncedTables": "CUT_OVER",
        "Promote": "WAIT_FOR_METRICS",
        "VerifyAfterPromotion": "FINISH",
        "Complete": "FINISH",
        "Notify": "FINISH",
        "ReleaseLock": "FINISH",
        "StartRollback": "ROLL_BACK",
    },
    "rollback": {
        "TakeOverLock": "REVERT",
        "RevertAliases": "REVERT",
        "ReplayNewWrites": "UNBLOCK",
        "UnblockSourceTables": "REVERT",
        "VerifyStable": "REVERT",
        "Escalate": "REVERT",
        "RecordIncident": "FINISH",
        "Notify": "FINISH",
        "ReleaseLock": "FINISH",
    },
    "drill": {"Conclude": "SUCCEEDED", "RecordEvidence": "SUCCEEDED", "Notify": "SUCCEEDED", "ReleaseLock": "SUCCEEDED"},
    "restore": {"Conclude": "SUCCEEDED", "RecordEvidence": "SUCCEEDED", "Notify": "SUCCEEDED", "ReleaseLock": "SUCCEEDED"},
    "failover": {
        "Plan": "FENCE",
        "CheckApprovals": "FENCE",
        "FenceHome": "RESTORE",
        "RestoreCopies": "SANITIZE_TOKENS",
        "InvalidateTokens": "DEPLOY_RELEASE",
        "DeployRelease": "CHECK_KEYS",
        "CheckKeys": "VERIFY",
        "VerifyStandby": "TAKE_OVER",
        "TakeOver": "UPDATE_DNS",
        "UpdateDns": "ANNOUNCE",
        "Announce": "SUCCEEDED",
        "Conclude": "SUCCEEDED",
    },
}  # fmt: skip
"""What a task decides where nothing is special; PROCEED where nothing is named."""

_CONCLUDING = ("Conclude", "RecordEvidence", "Notify", "ReleaseLock")
_RECOVERY = {
    "usual": Story(),
    "failed": Story(dict.fromkeys(_CONCLUDING, "FAILED")),
    "refused": Story({"Conclude": "REFUSED"} | dict.fromkeys(_CONCLUDING[1:], "REFUSED"), fails=("PlanRecovery",)),
    "restoring": Story({"AwaitRestore": "WAIT"}),
    "restoring one by one": Story({"AwaitRestore": "RESTORE"}),
    "applying settings": Story({"ReapplySettings": "WAIT"}),
    "reading segments": Story({"CompareContents": "DIGEST"}),
    "sanitizing": Story({"SanitizeTokens": "WAIT"}),
}

STORIES: Mapping[str, Mapping[str, Story]] = {
    "deployment": {
        "usual": Story(),
        "nothing to ship": Story({"PublishVersions": "FINISH"}),
        "refused": Story(dict.fromkeys(("Complete", "Notify", "ReleaseLock"), "REFUSE"), fails=("Plan",)),
        "warmed": Story({"PublishVersions": "WARM_UP"}),
        "warming": Story({"PublishVersions": "WARM_UP", "WarmUp": "WARM_UP"}),
        "left cold": Story({"PublishVersions": "WARM_UP", "WarmUp": "ROLL_BACK"}),
        "bad before traffic": Story({"VerifyBeforeTraffic": "ROLL_BACK"}),
        "bad": Story({"AnalyzeCanary": "ROLL_BACK"}),
        "bad after promotion": Story({"VerifyAfterPromotion": "ROLL_BACK"}),
        "baking": Story({"AnalyzeCanary": "BAKE"}),
        "advancing": Story({"AnalyzeCanary": "ADVANCE"}),
        "waiting for metrics": Story({"VerifyAfterPromotion": "WAIT_FOR_METRICS"}),
        "paused": Story({"AnalyzeCanary": "PAUSE"}),
        "aborted": Story({"AnalyzeCanary": "PAUSE", "Resume": "ROLL_BACK"}),
        "hooked": Story({"AnalyzeCanary": "CALL_HOOK", "CallHook": "PROMOTE"}),
        "asking again": Story({"AnalyzeCanary": "CALL_HOOK", "CallHook": "CALL_HOOK"}),
        "waiting for a window": Story({"AnalyzeCanary": "WAIT_FOR_WINDOW", "Resume": "PROMOTE"}),
        "hooked after promotion": Story({"VerifyAfterPromotion": "CALL_HOOK", "CallHook": "FINISH"}),
        "cut over": Story({"VerifyBeforeTraffic": "CUT_OVER"}),
        "failed back": Story({"VerifyBeforeTraffic": "SYNC_TABLES", "Promote": "BLOCK"}),
        "synchronizing": Story({"VerifyBeforeTraffic": "SYNC_TABLES", "SyncTables": "SYNC_TABLES"}),
        "catching up": Story({"VerifyBeforeTraffic": "SYNC_TABLES", "CatchUp": "SYNC_TABLES"}),
    },
    "rollback": {
        "usual": Story(),
        "nothing to roll back": Story({"TakeOverLock": "NOTHING", "ReleaseLock": "NOTHING"}),
        "not rolled back": Story(dict.fromkeys(("TakeOverLock", "Notify", "ReleaseLock"), "ESCALATE")),
        "unblocked": Story({"RevertAliases": "UNBLOCK"}),
        "stuck": Story(fails=("RevertAliases",)),
    },
    "drill": {
        **_RECOVERY,
        "waiting for a recovery point": Story({"SeedGrants": "WAIT"}),
        "fault injected": Story({"ReapplySettings": "INJECT_FAULT"}),
        "exported": Story({"CompareContents": "EXPORT"}),
        "exporting": Story({"CompareContents": "EXPORT", "AwaitExport": "WAIT"}),
        "starting functions": Story({"StartIsolatedService": "WAIT"}),
        "removing": Story({"CleanUp": "WAIT"}),
    },
    "restore": {
        **_RECOVERY,
        "failed back": Story({"SnapshotConfiguration": "FAIL_BACK", "CompareSettings": "FAIL_BACK"}),
        "replaying": Story({"SanitizeTokens": "REPLAY"}),
        "replaying pass after pass": Story({"SanitizeTokens": "REPLAY", "ReplayWrites": "WAIT"}),
        "cutting over": Story({"AwaitCutover": "WAIT"}),
        "replaying late writes": Story({"ReplayLateWrites": "WAIT"}),
        "applying capacity": Story({"ReapplyCapacity": "WAIT"}),
    },
    "failover": {
        "usual": Story(),
        "approved": Story({"Plan": "APPROVE"}),
        "rejected": Story({"Plan": "APPROVE", "CheckApprovals": "CANCELLED", "Conclude": "CANCELLED"}),
        "approvals missing": Story({"Plan": "APPROVE", "CheckApprovals": "APPROVE"}),
        "stopped": Story({"Conclude": "STOPPED"}, fails=("VerifyStandby",)),
        "waiting": Story({"RestoreCopies": "WAIT"}),
    },
}
"""The ways through each definition without a fault, the usual one first. Those that wait never end by themselves."""


@dataclass(frozen=True)
class Case:
    """A story, and the errors that strike one state's task in it.

    Attributes:
        fault: the fault's name; empty for a story without one.
        state: the state that it strikes.
    """

    machine: str
    story: str
    state: str = ""
    fault: str = ""
    strike: Strike | None = None

    @property
    def name(self) -> str:
        """Name of the test case in the mock file, such as ``Promote-lock-lost``; it is unique in its definition."""
        return "-".join(part for part in (self.state, self.fault) if part) or self.story.replace(" ", "-")

    @property
    def id(self) -> str:
        """For a reader, such as ``deployment/Promote-lock-lost``."""
        return f"{self.machine}/{self.name}"

    @property
    def actions(self) -> Mapping[str, str]:
        """The decision that the task of every Task state returns."""
        usual = dict.fromkeys(task_states(self.machine), "PROCEED") | USUAL[self.machine]
        return {**usual, **STORIES[self.machine][self.story].actions}

    @property
    def strikes(self) -> Mapping[str, Strike]:
        """The errors of every Task state that has some."""
        own = dict.fromkeys(STORIES[self.machine][self.story].fails, Strike((NEVER_EXPECTED,)))
        return {**own, **({self.state: self.strike} if self.strike else {})}

    def walked(self) -> Walked:
        """The path that the definition says."""
        return walk(definition(self.machine), self.actions, self.strikes, WAIT_SECONDS)


@cache
def definition(machine: str) -> Mapping[str, Any]:
    """A definition with its fragments in place."""
    return dict(json.loads(definitions.load(machine).text))


@cache
def all_states(machine: str) -> Mapping[str, Any]:
    """A definition's states by name, those inside a Map included."""
    return dict(_flattened(definition(machine)["States"]))


@cache
def inside_map(machine: str) -> frozenset[str]:
    """The names of the states inside a Map."""
    return frozenset(all_states(machine).keys() - definition(machine)["States"].keys())


@cache
def task_states(machine: str) -> tuple[str, ...]:
    """The names of a definition's Task states, in its order."""
    return tuple(name for name, state in all_states(machine).items() if state["Type"] == "Task")


def _flattened(states: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, state in states.items():
        yield name, state
        yield from _flattened(state.get("ItemProcessor", {}).get("States", {}))


def faults_of(state: Mapping[str, Any], turn: int) -> dict[str, Strike]:
    """Every fault at a Task state.

    Of a Retry block's errors each attempt has another: first those that only some states retry, then the others from the one at
    `turn` on, so that over all states each name is thrown. ``-once`` is an error after which the task succeeds.

    Args:
        state: the Task state.
        turn: the state's position.
    """
    lasting = {
        "error": NEVER_EXPECTED, "lock-lost": "LockLost", "refused": "Refused", "timeout": "States.Timeout",
    }  # fmt: skip
    faults = {fault: Strike((error,)) for fault, error in lasting.items()}
    for fault, retrier in zip(("transient", "ended"), state["Retry"], strict=True):
        names = retrier["ErrorEquals"]
        rotated = [names[(turn + index) % len(names)] for index in range(len(names))]
        rotated.sort(key=lambda name: name in RETRIED_EVERYWHERE)
        faults[fault] = Strike(tuple(rotated))
        faults[f"{fault}-once"] = Strike((rotated[0],), lasts=False)
    return faults


def story_through(machine: str, state: str) -> str:
    """The first story that goes through a state.

    Raises:
        LookupError: none does.
    """
    for story in STORIES[machine]:
        if state in Case(machine, story).walked().entered:
            return story
    raise LookupError(f"no story of {machine} goes through {state}: add one to STORIES")


@cache
def cases() -> tuple[Case, ...]:
    """All cases of all definitions."""
    found = [Case(machine, story) for machine in MACHINES for story in STORIES[machine]]
    turns = itertools.count()
    for machine in MACHINES:
        for state in task_states(machine):
            story = story_through(machine, state)
            faults = faults_of(all_states(machine)[state], next(turns))
            found.extend(Case(machine, story, state, fault, strike) for fault, strike in faults.items())
    return tuple(found)
