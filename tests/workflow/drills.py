"""An environment in memory whose tables are restored: real tasks, real adapters, the drill's definition, simulated time."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec
from botocore.exceptions import ClientError

import orchestrator.intake
import orchestrator.tasks
from orchestrator.aws.measures import Measures
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery import Recovery
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import REGION, SETTINGS, Cloud, execution_arn, machine_arn
from tests.fakes.configuration import FakeCaller, configuration_is
from tests.fakes.contents import Contents
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.messages import FakeEvents, FakeTopics
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.s3 import FakeS3
from tests.fakes.serving import FakeServing
from tests.fakes.step_functions import FakeStepFunctions
from tests.fakes.stock_tables import StockTables
from tests.samples import recovery_table, service
from tests.workflow.moto_interpreter import Ended, MotoInterpreter
from tests.workflow.world import Bridge, Invocation, raised, straight

STATE, TOKENS = "ib-oauth-state-test", "ib-oauth-tokens-test"
TASK_SECONDS = 0.5
ITEMS = 40


class DrillWorld:
    """One environment with two tables.

    Args:
        interpreter: runs the definition; its machine exists already.
        bridge: between states and tasks.
        tables: how restores go; otherwise as AWS's do.
        policy: changes of the environment's [recovery].
    """

    def __init__(
        self,
        interpreter: MotoInterpreter,
        bridge: Bridge = straight,
        tables: Callable[[SimulatedClock], RestorableTables | StockTables] | None = None,
        **policy: Any,
    ) -> None:
        self.interpreter, self.bridge = interpreter, bridge
        self.clock = SimulatedClock()
        self.tables = tables(self.clock) if tables else RestorableTables(self.clock.now)
        for name in (STATE, TOKENS):
            if name not in self.tables.tables:
                self.tables.add(name)
        self.contents = Contents(self.tables, self.clock.now)
        for name in (STATE, TOKENS):
            if isinstance(self.tables, RestorableTables):
                self.contents.stream(name)
            for number in range(ITEMS):
                self.contents.put(name, {"pk": {"S": f"item {number}"}, "n": {"N": str(number)}})
        # All of that was long ago.
        self.clock.advance(3600)
        self.begun_at = self.clock.now()
        self.states = FakeStepFunctions(self.clock.now, interpreter.stop, interpreter.answer)
        self.serving = FakeServing(self.tables)
        self.events, self.topics, self.s3 = FakeEvents(), FakeTopics(), FakeS3()
        self.measured: list[dict[str, Any]] = []
        """Log lines that are metrics."""
        settings = {
            **SETTINGS,
            "AWS_REGION": REGION,
            "SERVICE": msgspec.json.encode(service()).decode(),
            "DRILL_MACHINE": machine_arn("drill"),
            "RECOVERY": json.dumps(recovery_table(**policy)),
            "TABLES": json.dumps({"state": STATE, "tokens": TOKENS}),
        }
        clients = {
            "dynamodb": _both(FakeDynamoDB(), self.tables, self.contents),
            "dynamodbstreams": self.contents,
            "application-autoscaling": None,
            "lambda": self.serving,
            "iam": self.serving,
            "logs": self.serving,
            "resourcegroupstaggingapi": self.serving,
            "stepfunctions": self.states,
            "events": self.events,
            "sns": self.topics,
            "s3": self.s3,
            "sts": FakeCaller(),
        }
        self.cloud = Cloud(
            settings,
            clients=clients.__getitem__,
            now=self.clock.now,
            wires=self.contents.wire,
            sleep=self.clock.advance,
        )
        vars(self.cloud)["measures"] = Measures(
            "test", self.clock.now, lambda line: self.measured.append(json.loads(line))
        )

    def drill(self, name: str, **given: Any) -> Ended:
        """Run a drill to its end."""
        asked = json.dumps({"requested_by": "ann", **given})
        machine = machine_arn("drill")
        self.states.start_execution(stateMachineArn=machine, name=name, input=asked)
        ended = self.interpreter.run(machine, name, asked)
        self.states.end(self.execution(name), ended.phase)
        return ended

    def run_started(self) -> None:
        """Run the executions that were started, in their order, until none is left."""
        while self.states.pending:
            started = self.states.executions[self.states.pending.pop(0)]
            self.states.end(started.arn, self.interpreter.run(started.machine, started.name, started.given).phase)

    def execution(self, name: str) -> str:
        """A drill's execution."""
        return execution_arn("drill", name)

    def stop(self, name: str) -> None:
        """Stop a drill from outside, as somebody at the console does."""
        self.states.stop_execution(executionArn=self.execution(name), error="Stopped", cause="by a person")

    def deliver_end(self, name: str, phase: str) -> str:
        """Deliver the event that a drill ended badly."""
        return self.intake("sweep", {"id": f"{name}-{phase}", "detail": {"name": name, "status": phase}})

    def sweep(self) -> str:
        """What the schedule does every five minutes."""
        return self.intake("sweep", {"id": "tick", "detail": {}})

    def recovery(self, name: str) -> Recovery:
        """What the ledger keeps of a drill."""
        return self.cloud.drills.read(name)

    def copies(self) -> set[str]:
        """The names of the copies that there are."""
        if isinstance(self.tables, StockTables):
            return self.tables.copies()
        return {name for name in self.tables.tables if name.startswith("ib-oauth-drill-")}

    def intake(self, name: str, event: Mapping[str, Any]) -> str:
        """Deliver an event to an intake."""
        answer: str = importlib.import_module(f"orchestrator.intake.{name}").handler(event, None)["answer"]
        return answer

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Called by the interpreter for every invocation of a task."""
        invocation = Invocation("drill", payload["execution"], payload["state"], function, payload)
        return self.bridge(invocation, lambda: self.call(invocation))

    def call(self, invocation: Invocation) -> Any:
        """Run a task, as Lambda does, and answer as Lambda does."""
        module = invocation.function.rpartition(":task-")[2].replace("-", "_")
        self.clock.advance(TASK_SECONDS)
        try:
            answer = importlib.import_module(f"orchestrator.tasks.{module}").handler(invocation.payload, None)
        except (OrchestratorError, ClientError) as error:
            return raised(type(error).__name__, str(error))
        return {"Payload": json.loads(json.dumps(answer))}


@contextmanager
def drilled(world: DrillWorld) -> Iterator[DrillWorld]:
    """Make this world the one that tasks, intakes and the interpreter reach."""
    quiet = SimpleNamespace(info=lambda *_, **__: None, error=lambda *_, **__: None, warning=lambda *_, **__: None)
    with ExitStack() as patches:
        patches.enter_context(configuration_is())
        for module in (orchestrator.tasks, orchestrator.intake):
            patches.enter_context(mock.patch.object(module, "_cloud", world.cloud))
            patches.enter_context(mock.patch.object(module, "logger", quiet))
        world.interpreter.connect(world.invoke, world.clock.advance)
        yield world


def _both(ledger: Any, tables: Any, contents: Contents) -> Any:
    """One client: the ledger's operations, those of tables, and those of a saboteur on the items of copies."""

    class Both:
        def __getattr__(self, operation: str) -> Any:
            other = getattr(ledger, operation, None) or getattr(tables, operation, None)
            if operation not in {"scan", "put_item", "delete_item"}:
                return other

            def call(**asked: Any) -> Any:
                copy = asked["TableName"].startswith("ib-oauth-drill-")
                return (getattr(contents, operation) if copy else other)(**asked)

            return call

    return Both()
