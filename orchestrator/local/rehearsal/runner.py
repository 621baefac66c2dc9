"""Runs scenarios on a stage, one after the other: injects the fault, types the remedy, and measures the service."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.names import resource_name
from orchestrator.domain.rehearsal.measurement import count_logins, data_loss, recovery_time, works
from orchestrator.domain.rehearsal.result import Rehearsal, Step, end_of
from orchestrator.domain.rehearsal.scenario import CloudUse, End, Scenario
from orchestrator.local.deployed_environment import ENVIRONMENT
from orchestrator.local.rehearsal.failures import FAILURES
from orchestrator.local.rehearsal.injectors import INJECTORS
from orchestrator.local.rehearsal.injectors.region import rehearse_loss
from orchestrator.local.rehearsal.monitor import AlarmWatch, ServiceMonitor
from orchestrator.local.rehearsal.stage import Stage, open_stage
from orchestrator.local.rehearsal_clients import RehearsalFailed

FIRST, FIRST_SECONDS = "d-rehearsal", 300.0
"""The deployment after which the scenarios begin: an environment without one has no stable version."""
SETTLE_SECONDS = 240.0
"""How long the service may take to be complete, before the fault and after the remedy."""
ALARM_SECONDS = 240.0
"""How long the person's stand-in waits for the alarm before the first command."""


def rehearse_all(
    folder: Path, scenarios: Sequence[Scenario], say: Callable[[str], None], keep: Callable[[Rehearsal], None]
) -> list[Rehearsal]:
    """Run scenarios on a local cloud of their own, under traffic.

    Args:
        folder: an empty folder for the project and the cloud's state.
        scenarios: in the order of their runs.
        say: called with each progress message.
        keep: called with each result at once: a later scenario may take the cloud down.
    """
    runs: dict[str, Rehearsal] = {}
    shared = [scenario for scenario in scenarios if scenario.cloud is CloudUse.SHARED]
    if shared:
        with open_stage(_new(folder / "shared"), say) as stage:
            deploy_first(stage)
            for scenario in shared:
                (runs[scenario.name],) = run_scenarios(stage, [scenario])
                keep(runs[scenario.name])
    for scenario in scenarios:
        if scenario.cloud is CloudUse.OWN:
            runs[scenario.name] = rehearse_alone(_new(folder / scenario.name), scenario, say)
            keep(runs[scenario.name])
    return [runs[scenario.name] for scenario in scenarios]


def rehearse_alone(folder: Path, scenario: Scenario, say: Callable[[str], None]) -> Rehearsal:
    """Run a scenario on a local cloud of its own, which does not survive it.

    Args:
        folder: an empty folder for the project and the cloud's state.
        scenario: the scenario.
        say: called with each progress message.
    """
    if scenario.name not in INJECTORS:
        return rehearse_loss(folder, scenario, say)
    with open_stage(folder, say) as stage:
        deploy_first(stage)
        (run,) = run_scenarios(stage, [scenario])
    return run


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def deploy_first(stage: Stage) -> None:
    """Deploy what the stacks have, so that the environment has stable versions.

    Raises:
        RehearsalFailed: the deployment did not succeed.
    """
    stage.here.start_deployment(FIRST, strategy={"type": "all-at-once"})
    first = stage.here.wait_for_deployment(FIRST, FIRST_SECONDS)
    if first.outcome not in STABLE_OUTCOMES:
        raise RehearsalFailed(f"the first deployment ended {first.outcome}: {first.reason}")
    stage.say(f"{FIRST}: {first.outcome}")


def run_scenarios(stage: Stage, scenarios: Sequence[Scenario], *, await_alarm: bool = True) -> list[Rehearsal]:
    """Run scenarios in their order. One that fails does not stop the next.

    Args:
        stage: the environment.
        scenarios: in the order of their runs.
        await_alarm: wait for a scenario's alarm before the first command; without it, its time is not measured.
    """
    return [_Run(stage, scenario, await_alarm=await_alarm).perform() for scenario in scenarios]


