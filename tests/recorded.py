"""Deployments that the real tasks record, over fakes: what the ledger then has is what a report and a replay read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.analysis.observations import AlarmState, LogLine, LogPage
from orchestrator.domain.deployment.decision import Action
from orchestrator.domain.deployment.outcome import outcome_of
from orchestrator.domain.deployment.record import (
    Deployment,
    DeploymentOutcome,
    DeploymentPhase,
    EventRecord,
    OperatorCommand,
    Rollback,
    RollbackTrigger,
    Shift,
)
from orchestrator.domain.rollback.incident import open_incident
from orchestrator.probes.ports import ProbeClients
from orchestrator.tasks.deployment.analyze_canary import analyze_canary
from orchestrator.tasks.deployment.verify_after_promotion import verify_after_promotion
from orchestrator.tasks.deployment.verify_before_traffic import verify_before_traffic
from orchestrator.tasks.runtime import TaskInput
from tests.fakes.two_versions import CANARY, STABLE, TwoVersions
from tests.fakes.version_metrics import FakeVersionMetrics
from tests.samples import ALARM, functions, plan, service
from tests.unit.cli.actions.scenes import Scene

REVERT_SECONDS = 2.5
MOST_EVALUATIONS = 60


class Alarms:
    """Alarms that are all OK, but for those that are `firing`."""

    def __init__(self, now: Any) -> None:
        self.firing: set[str] = set()
        self._now = now

    def read_states(self, arns: Any) -> Mapping[str, AlarmState]:
        return {
            arn: AlarmState(arn.rpartition(":")[2], "ALARM" if arn in self.firing else "OK", self._now(), "")
            for arn in arns
        }


class Logs:
    """A log in which the canary has a kind of error of its own, every so many seconds; 0 for none."""

    every_seconds = 0

    def read_errors(self, _group: str, window: Any) -> LogPage:
        if not self.every_seconds:
            return LogPage((), complete=True)
        first, last = int(window.start.timestamp()), int(window.end.timestamp())
        times = [window.start.fromtimestamp(at, window.start.tzinfo) for at in range(first, last, self.every_seconds)]
        lines = [LogLine(at, f"2026/11/23/[{CANARY}]abc", "[ERROR] NewError: <b>broken</b>") for at in times]
        return LogPage(tuple(lines), complete=True)


@dataclass
class Recorder:
    """Runs deployments through the evaluating tasks, and writes what the other states would have written."""

    scene: Scene = field(default_factory=Scene)
    metrics: FakeVersionMetrics = field(default_factory=FakeVersionMetrics)
    service: TwoVersions = field(default_factory=TwoVersions)
    logs: Logs = field(default_factory=Logs)
    worse_after: int = 0
    """The evaluation from which the canary fails as `metrics` says; before it both versions are healthy."""

    def __post_init__(self) -> None:
        self.alarms = Alarms(self.scene.clock.now)
        vars(self.scene.cloud)["probe_clients"] = ProbeClients(
            self.metrics, self.logs, self.alarms, self.service, self.service, self.service, None, self.service.time.pace
        )
        vars(self.scene.cloud)["announce"] = lambda *_, **__: None

    @property
    def ledger(self) -> Any:
        return self.scene.cloud.ledger

    def deploy(self, name: str = "d-1", stop_after: int = MOST_EVALUATIONS, **changes: Any) -> Deployment:
        """Run a deployment to its end, or so many evaluations of it, and return its record."""
        record = self.scene.record(
            **{
                "id": name,
                "phase": DeploymentPhase.READY,
                "functions": functions(STABLE, CANARY),
                "service": service(),
                "plan": plan(),
                "requested_at": self.scene.clock.now(),
                **changes,
            }
        )
        self.token = self.scene.holding_lock(name)
        self.ledger.create_record(record)
        self.scene.clock.advance(4.25)
        decision = self._run(verify_before_traffic, "VerifyBeforeTraffic", name, {"step": 0, "evaluation": 0})
        healthy, worse = {}, self.metrics.errors
        for number in range(stop_after):
            self.metrics.errors = worse if number >= self.worse_after else healthy
            if decision.action is Action.ADVANCE:
                self._shift(name, decision.step, self.ledger.read_record(name).plan.steps[decision.step].weight_percent)
            if decision.action in {Action.ADVANCE, Action.BAKE}:
                self.scene.clock.advance(decision.wait_seconds + 0.5)
                decision = self._run(analyze_canary, "AnalyzeCanary", name, vars_of(decision))
            elif decision.action in {Action.PROMOTE, Action.WAIT_FOR_METRICS}:
                if decision.action is Action.PROMOTE:
                    self._shift(name, decision.step, 100)
                self.scene.clock.advance(20.5)
                decision = self._run(verify_after_promotion, "VerifyAfterPromotion", name, vars_of(decision))
            else:
                break
        self.metrics.errors = worse
        if decision.action is Action.ROLL_BACK:
            self.roll_back(name, RollbackTrigger("verdict", decision.reason, self.scene.clock.now()))
        elif decision.action is Action.FINISH:
            done = self.ledger.read_record(name)
            outcome, reason = outcome_of({}, done)
            self._save(replace(done, phase=DeploymentPhase.ENDED, outcome=outcome, reason=reason), ended=True)
        return self.ledger.read_record(name)

    def command(self, name: str, request: str, by: str = "ann") -> None:
        """Send an operator's command."""
        self.ledger.record_command(name, OperatorCommand(request, by, self.scene.clock.now()))

    def alarm(self, name: str, why: str, alarm: str = ALARM, odds: float = 0.0) -> None:
        """Deliver an alarm that rolls the deployment back."""
        at, title = self.scene.clock.now(), alarm.rpartition(":")[2]
        spent = {"percent": 0.05, "evidence": odds, "needed": 8000.0} if odds else {}
        event = EventRecord("e-1", at, "alarm", title, acted=True, why=why, deployment=name, false_alarm=spent)
        self.ledger.record_event(event)
        self.scene.clock.advance(0.4)
        self.roll_back(name, RollbackTrigger("alarm", f"{title}: {why}", at, "e-1"))

    def roll_back(self, name: str, trigger: RollbackTrigger) -> None:
        """Record a rollback and its incident, as its state machine does."""
        self.ledger.add_trigger(name, trigger)
        locked, self.service.weight_percent = self.scene.clock.now(), 0
        self.scene.clock.advance(REVERT_SECONDS)
        rollback = Rollback(trigger, "rollback", locked, self.scene.clock.now(), self.scene.clock.now(), 6)
        record = replace(
            self.ledger.read_record(name),
            phase=DeploymentPhase.ENDED,
            rollback=rollback,
            outcome=DeploymentOutcome.ROLLED_BACK,
            reason=trigger.reason,
            ended_at=self.scene.clock.now(),
        )
        incident = open_incident(record, self.ledger.read_decisions(name), self.scene.clock.now())
        self.ledger.close_incident(incident, record, self.token)

    def _shift(self, name: str, step: int, weight: int) -> None:
        record = self.ledger.read_record(name)
        shift = Shift(step, weight, self.scene.clock.now())
        self.service.weight_percent = weight
        self._save(replace(record, phase=DeploymentPhase.SHIFTING, shifts=(*record.shifts, shift)))

    def _save(self, record: Deployment, *, ended: bool = False) -> None:
        self.ledger.save_unlocked(replace(record, ended_at=self.scene.clock.now()) if ended else record)

    def _run(self, task: Any, state: str, name: str, decision: Mapping[str, Any]) -> Any:
        state_input = {"fencing_token": self.token, "decision": decision}
        entered = self.scene.clock.now().isoformat()
        task_input = TaskInput(execution="e", state_name=state, entered=entered, state=state_input, deployment=name)
        return task(task_input, self.scene.cloud).decision


def vars_of(decision: Any) -> Mapping[str, Any]:
    return {"step": decision.step, "evaluation": decision.evaluation}


def bad_release(**changes: Any) -> Recorder:
    """A canary that returns 5xx to a tenth of its requests from the third evaluation on."""
    return Recorder(metrics=FakeVersionMetrics(errors={CANARY: 0.1}), **{"worse_after": 3, **changes})
