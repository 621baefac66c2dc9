"""An environment for commands that wait: time passes only while a command sleeps, and then the scene goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from orchestrator import environments
from orchestrator.cli.context import Context
from orchestrator.domain.deployment.outcome import refused_deployment
from orchestrator.domain.deployment.record import Deployment, EventRecord
from orchestrator.domain.environment_lock import Kind
from tests.fakes.clock import SimulatedClock
from tests.fakes.clouds import ACCOUNT, SETTINGS, cloud_over
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.lambda_control_plane import LambdaControlPlane
from tests.fakes.messages import FakeAlarms, FakeEvents
from tests.fakes.step_functions import FakeStepFunctions
from tests.samples import deployment

STEP_SECONDS = 1.0
"""Time between two events of a scene."""


class _NoMetrics:
    """No metric was ever written."""

    def read_metrics(self, queries: Any, _window: Any) -> dict[str, dict[Any, float]]:
        return {query.id: {} for query in queries}


@dataclass
class Scene:
    """A `Context` over fakes, with what happens while a command waits."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    table: FakeDynamoDB = field(default_factory=FakeDynamoDB)
    plane: LambdaControlPlane = field(default_factory=LambdaControlPlane)
    events: FakeEvents = field(default_factory=FakeEvents)
    story: list[Callable[[], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = FakeStepFunctions(self.clock.now, lambda _arn: None, lambda _token, _output: False)
        self.alarms = FakeAlarms(self.clock.now())
        clients = {
            "dynamodb": self.table,
            "lambda": self.plane,
            "stepfunctions": self.states,
            "events": self.events,
            "cloudwatch": self.alarms,
        }
        self.context = Context(environments.load("local"), clients.__getitem__)
        vars(self.context)["account"] = ACCOUNT
        settings = {**SETTINGS, "ROLLBACK_MACHINE": self.context.state_machine_arn("rollback")}
        self.cloud = cloud_over(clients, self.clock.now, settings, self.sleep)
        vars(self.context)["cloud"] = self.cloud
        vars(self.cloud)["probe_clients"] = SimpleNamespace(metrics=_NoMetrics())
        self._printed_at = self.clock.now()
        for name in environments.FUNCTIONS:
            self.plane.add(f"ib-oauth-{name}-local")
            self.plane.add(f"ib-oauth-{name}-test")  # the functions of `tests.samples.deployment`

    def sleep(self, seconds: float) -> None:
        """Let time pass; every second one event of the story happens."""
        self.clock.advance(seconds)
        if self.story and (self.clock.now() - self._printed_at).total_seconds() >= STEP_SECONDS:
            self._printed_at = self.clock.now()
            self.story.pop(0)()

    def execution(self, machine: str, name: str) -> str:
        """The ARN of an execution of this environment."""
        return f"{self.context.state_machine_arn(machine).replace(':stateMachine:', ':execution:')}:{name}"

    def record(self, **changes: Any) -> Deployment:
        """A deployment of this environment."""
        name = changes.get("id", "d-1")
        fields = {"environment": "local", "execution": self.execution("deployment", name), **changes}
        return deployment(**fields)

    def start(self, name: str = "d-1") -> None:
        """Have the execution of a deployment run."""
        arn = self.context.state_machine_arn("deployment")
        self.states.start_execution(stateMachineArn=arn, name=name, input='{"requested_by":"ann"}')

    def holding_lock(self, name: str = "d-1", kind: Kind = Kind.DEPLOYMENT) -> int:
        """Have a deployment hold the environment lock; return its fencing token."""
        ledger = self.cloud.ledger
        arn = self.execution(kind.value if kind is Kind.ROLLBACK else "deployment", name)
        return ledger.acquire_lock(ledger.read_lock(), arn, name, kind, self.clock.now()).fencing_token

    def save(self, record: Deployment) -> Callable[[], Any]:
        """An event: the record becomes this one."""
        return lambda: self.cloud.ledger.save_unlocked(record)

    def create(self, record: Deployment) -> Callable[[], Any]:
        """An event: the plan is written."""
        return lambda: self.cloud.ledger.create_record(record)

    def refuse(self, why: str, name: str = "d-1") -> Callable[[], Any]:
        """An event: the plan refuses the request."""
        return lambda: self.cloud.ledger.record_refusal(
            EventRecord(name, self.clock.now(), "request", name, acted=False, why=why, deployment=name)
        )

    def refuse_planned(self, record: Deployment, why: str) -> Callable[[], Any]:
        """An event: the lock or the readiness refuses a planned deployment."""
        return lambda: self.cloud.ledger.save_unlocked(refused_deployment(record, why, self.clock.now()))