class _Run:
    def __init__(self, stage: Stage, scenario: Scenario, *, await_alarm: bool) -> None:
        self._stage, self._scenario, self._await_alarm = stage, scenario, await_alarm
        self._injector = INJECTORS[scenario.name]
        self._steps: list[Step] = []
        self._fault_at = datetime.now(UTC)
        self._ended: End | None = None

    def perform(self) -> Rehearsal:
        """Run the scenario; what goes wrong is part of the result."""
        stage = self._stage
        stage.commands.clear()
        stage.notes.clear()
        stage.say(f"--- {self._scenario.name}: {self._scenario.injected}")
        problem = ""
        monitor = ServiceMonitor(lambda: stage.here.api_url, stage.here.platform_url)
        alarms = AlarmWatch(stage.here.cloud.clients("cloudwatch"))
        with monitor, alarms:
            try:
                self._injector.prepare(stage)
                self._wait_for_service(monitor, datetime.now(UTC))
                self._wait_until_quiet(alarms)
                self._fault_at = datetime.now(UTC)
                alarms.fired.clear()
                self._injector.inject(stage)
                injected_at = datetime.now(UTC)
                self._note(self._scenario.injected)
                self._wait_for_alarm(alarms)
                self._wait_for_flow(monitor, injected_at)
                self._injector.remedy(stage)
                self._note("the remedy is complete" if stage.commands else "the fault ended")
                self._wait_for_service(monitor, datetime.now(UTC))
                took = recovery_time(monitor.flows, self._fault_at)
                self._ended = end_of(took, commands=bool(stage.commands))
                self._note(self._injector.verify(stage))
            except FAILURES as error:
                problem = " ".join(str(error).split())[:600]
                self._note(problem)
                self._undo()
        for flow in [flow for flow in monitor.flows if flow.failed and flow.started_at >= self._fault_at][:1]:
            self._steps.append(
                Step(
                    round((flow.started_at - self._fault_at).total_seconds(), 1), f"the first flow fails: {flow.failed}"
                )
            )
        self._steps.sort(key=lambda step: step.seconds)
        writes = monitor.read_writes_back()
        logins, ended_logins = count_logins(monitor.read_logins_back(self._fault_at))
        flows = [flow for flow in monitor.flows if flow.started_at >= self._fault_at]
        took, loss = recovery_time(monitor.flows, self._fault_at), data_loss(writes, self._fault_at)
        alarm = alarms.fired.get(self._alarm) if self._scenario.alarm else None
        return Rehearsal(
            scenario=self._scenario.name,
            started_at=self._fault_at,
            steps=tuple(self._steps),
            commands=tuple(stage.commands),
            ended=self._ended,
            problem=problem,
            recovery_seconds=None if took is None else round(took.total_seconds(), 1),
            loss_seconds=None if loss is None else round(loss.total_seconds(), 1),
            alarm_seconds=None if alarm is None else round((alarm - self._fault_at).total_seconds(), 1),
            flows=len(flows),
            failed_flows=sum(bool(flow.failed) for flow in flows),
            writes=len(writes),
            lost_writes=sum(not write.found for write in writes),
            logins=logins,
            ended_logins=ended_logins,
        )

    def _undo(self) -> None:
        try:
            self._injector.undo(self._stage)
        except (*FAILURES, KeyError) as error:
            self._note(f"the fault may last: {error}")

    @property
    def _alarm(self) -> str:
        return resource_name(self._scenario.alarm, ENVIRONMENT)

    def _note(self, what: str) -> None:
        seconds = round((datetime.now(UTC) - self._fault_at).total_seconds(), 1)
        self._steps.append(Step(seconds, what))
        self._stage.say(f"{seconds:6.1f} s  {what}")

    def _wait_for_service(self, monitor: ServiceMonitor, since: datetime) -> None:
        self._stage.wait_until(
            lambda: works(monitor.flows, since) or None, SETTLE_SECONDS, "complete flows of the service"
        )

    def _wait_for_flow(self, monitor: ServiceMonitor, since: datetime) -> None:
        """Wait for what a client sees of the fault: a remedy may be faster than the next flow."""
        self._stage.wait_until(
            lambda: any(flow.started_at >= since for flow in monitor.flows) or None,
            SETTLE_SECONDS,
            "a flow that began after the fault",
        )

    def _wait_until_quiet(self, alarms: AlarmWatch) -> None:
        """Wait until the alarm of the scenario before has ended: an alarm that fires already cannot fire."""
        if self._scenario.alarm and self._await_alarm:
            self._stage.wait_until(
                lambda: self._alarm not in alarms.firing or None, ALARM_SECONDS, f"the end of the alarm {self._alarm}"
            )

    def _wait_for_alarm(self, alarms: AlarmWatch) -> None:
        if not self._scenario.alarm or not self._await_alarm:
            return
        deadline = time.monotonic() + ALARM_SECONDS
        while self._alarm not in alarms.fired:
            if time.monotonic() > deadline:
                others = ", ".join(sorted(alarms.fired)) or "none"
                self._note(
                    f"the alarm {self._scenario.alarm} did not fire within {ALARM_SECONDS:g} s; others that did: {others}"
                )
                return
            time.sleep(1)
        self._note(f"the alarm {self._scenario.alarm} fires")
