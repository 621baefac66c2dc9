"""A whole environment in memory: service, ledger, control plane, events and both state machines, whose tasks are the real ones.

Time is simulated. Executions are run one after the other, as they were started; what EventBridge would do then is done by `settle`, and only
by it: end events to the event handler, and the reconciler once a minute.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec
from botocore.exceptions import ClientError

from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics
from orchestrator.aws.dynamodb.access_block import TableAccess
from orchestrator.domain.deployment.cutover import blocked_policy
from orchestrator.domain.deployment.hooks import HookAnswer
from orchestrator.domain.deployment.late_writes import LateWrite
from orchestrator.domain.deployment.outcome import EVENT_TYPES
from orchestrator.domain.deployment.policy import DeliveryPolicy
from orchestrator.domain.deployment.record import Deployment, DeploymentOutcome
from orchestrator.domain.deployment.table_sync import SyncCounts
from orchestrator.domain.environment_lock import Kind
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.hash_chain import first_broken_index
from orchestrator.domain.recovery.read_pace import ON_DEMAND_READ_UNITS
from orchestrator.domain.recovery.record import TableRecovery
from orchestrator.domain.recovery.restore import sibling_table_arn
from orchestrator.domain.replay.deployment_replay import EVALUATING, replay_deployment
from orchestrator.domain.verdict import Evidence, Outcome, Verdict, Window
from orchestrator.event_handlers import runtime as event_runtime
from orchestrator.probes import analysis_run
from orchestrator.probes.analysis_run import AnalysisRun
from orchestrator.probes.context import ProbeContext
from orchestrator.tasks import runtime as task_runtime
from state_machines import definitions
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import SETTINGS, cloud_over, execution_arn, machine_arn
from tests.fakes.configuration import FakeCaller, configuration_is
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeAlarms, FakeEvents, FakeRecovery, FakeTopics
from tests.fakes.s3 import FakeS3
from tests.fakes.step_functions import ABORTED, RUNNING, FakeStepFunctions
from tests.fakes.table_access import FakeTableAccess
from tests.samples import FUNCTIONS, delivery_table, recovery, recovery_table, restored_tables, service
from tests.workflow.moto_interpreter import Ended, MotoInterpreter
from tests.workflow.tasks import load_task

HOOK = {
    "name": "load-test",
    "kind": "lambda",
    "phases": ["before_traffic", "after_promotion"],
    "timeout_seconds": 5,
    "function": "arn:aws:lambda:us-west-1:123456789012:function:load-test",
}

ENDED_BADLY = frozenset({"FAILED", "TIMED_OUT", ABORTED})
"""What the rule on execution status changes lets through (infrastructure/orchestrator/event_rules.py)."""

RECONCILES_EVERY_SECONDS = 60.0
TASK_SECONDS = 0.5
"""How long a task takes here."""

MAX_BAKE_SECONDS = 20
PATIENCE_MINUTES = 12
ENDINGS = frozenset({*EVENT_TYPES.values(), "RollbackCompleted"})
"""Events that say how it came out."""


class Broken(AssertionError):
    """An environment that no deployment may leave behind."""


@dataclass(frozen=True)
class Invocation:
    """A task's function, called by a state."""

    machine: str
    execution: str
    state: str
    function: str
    payload: Mapping[str, Any]


Bridge = Callable[[Invocation, Callable[[], Any]], Any]
"""Stands between state and task: (invocation, run the task) -> Lambda's answer. Faults are put in here."""


def straight(_invocation: Invocation, run: Callable[[], Any]) -> Any:
    """No fault."""
    return run()


@dataclass(frozen=True)
class Scenario:
    """How the canary does, and what a person answers to a HOLD.

    Attributes:
        outcome_at: outcome of every probe by the weight at which it looks; PASS where nothing is said.
        answer: what an operator answers to a question; None without an answer.
        when_inconclusive: of the environment's policy.
        changed: whether there is something to ship.
        cutover: whether it is a restore's, which holds the environment lock until the deployment takes it.
        warm: how many environments versions of the function `token` are kept warm with.
        does_not_warm: why canary's do not come to be.
        failback: of a cut-over: it goes back to the tables that the restore had left.
        hooked: whether a hook is asked before traffic and after the promotion. It passes.
    """

    outcome_at: Mapping[int, Outcome] = field(default_factory=dict)
    answer: str = ""
    when_inconclusive: str = "ROLL_BACK"
    changed: bool = True
    cutover: bool = False
    warm: int = 0
    does_not_warm: str = ""
    failback: bool = False
    hooked: bool = False


