"""Several writers race for the aliases of one service, by the real tasks over the real adapters, in an order that can be repeated.

The world: a deployment holds the lock under epoch 1, with canary at 10 % or before its first shift. It wants to go on to 50 % and to
promotion. A second
copy of its task comes late (a Lambda that hung, or was invoked twice). A rollback takes the lock and restores. Every call of every
writer is a point at which the others may go on. Responses may be lost: the write took effect and the client tries again with the
revision that it used up, or gets a timeout, or the request itself arrives long after the client gave up.

What must hold: from the moment the rollback's restore has returned, every alias is on stable, without weights, under the rollback's
mark, whatever the others do; and the ledger has lost nothing that the deployment wrote while the lock was its own.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import msgspec
from botocore.exceptions import ClientError, ReadTimeoutError

from orchestrator.application import traffic_shifting
from orchestrator.application.cloud import Cloud
from orchestrator.aws.lambda_.aliases import Aliases, Routing, owner_tag
from orchestrator.aws.ledger.deployments import Ledger
from orchestrator.domain.deployment.plan import Function
from orchestrator.domain.deployment.record import Deployment, DeploymentPhase, Shift
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import AliasConflict, LockLost, Throttled, Unreachable
from orchestrator.tasks.deployment.promote import promote
from orchestrator.tasks.deployment.shift_traffic import shift_traffic
from orchestrator.tasks.rollback.revert_aliases import revert_aliases
from orchestrator.tasks.rollback.take_over_lock import take_over_lock
from orchestrator.tasks.runtime import TaskInput, TaskOutput
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.intercepted import Intercepted
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.scheduler import Choose, Scheduler
from tests.samples import EXECUTION, NOW, deployment, functions

STABLE, CANARY = "1", "2"
TRIES = 4
"""How often a state machine tries a task again that could not reach the cloud."""

ROLLBACK = EXECUTION.replace("deployment-test:d-1", "rollback-test:rollback-d-1-1")
AFTER_HIM = "a writer of the deployment changed an alias after the restore had returned"

Faults = Callable[[str, str], str]
"""(writer, operation) -> "", "retried", "lost" or "late"."""


class LostUpdate(AssertionError):
    """What must hold did not."""


class _AllRun:
    """Step Functions where every execution runs, so that a lock is taken from a living one."""

    def describe_execution(self, *, executionArn: str) -> Mapping[str, str]:  # noqa: N803 - botocore's
        return {"executionArn": executionArn, "status": "RUNNING"}


class _Silent:
    """A bus without subscribers."""

    def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> Mapping[str, int]:  # noqa: N803 - botocore's
        assert Entries, "an event is put, or nothing is called"
        return {"FailedEntryCount": 0}


@dataclass
class Race:
    """One world and its writers.

    Args:
        names: the service's functions.
        choose: the schedule.
        faults: which responses are lost.
        weight_percent: canary's weight when the race begins; 0 before the first shift.
    """

    names: tuple[str, ...]
    choose: Choose
    faults: Faults = lambda _writer, _operation: ""
    weight_percent: int = 10
    plane: LambdaControlPlane = field(default_factory=LambdaControlPlane)
    table: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    restored_at: int | None = None
    epoch: int = 0
    written: list[int] = field(default_factory=list)
    """The steps whose shift the deployment has written down while it held the lock."""

    def __post_init__(self) -> None:
        clock = SimulatedClock()
        self.scheduler = Scheduler(self.choose, clock)
        quiet: Mapping[str, Any] = {
            "lambda": self.plane,
            "dynamodb": self.table,
            "stepfunctions": _AllRun(),
            "events": _Silent(),
        }
        self.begun = self._begin(cloud_over(quiet, clock.now))
        watched = quiet | {name: Intercepted(quiet[name], self._around) for name in ("lambda", "dynamodb")}
        self.cloud = cloud_over(watched, clock.now)

    def _begin(self, cloud: Cloud) -> Deployment:
        for name in self.names:
            self.plane.add(f"ib-oauth-{name}-test")
            self.plane.change(f"ib-oauth-{name}-test", "code-2")
            self.plane.publish_version(FunctionName=f"ib-oauth-{name}-test")
        record = deployment(
            functions=functions(STABLE, CANARY, self.names), phase=DeploymentPhase.SHIFTING, fencing_token=1
        )
        known = {one.name: cloud.aliases.read_alias(one.function_name).revision for one in record.functions}
        planned = cloud.ledger.create_record(replace(record, revisions=known))
        cloud.ledger.acquire_lock(cloud.ledger.read_lock(), EXECUTION, record.id, Kind.DEPLOYMENT, NOW)
        if not self.weight_percent:
            return planned
        revisions = traffic_shifting.shift(planned, self.weight_percent, 1, cloud)
        self.plane.log.clear()
        return cloud.ledger.save_record(
            replace(planned, revisions=revisions, shifts=(Shift(0, self.weight_percent, NOW),)), 1
        )

    # --- the writers -------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Go on to 50 % and to promotion, as the states ShiftTraffic and Promote do."""
        try:
            self._tried(shift_traffic, self._of_deployment("ShiftTraffic", step=1))
            self.written.append(1)
            self._tried(promote, self._of_deployment("Promote", step=1))
            self.written.append(2)
        except (LockLost, AliasConflict):
            return  # the machine goes to Superseded or StartRollback: it writes no alias any more

    def come_late(self) -> None:
        """The task of the first step once more: a Lambda that hung, or was invoked twice."""
        with suppress(LockLost, AliasConflict):
            self._tried(shift_traffic, self._of_deployment("ShiftTraffic", step=0))

    def roll_back(self) -> None:
        """Take the lock and restore, as the states Fence and RestoreAliases do."""
        id_ = self.begun.id
        task_input = TaskInput(
            execution=ROLLBACK, deployment=id_, state_name="TakeOverLock", entered="t", state={"deployment": id_}
        )
        fenced = self._tried(take_over_lock, task_input, LockLost)
        self.epoch = fenced.fencing_token
        known = {
            "deployment": fenced.deployment,
            "fencing_token": fenced.fencing_token,
            "decision": msgspec.to_builtins(fenced.decision),
        }
        self._tried(revert_aliases, replace(task_input, state_name="RevertAliases", state=known), AliasConflict)
        self.restored_at = len(self.plane.log)
        self._expect_stable("the restore returned")

    def _of_deployment(self, state: str, step: int) -> TaskInput:
        decision = {"action": "ADVANCE", "step": step, "evaluation": 0, "wait_seconds": 10, "reason": "raced"}
        known = {"fencing_token": 1, "decision": decision}
        return TaskInput(execution=EXECUTION, deployment=self.begun.id, state_name=state, entered="t", state=known)

    def _tried(
        self, task: Callable[[TaskInput, Cloud], TaskOutput], task_input: TaskInput, *again: type[Exception]
    ) -> TaskOutput:
        """Run a task as its state does: again where the cloud was not reached or its machine's Retry says so."""
        for _ in range(TRIES - 1):
            with suppress(Unreachable, Throttled, *again):
                return task(task_input, self.cloud)
        return task(task_input, self.cloud)

    def run(self) -> int:
        """Let them race; returns how many turns it took.

        Raises:
            LostUpdate: what must hold did not.
        """
        writers = [
            self.scheduler.spawn("deployment", self.deploy),
            self.scheduler.spawn("late", self.come_late),
            self.scheduler.spawn("rollback", self.roll_back),
        ]
        with mock.patch.object(traffic_shifting, "for_each", lambda items, call: [call(item) for item in items]):
            self.scheduler.run()
        for writer in writers:
            if writer.error:
                raise writer.error
        self._expect_stable("all had ended")
        self._expect_consistent_ledger()
        return len(self.scheduler.turns)

    # --- what must hold ----------------------------------------------------------------------------------

    def _expect_stable(self, when: str) -> None:
        for name in self.names:
            function_name = f"ib-oauth-{name}-test"
            found = (*self.plane.routing(function_name), self.plane.mark(function_name))
            if found != (STABLE, {}, owner_tag(self.epoch, self.begun.id)):
                raise LostUpdate(f"{function_name} was {found} when {when}")
        later = self.plane.log[self.restored_at or 0 :]
        moved = [update for update in later if (update[1], update[2]) != (STABLE, {})]
        if self.restored_at is not None and moved:
            raise LostUpdate(f"{AFTER_HIM}: {moved}")

    def _expect_consistent_ledger(self) -> None:
        ledger = Ledger(self.table, SETTINGS["LEDGER_TABLE"])
        lock, found = ledger.read_lock(), ledger.read_record(self.begun.id)
        if (lock.fencing_token, lock.execution) != (self.epoch, ROLLBACK):
            raise LostUpdate(f"the lock is {lock}")
        if (found.phase, found.fencing_token) != (DeploymentPhase.ROLLING_BACK, self.epoch):
            raise LostUpdate(f"the deployment was written back by one without the lock: {found.phase}")
        forgotten = set(self.written) - {shift.step for shift in found.shifts}
        if forgotten:
            raise LostUpdate(f"the ledger forgot the shifts of steps {forgotten}")

    # --- the network -------------------------------------------------------------------------------------

    def _around(self, operation: str, _arguments: Mapping[str, Any], call: Callable[[], Any]) -> Any:
        self.scheduler.pause()
        fault = self.faults(self.scheduler.turns[-1], operation)
        if fault == "late":
            self.scheduler.spawn("network", lambda: _arrives(self.scheduler, call))
        elif fault:
            answer = call()
            self.scheduler.pause()
            if fault == "retried":
                return call()
            del answer
        if fault:
            raise ReadTimeoutError(endpoint_url="https://fake")
        return call()


