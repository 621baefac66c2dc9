"""An environment in memory whose tables are restored: real tasks, real adapters, the drill's definition, simulated time."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec
from botocore.exceptions import ClientError

from orchestrator.application.cloud import LIVE
from orchestrator.aws.cloudwatch.embedded_metrics import EmbeddedMetrics
from orchestrator.aws.lambda_.aliases import Aliases
from orchestrator.aws.lambda_.isolated_functions import IsolatedFunctions
from orchestrator.aws.oauth_tables.restored_tokens import RestoredTokens
from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.recovery.record import Recovery
from orchestrator.event_handlers import runtime as event_runtime
from orchestrator.tasks import runtime as task_runtime
from tests.fakes.attached import NothingAttached
from tests.fakes.backup import COPY_REGION, COPY_VAULT, DRILL_VAULT, VAULT, FakeBackup
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import REGION, SETTINGS, Cloud, execution_arn, machine_arn
from tests.fakes.configuration import FakeCaller, configuration_is
from tests.fakes.contents import Contents
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.exports import FakeExports
from tests.fakes.messages import FakeEvents, FakeTopics
from tests.fakes.oauth_service import PACKAGE, Keys, OAuthFunctions
from tests.fakes.restorable_tables import RestorableTables
from tests.fakes.s3 import FakeS3
from tests.fakes.scaling import FakeScaling
from tests.fakes.step_functions import FakeStepFunctions
from tests.fakes.stock_tables import StockTables
from tests.fakes.tables import Tables
from tests.fakes.tagging import FakeTagging
from tests.samples import recovery_table, service
from tests.workflow.moto_interpreter import Ended, MotoInterpreter
from tests.workflow.tasks import load_task
from tests.workflow.world import Bridge, Invocation, raised, straight

STATE, TOKENS, REVOCATIONS = "ib-oauth-state-test", "ib-oauth-tokens-test", "ib-oauth-revocations-test"
TASK_SECONDS = 0.5
OF_ITEMS = frozenset(
    {
        "batch_get_item",
        "batch_write_item",
        "delete_item",
        "get_item",
        "put_item",
        "query",
        "scan",
        "transact_write_items",
        "update_item",
    }
)
"""DynamoDB's operations on items. All others are on tables."""
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
        self.rows = Tables(STATE, TOKENS, REVOCATIONS, prefix="rows-")
        self.keys = Keys()
        self.functions = OAuthFunctions(
            self.rows, self.keys, self.clock.now, state=STATE, tokens=TOKENS, revocations=REVOCATIONS
        )
        self.ledger = FakeDynamoDB()
        self.at_the_point: dict[str, list[Any]] = {}
        self.past: list[tuple[datetime, dict[str, list[Any]]]] = []
        """The service's rows at earlier times, in their order, for restores to older points."""
        self.states = FakeStepFunctions(self.clock.now, interpreter.stop, interpreter.answer)
        self.events, self.topics, self.s3, self.second_place = FakeEvents(), FakeTopics(), FakeS3(), FakeS3()
        self.scaling = FakeScaling()
        self.exports = FakeExports(self.clock.now, self.contents.held, self.s3.objects)
        self.measured: list[dict[str, Any]] = []
        """Log lines that are metrics."""
        settings = {
            **SETTINGS,
            "AWS_REGION": REGION,
            "SERVICE": msgspec.json.encode(service()).decode(),
            "DRILL_MACHINE": machine_arn("drill"),
            "RECOVERY_POLICY": json.dumps(recovery_table(**policy)),
            "SOURCE_TABLES": json.dumps({"state": STATE, "tokens": TOKENS}),
            "BACKUP_VAULT": VAULT,
            "COPY_REGION": COPY_REGION,
            "COPY_VAULT": COPY_VAULT,
            "COPY_ROLE": "arn:aws:iam::123456789012:role/ib-oauth-backups-test",
            "DRILL_VAULT": DRILL_VAULT,
            "RESTORE_ROLE": "arn:aws:iam::123456789012:role/ib-oauth-restores-of-drills-test",
        }
        self.vault = (
            FakeBackup(self.tables, self.clock.now, self.fill) if isinstance(self.tables, RestorableTables) else None
        )
        clients = {
            "dynamodb": _Routed(self),
            "kms": self.keys,
            "cloudwatch": None,
            "backup": self.vault,
            "dynamodbstreams": self.contents,
            "application-autoscaling": self.scaling,
            "lambda": self.functions,
            "logs": None,
            "resourcegroupstaggingapi": FakeTagging(self.tables),
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
            client_in=lambda service, _region: self.vault if service == "backup" else self.second_place,
        )
        # Scans of whole tables read `contents`, which has no families; these are the client's.
        vars(self.cloud)["restored_tokens"] = partial(RestoredTokens, self.cloud.clients("dynamodb"))
        vars(self.cloud)["embedded_metrics"] = EmbeddedMetrics(
            "test", self.clock.now, lambda line: self.measured.append(json.loads(line))
        )
        vars(self.cloud)["table_attachments"] = NothingAttached()
        # Nothing is paced in real time, and packages come from nowhere.
        vars(self.cloud)["aliases"] = Aliases(clients["lambda"], LIVE, sleep=self.clock.advance)
        vars(self.cloud)["isolated_functions"] = IsolatedFunctions(clients["lambda"], fetch=lambda _address: PACKAGE)

    def drill(self, name: str, **params: Any) -> Ended:
        """Run a drill to its end."""
        execution_input = json.dumps({"requested_by": "ann", **params})
        machine = machine_arn("drill")
        self.states.start_execution(stateMachineArn=machine, name=name, input=execution_input)
        ended = self.interpreter.run(machine, name, execution_input)
        self.states.end(self.execution(name), ended.phase)
        return ended

    def fill(self, source: str, target: str, point: datetime | None = None) -> None:
        """Put the service's rows of a table, as of the point, into a table that was restored from it."""
        self.rows.add(target)
        known = [held for at, held in self.past if point is not None and at <= point]
        for item in (known[-1] if known else self.at_the_point)[source]:
            self.rows.put_item(TableName=target, Item=item)

    def remember(self) -> datetime:
        """Keep the service's rows for restores to a point from now on; return the next whole second."""
        now = self.clock.now()
        self.past.append((now, self._rows_of_now()))
        return now.replace(microsecond=0) + timedelta(seconds=1)

    def keep_grants(self) -> str:
        """What the schedule of standing grants does."""
        scheduled = self.clock.now().isoformat()
        return self.deliver_event("start_drill", {"id": "tick", "keep": "standing-grants", "scheduled": scheduled})

    def _rows_of_now(self) -> dict[str, list[Any]]:
        return {name: self.rows.scan(TableName=name)["Items"] for name in (STATE, TOKENS)}

    def run_started(self) -> None:
        """Run the executions that were started, in their order, until none is left."""
        while self.states.pending:
            started = self.states.executions[self.states.pending.pop(0)]
            self.states.end(
                started.arn, self.interpreter.run(started.machine, started.name, started.execution_input).phase
            )

    def execution(self, name: str) -> str:
        """A drill's execution."""
        return execution_arn("drill", name)

    def stop(self, name: str) -> None:
        """Stop a drill from outside, as an operator at the console does."""
        self.states.stop_execution(executionArn=self.execution(name), error="Stopped", cause="by a person")

    def deliver_end(self, name: str, phase: str) -> str:
        """Deliver the event that a drill ended badly."""
        return self.deliver_event(
            "clean_up_drills", {"id": f"{name}-{phase}", "detail": {"name": name, "status": phase}}
        )

    def sweep(self) -> str:
        """What the schedule does every five minutes."""
        return self.deliver_event("clean_up_drills", {"id": "tick", "detail": {}})

    def recovery(self, name: str) -> Recovery:
        """What the ledger keeps of a drill."""
        return self.cloud.drills.read_record(name)

    def copies(self) -> set[str]:
        """The names of the copies that there are."""
        if isinstance(self.tables, StockTables):
            return self.tables.copies()
        return {name for name in self.tables.tables if name.startswith("ib-oauth-drill-")}

    def deliver_event(self, name: str, event: Mapping[str, Any]) -> str:
        """Deliver an event to an event handler."""
        answer: str = importlib.import_module(f"orchestrator.event_handlers.{name}").handler(event, None)["answer"]
        return answer

    def invoke(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Called by the interpreter for every invocation of a task."""
        invocation = Invocation("drill", payload["execution"], payload["state_name"], function, payload)
        return self.bridge(invocation, lambda: self.call(invocation))

    def call(self, invocation: Invocation) -> Any:
        """Run a task, as Lambda does, and answer as Lambda does."""
        module = invocation.function.rpartition(":task-")[2].replace("-", "_")
        if module == "revoke_seeded_grants":
            # The last that is as at the point: from here on the tables change.
            self.at_the_point = self._rows_of_now()
        self.clock.advance(TASK_SECONDS)
        try:
            answer = load_task(module).handler(invocation.payload, None)
        except (OrchestratorError, ClientError) as error:
            return raised(type(error).__name__, str(error))
        return {"Payload": json.loads(json.dumps(answer))}


def reaching(state: str) -> dict[str, str]:
    """The policy under which a drill comes by a state."""
    return {"source_at_point": "export"} if state == "AwaitExport" else {}


@contextmanager
def drilled(world: DrillWorld) -> Iterator[DrillWorld]:
    """Make this world the one that tasks, handlers and the interpreter reach."""
    quiet = SimpleNamespace(info=lambda *_, **__: None, error=lambda *_, **__: None, warning=lambda *_, **__: None)
    with ExitStack() as patches:
        patches.enter_context(configuration_is())
        for module in (task_runtime, event_runtime):
            patches.enter_context(mock.patch.object(module, "_cloud", world.cloud))
            patches.enter_context(mock.patch.object(module, "logger", quiet))
        world.interpreter.connect(world.invoke, world.clock.advance)
        yield world


def _is_fault_injection(operation: str, params: Mapping[str, Any]) -> bool:
    """Whether it is about the items of which contents are made, and not about those of the service."""
    item = params.get("Item") or params.get("Key") or {}
    return (operation == "scan" and "Segment" not in params) or (
        operation in {"put_item", "delete_item"} and item.get("pk", {}).get("S", "").startswith("item ")
    )


class _Routed:
    """One DynamoDB client: the ledger's items, the items of the service's tables and copies, and tables as things to be restored."""

    def __init__(self, world: DrillWorld) -> None:
        self._world = world

    def __getattr__(self, operation: str) -> Any:
        world = self._world
        own = {
            "restore_table_to_point_in_time": self._restore,
            "restore_table_from_backup": self._restore_backup,
            "delete_table": self._delete,
        }
        if operation in own:
            return own[operation]
        if operation in {"export_table_to_point_in_time", "describe_export"}:
            return getattr(world.exports, operation)
        if operation == "get_paginator":
            return lambda name: (world.ledger if name in OF_ITEMS else world.tables).get_paginator(name)
        if operation not in OF_ITEMS:
            return getattr(world.tables, operation)

        def call(**params: Any) -> Any:
            named = params.get("TableName") or next(iter(params.get("RequestItems", {})), "")
            copy = named.startswith("ib-oauth-drill-")
            if copy and _is_fault_injection(operation, params):
                return getattr(world.contents, operation)(**params)
            ours = copy or named in {STATE, TOKENS, REVOCATIONS}
            return getattr(world.rows if ours else world.ledger, operation)(**params)

        return call

    def _restore(self, **params: Any) -> Any:
        answer = self._world.tables.restore_table_to_point_in_time(**params)
        self._world.fill(params["SourceTableName"], params["TargetTableName"], params["RestoreDateTime"])
        return answer

    def _restore_backup(self, **params: Any) -> Any:
        answer = self._world.tables.restore_table_from_backup(**params)
        backup = self._world.tables.backups[params["BackupArn"]]
        self._world.fill(backup["TableName"], params["TargetTableName"], backup["BackupCreationDateTime"])
        return answer

    def _delete(self, *, TableName: str) -> Any:  # noqa: N803 - botocore's
        answer = self._world.tables.delete_table(TableName=TableName)
        self._world.rows.delete_table(TableName=TableName)
        return answer