class World:
    """One environment.

    Args:
        interpreter: runs the definitions; its machines exist already.
        name: the deployment's id, new to the interpreter.
        scenario: how the canary does.
        bridge: between states and tasks.
    """

    def __init__(self, interpreter: MotoInterpreter, name: str, scenario: Scenario, bridge: Bridge = straight) -> None:
        self.interpreter, self.name, self.scenario, self.bridge = interpreter, name, scenario, bridge
        self.clock = SimulatedClock()
        self.begun_at = self.clock.now()
        self.plane = LambdaControlPlane()
        self.plane.warms_after = 2
        if scenario.does_not_warm:
            self.plane.does_not_warm["ib-oauth-token-test"] = scenario.does_not_warm
        self.states = FakeStepFunctions(self.clock.now, interpreter.stop, interpreter.answer)
        self.events, self.topics = FakeEvents(), FakeTopics()
        self.alarms = FakeAlarms(self.clock.now())
        self.table = FakeDynamoDB()
        self.table_access = FakeTableAccess(follows_after=1)
        self.ended: dict[str, Ended] = {}
        self.throttled_since: dict[str, float] = {}
        """When Lambda began to refuse a state's function."""
        self.afterwards: list[Callable[[], Any]] = []
        """What comes when everything is over."""
        self.announced: list[tuple[str, str]] = []
        """(execution, phase) of executions that ended badly and whose event was not delivered yet."""
        for function in FUNCTIONS:
            self.plane.add(f"ib-oauth-{function}-test")
            if scenario.changed:
                self.plane.change(f"ib-oauth-{function}-test", "code-2")
        self.clients: dict[str, Any] = {
            "lambda": self.plane,
            "dynamodb": both(both(self.table, FakeRecovery()), self.table_access),
            "stepfunctions": self.states,
            "events": self.events,
            "sns": self.topics,
            "cloudwatch": self.alarms,
            "s3": FakeS3(),
            "sts": FakeCaller(),
        }
        hooks = {"hooks": [HOOK]} if scenario.hooked else {}
        delivery = delivery_table(
            when_inconclusive=scenario.when_inconclusive, max_bake_seconds=MAX_BAKE_SECONDS, **hooks
        )
        assert DeliveryPolicy.parse(delivery), "the policy is a good one"
        settings = {
            **SETTINGS,
            "RECOVERY_POLICY": json.dumps(recovery_table()),
            "DELIVERY_POLICY": json.dumps(delivery),
            "SERVICE": msgspec.json.encode(replace(service(), warm={"token": scenario.warm})).decode(),
        }
        self.cloud = cloud_over(self.clients, self.clock.now, settings, sleep=self.clock.advance)
        vars(self.cloud)["probe_clients"] = None
        passed = HookAnswer(passed=True, judged=True, reason="fine")
        vars(self.cloud)["hooks"] = SimpleNamespace(call_hook=lambda *_: passed)
        vars(self.cloud)["table_access"] = TableAccess(
            self.table_access, self.table_access.connect, self.clock.now, sleep=self.clock.advance
        )
        # The tables that it leaves accepted nothing after they were closed.
        vars(self.cloud)["late_writes"] = SimpleNamespace(
            read_late_writes=lambda *_: ([], {}), read_past=lambda *_: ({}, True)
        )
        self.measured: list[dict[str, Any]] = []
        vars(self.cloud)["embedded_metrics"] = EmbeddedMetrics("test", self.clock.now, self._measure)
        # Its copy of the tokens table has no family that was revoked meanwhile.
        vars(self.cloud)["restored_tokens"] = lambda *_, **__: SimpleNamespace(
            revoke_logged=lambda _segment: 0, log_epoch=lambda _: None
        )
        if scenario.cutover:
            self._restore()

    def _measure(self, line: str) -> None:
        self.measured.append(json.loads(line))

    def _restore(self) -> None:
        """Be in the middle of a restore that has asked for this deployment."""
        arn = execution_arn("restore", RESTORE)
        tables = restored_tables(RESTORE)
        if self.scenario.failback:
            self._leave_again(tables)
            tables = tuple(
                replace(table, source=table.target, target=table.source, source_arn=_other_table(table))
                for table in tables
            )
        kept = recovery(
            id=RESTORE,
            kind=Kind.RESTORE,
            execution=arn,
            deployment=self.name,
            tables=tables,
            failback_of="re-0" if self.scenario.failback else "",
        )
        self.cloud.restores.create_record(kept)
        self.cloud.restores.acquire_lock(self.cloud.restores.read_lock(), arn, RESTORE, Kind.RESTORE, self.clock.now())

    def _leave_again(self, tables: Iterable[TableRecovery]) -> None:
        """Have the tables closed that a restore had left; they hold what the copies hold."""
        for table in tables:
            self.table_access.put_resource_policy(
                ResourceArn=table.source_arn,
                Policy=json.dumps(blocked_policy(None, table.source_arn)),
                ExpectedRevisionId="NO_POLICY",
            )
        vars(self.cloud)["table_reader"] = SimpleNamespace(
            describe=lambda _: SimpleNamespace(names=("pk",), ttl_attribute="", read_units=ON_DEMAND_READ_UNITS)
        )
        vars(self.cloud)["table_sync"] = lambda *_, **__: SimpleNamespace(
            run_segment=lambda *_: (SyncCounts(), {}, None)
        )
        marks: dict[str, list[LateWrite]] = {}

        def mark(table: str, keys: Iterable[str], token: str, now: datetime) -> None:
            marks.setdefault(table, []).extend(
                LateWrite("shard", 0, now, key, None, {"token": {"S": token}}) for key in keys
            )

        @contextmanager
        def tail(table: str, _positions: Mapping[str, int]) -> Iterator[Any]:
            poll = partial(marks.pop, table, [])
            yield SimpleNamespace(shards=frozenset({"shard"}), positions={}, poll=poll)

        vars(self.cloud)["write_closing"] = SimpleNamespace(
            mark=mark, close=lambda *_: None, extend=lambda *_: True, open=lambda _: None
        )
        self.cloud.late_writes.tail = tail  # type: ignore[method-assign]

    # --- what is done to it ------------------------------------------------------------------------------

    def deploy(self, **params: Any) -> None:
        """Start a deployment and run what follows until no execution is left to run."""
        cutover = {"cutover": RESTORE, "strategy": None} if self.scenario.cutover else {}
        execution_input = json.dumps({"requested_by": "ann", **params, **cutover})
        self.states.start_execution(stateMachineArn=machine_arn("deployment"), name=self.name, input=execution_input)
        self.run_started()

    def run_started(self) -> None:
        """Run the executions that were started, in their order, until none is left."""
        while self.states.pending:
            arn = self.states.pending.pop(0)
            started = self.states.executions[arn]
            ended = self.interpreter.run(started.machine, started.name, started.execution_input)
            self.ended[arn] = ended
            self.states.end(arn, ended.phase)
            if ended.phase in ENDED_BADLY and ended.phase != ABORTED:  # `stop` has announced that one
                self.announced.append((arn, ended.phase))

    def stop(self, arn: str) -> None:
        """Stop an execution from outside, as a person at the console does."""
        self.states.stop_execution(executionArn=arn, error="Stopped", cause="by a person")
        self.announced.append((arn, ABORTED))

    def deliver_event(self, name: str, event: Mapping[str, Any]) -> str:
        """Deliver an event to an event handler."""
        handler = importlib.import_module(f"orchestrator.event_handlers.{name}").handler
        answer: str = handler(event, None)["answer"]
        return answer

    def deliver(self, arn: str, phase: str) -> str:
        """Deliver the event that an execution ended."""
        detail = {
            "executionArn": arn,
            "stateMachineArn": self.states.executions[arn].machine,
            "name": arn.rpartition(":")[2],
            "status": phase,
        }
        return self.deliver_event("execution_status_change", {"id": f"{arn}-{phase}", "detail": detail})

    def ring(self, event_id: str, *, state: str = "ALARM", arn: str = "", age_seconds: float = 0.0) -> str:
        """Deliver an alarm's change, with what EventBridge's rule lets through and what it does not."""
        at = self.clock.now().timestamp() - age_seconds
        detail = {
            "alarmName": (arn or service().alarms[0]).rpartition(":")[2],
            "state": {"value": state, "timestamp": _iso(at), "reason": "7 of 9 datapoints"},
        }
        return self.deliver_event(
            "alarm_state_change", {"id": event_id, "resources": [arn or service().alarms[0]], "detail": detail}
        )

    def settle(self, *, twice: bool = False, backwards: bool = False) -> None:
        """Do what EventBridge does until nothing changes: end events, and the reconciler every minute.

        Args:
            twice: every end event is delivered twice.
            backwards: the last one first.
        """
        for _ in range(PATIENCE_MINUTES):
            while self.announced or self.states.pending:
                self.run_started()
                order = reversed(self.announced) if backwards else iter(self.announced)
                delivered = [one for one in order for _ in range(2 if twice else 1)]
                self.announced.clear()
                for arn, phase in delivered:
                    self.deliver(arn, phase)
            self.clock.advance(RECONCILES_EVERY_SECONDS)
            self.deliver_event("reconcile", {"id": "tick"})
            if not self.cloud.ledger.read_lock().held:
                return

    # --- what it looks like ------------------------------------------------------------------------------

    @property
    def deployment(self) -> Deployment | None:
        return self.cloud.ledger.find_record(self.name)

    @property
    def execution(self) -> str:
        """The deployment's execution."""
        return execution_arn("deployment", self.name)

    def versions(self) -> set[tuple[str, str]]:
        """All routings of all functions, as (version, weights)."""
        routings = (self.plane.routing(f"ib-oauth-{name}-test") for name in FUNCTIONS)
        return {(version, json.dumps(dict(weights))) for version, weights in routings}

    def check(self) -> str:
        """Hold the environment to what every deployment must leave behind; returns "stable" or "canary".

        Raises:
            Broken: it is not so.
        """
        found = self.versions()
        if found not in ({("1", "{}")}, {("2", "{}")}):
            raise Broken(f"not all-stable, not all-canary, or weights left: {sorted(found)}")
        at = "stable" if found == {("1", "{}")} else "canary"
        lock = self.cloud.ledger.read_lock()
        if lock.held:
            raise Broken(f"the lock is left with {lock.execution}")
        running = [arn for arn, one in self.states.executions.items() if one.phase == RUNNING]
        if running:
            raise Broken(f"still running: {running}")
        self._check_notified()
        self._check_record(at)
        if self.scenario.cutover:
            self._check_table_access(at)
        return at

    def _check_table_access(self, at: str) -> None:
        names = {"own": service().tables, "copies": tuple(table.target for table in restored_tables(RESTORE))}
        left = names["copies" if self.scenario.failback else "own"]
        closed = {name: self.table_access.closed(name) for tables in names.values() for name in tables}
        # A restore's copies are open all the time; what is gone back to is closed unless clients are on it.
        others = {name: self.scenario.failback and at == "stable" for tables in names.values() for name in tables}
        if closed != {**others, **dict.fromkeys(left, at == "canary")}:
            raise Broken(f"all {at}, but the tables are closed or open like this: {closed}")

    def _check_notified(self) -> None:
        completed = [kind for kind, detail in self.events.put if kind in ENDINGS and detail["deployment"] == self.name]
        if not completed and not self.topics.published:
            raise Broken("no event or message says how it ended")
        found = self.deployment
        if completed and found is not None and found.outcome is not None:
            # What succeeded may be rolled back later; nothing ends after that.
            rolled_back = found.outcome is DeploymentOutcome.ROLLED_BACK or found.keeps_canary
            ended = "RollbackCompleted" if rolled_back else EVENT_TYPES[found.outcome]
            if completed[-1] != ended:
                raise Broken(f"the ledger says {found.outcome}, and the events say {completed}")

    def _check_record(self, at: str) -> None:
        found = self.deployment
        if found is None:
            return
        counted = [line["outcome"] for line in self.measured if "Deployments" in line]
        if len(counted) != 1:
            raise Broken(f"a deployment is counted once, by how it ended: {counted}")
        rollbacks = [line["trigger"] for line in self.measured if "Rollbacks" in line]
        if len(rollbacks) != (found.outcome is DeploymentOutcome.ROLLED_BACK or found.keeps_canary):
            raise Broken(f"{found.outcome} is counted as {len(rollbacks)} rollbacks")
        endings = {
            "canary": {DeploymentOutcome.SUCCEEDED},
            "stable": set(DeploymentOutcome) - {DeploymentOutcome.SUCCEEDED},
        }[at]
        if found.outcome not in endings or found.ended_at is None:
            raise Broken(f"all {at}, but the ledger says {found.outcome or 'that it goes on'} in phase {found.phase}")
        broken = first_broken_index(self.cloud.ledger.read_decision_bodies(self.name))
        if broken is not None:
            raise Broken(f"decision {broken} does not continue the chain")
        self._check_replay(found)

    def _check_replay(self, found: Deployment) -> None:
        """Hold today's rules to the recorded evidence: it gives the recorded decisions."""
        entries = self.cloud.ledger.read_decisions(self.name)
        if found.cutover is not None or not any(entry.state in EVALUATING and entry.evidence for entry in entries):
            return
        replayed = replay_deployment(found, entries, found.plan.limits)
        wrong = [one for one in replayed.decisions if not one.same]
        if wrong:
            raise Broken(f"a replay decides differently: {wrong}")

    # --- tasks -------------------------------------------------------------------------------------------

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Called by the interpreter for every invocation of a task."""
        machine, execution = payload["execution"].split(":")[-2:]
        invocation = Invocation(machine.split("-")[2], payload["execution"], payload["state_name"], function, payload)
        assert execution, "an execution has a name"
        return self.bridge(invocation, lambda: self.call(invocation))

    def call(self, invocation: Invocation) -> Any:
        """Run a task, as Lambda does, and answer as Lambda does."""
        module = invocation.function.rpartition(":task-")[2].replace("-", "_")
        self.clock.advance(TASK_SECONDS)
        try:
            answer = load_task(module).handler(invocation.payload, None)
        except (OrchestratorError, ClientError, AssertionError, LookupError, TypeError, ValueError) as error:
            return raised(type(error).__name__, str(error))
        self._answer_hold(invocation)
        return {"Payload": json.loads(json.dumps(answer))}

    def _answer_hold(self, invocation: Invocation) -> None:
        if invocation.payload.get("token") and self.scenario.answer:
            answer = {"request": self.scenario.answer, "by": "ann", "at": self.clock.now().isoformat()}
            self.states.send_task_success(taskToken=invocation.payload["token"], output=json.dumps(answer))

    def look(self, scene: ProbeContext, _instruments: object) -> AnalysisRun:
        """In place of every probe."""
        verdict = Verdict(
            self.scenario.outcome_at.get(scene.weight_percent, Outcome.PASS), f"at {scene.weight_percent} %"
        )
        evidence = Evidence("health", verdict, scene.versions, Window(scene.now, scene.now), "the test", 1)
        return AnalysisRun(verdict, (evidence,), scene.prior, tuple(scene.preexisting_alarms))


RESTORE = "re-1"


def _other_table(table: TableRecovery) -> str:
    return sibling_table_arn(table.source_arn, table.target)


def raised(error: str, message: str = "") -> Any:
    """Lambda's answer for a function that raised."""
    return {"FunctionError": "Unhandled", "Payload": {"errorType": error, "errorMessage": message}}