def _arrives(scheduler: Scheduler, call: Callable[[], Any]) -> None:
    scheduler.pause()
    with suppress(ClientError):  # no task waits for the answer any more
        call()


# --- schedules -------------------------------------------------------------------------------------------


def at_random(seed: int) -> Choose:
    """A random schedule; some keep to one writer for long, some change at every call."""
    draw = random.Random(seed)
    stays = draw.choice([0.0, 0.3, 0.6, 0.85])
    last = ""

    def choose(names: Sequence[str]) -> int:
        nonlocal last
        number = names.index(last) if last in names and draw.random() < stays else draw.randrange(len(names))
        last = names[number]
        return number

    return choose


def losing(seed: int, share: float = 0.25) -> Faults:
    """Lose some of the responses to alias updates and to taking the lock; not so many that a machine gives up."""
    draw = random.Random(f"faults {seed}")
    lost = Counter[tuple[str, str]]()

    def fault(writer: str, operation: str) -> str:
        if draw.random() >= share or lost[writer, operation] == TRIES - 1:
            return ""
        lost[writer, operation] += 1
        if operation == "update_alias":
            return draw.choice(["retried", "lost", "late"] if writer != "network" else [""])
        return draw.choice(["retried", "lost"]) if operation == "put_item" else ""

    return fault


class Exhaustively:
    """Every schedule, one after the other: `for choose in Exhaustively(): …run…`."""

    def __init__(self) -> None:
        self._taken: list[int] = []
        self._open: list[int] = []

    def __iter__(self) -> Iterator[Choose]:
        prefix: list[int] | None = []
        while prefix is not None:
            self._taken, self._open = [], []
            yield self._following(prefix)
            prefix = self._next()

    def _following(self, prefix: list[int]) -> Choose:
        def choose(names: Sequence[str]) -> int:
            number = prefix[len(self._taken)] if len(self._taken) < len(prefix) else 0
            self._taken.append(number)
            self._open.append(len(names))
            return number

        return choose

    def _next(self) -> list[int] | None:
        for at in reversed(range(len(self._taken))):
            if self._taken[at] + 1 < self._open[at]:
                return [*self._taken[:at], self._taken[at] + 1]
        return None


# --- broken variants: each leaves out one thing that the proof says is needed ---------------------------------


@contextmanager
def without_lock_check() -> Iterator[None]:
    """Writers rely on the RevisionId alone."""
    with mock.patch.object(Ledger, "fence", return_value=lambda: None):
        yield


@contextmanager
def without_revision() -> Iterator[None]:
    """Writers rely on the lock alone."""
    update = LambdaControlPlane.update_alias

    def unguarded(plane: LambdaControlPlane, *, RevisionId: str, **changes: Any) -> Any:  # noqa: N803 - botocore's
        assert RevisionId, "the adapter gave one, and it is thrown away here"
        return update(plane, **changes)

    with mock.patch.object(LambdaControlPlane, "update_alias", unguarded):
        yield


@contextmanager
def with_revision_read_after_the_lock() -> Iterator[None]:
    """Writers check the lock first and then write with whatever revision they find."""
    write = Aliases.write_alias

    def careless(
        self: Aliases, name: str, wanted: Routing, signature: str, check: Callable[[], None], _revision: str
    ) -> Any:
        check()
        return write(self, name, wanted, signature, lambda: None, self.read_alias(name).revision)

    with mock.patch.object(Aliases, "write_alias", careless):
        yield


@contextmanager
def with_a_restore_that_spares_writes() -> Iterator[None]:
    """The rollback leaves an alias alone that is on stable already, and with it the revisions that late writers hold."""
    restore = traffic_shifting.revert

    def sparing(found: Deployment, epoch: int, cloud: Cloud) -> Any:
        def elsewhere(function: Function) -> bool:
            return cloud.aliases.read_alias(function.function_name).routing != Routing(function.stable_version)

        needed = tuple(function for function in found.functions if elsewhere(function))
        return restore(replace(found, functions=needed), epoch, cloud)

    with mock.patch("orchestrator.tasks.rollback.revert_aliases.revert", sparing):
        yield


BROKEN = {
    "without lock check": without_lock_check,
    "without RevisionId": without_revision,
    "with the revision read after the lock": with_revision_read_after_the_lock,
    "with a restore that spares writes": with_a_restore_that_spares_writes,
}