def function_arns(name: str) -> Mapping[str, str]:
    """What a definition's placeholders are bound to here."""
    return {
        placeholder: f"arn:aws:lambda:us-west-1:123456789012:function:task-{definitions.module_of(placeholder).replace('_', '-')}"
        for placeholder in definitions.load(name).placeholders
    }


ANALYSES = ("analyze_canary", "run_flows", "verify_after_cutover", "verify_before_traffic", "verify_stable")
"""The functions of orchestrator.probes.analysis_run by which tasks look at the world."""


@contextmanager
def inhabited(world: World) -> Iterator[World]:
    """Make this world the one that tasks, handlers and the interpreter reach."""
    quiet = SimpleNamespace(info=lambda *_, **__: None, error=lambda *_, **__: None, warning=lambda *_, **__: None)
    with ExitStack() as patches:
        patches.enter_context(configuration_is())
        patches.enter_context(mock.patch.object(task_runtime, "_cloud", world.cloud))
        patches.enter_context(mock.patch.object(task_runtime, "logger", quiet))
        patches.enter_context(mock.patch.object(event_runtime, "_cloud", world.cloud))
        patches.enter_context(mock.patch.object(event_runtime, "logger", quiet))
        for name in ANALYSES:
            patches.enter_context(mock.patch.object(analysis_run, name, world.look))
        world.interpreter.connect(world.invoke, world.clock.advance)
        yield world


def both(first: Any, second: Any) -> Any:
    """One client with the operations of two."""

    class Both:
        def __getattr__(self, operation: str) -> Any:
            return getattr(first, operation, None) or getattr(second, operation)

        def get_paginator(self, operation: str) -> Any:
            try:
                return first.get_paginator(operation)
            except AttributeError:
                return second.get_paginator(operation)

    return Both()


def _iso(epoch_seconds: float) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).isoformat()
