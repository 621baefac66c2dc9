"""The region is lost: alone, or while a deployment, a restore or a drill is under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from orchestrator.domain.rehearsal.measurement import (
    FLOWS_FOR_A_STATE,
    AcknowledgedWrite,
    KeptLogin,
    count_logins,
    data_loss,
    recovery_time,
    works,
)
from orchestrator.domain.rehearsal.result import Rehearsal, Step, end_of
from orchestrator.domain.rehearsal.scenario import Scenario
from orchestrator.local.deployed_environment import LocalEnvironment
from orchestrator.local.emulator.options import Options
from orchestrator.local.region_failover_rehearsal import Observer, rehearse
from orchestrator.local.rehearsal.failures import FAILURES
from orchestrator.local.rehearsal.monitor import ServiceMonitor
from orchestrator.local.rehearsal.split_traffic import split_traffic
from orchestrator.local.rehearsal_clients import RehearsalFailed
from orchestrator.local.traffic_generator import Traffic

OTHER: Final = "us-east-2"
RATE_PER_SECOND: Final = 5.0
UNDER_WAY_SECONDS: Final = 300.0
RESTORE_SECONDS: Final[Mapping[str, float]] = {"region-lost-mid-restore": 30.0}
"""How long a table's restore takes, if the region is to be lost before it ends."""
_FIRST, _DEPLOYMENT, _RECOVERY = "d-first", "d-under-way", "dr-under-way"


def _nothing(here: LocalEnvironment) -> None:
    del here


def _deployment(here: LocalEnvironment) -> None:
    split_traffic(here, _DEPLOYMENT)


def _recovery(machine: str) -> Callable[[LocalEnvironment], None]:
    def start(here: LocalEnvironment) -> None:
        store = here.cloud.drills if machine == "drill" else here.cloud.restores
        here.cloud.executions.start_execution(here.state_machine_arn(machine), _RECOVERY, {"requested_by": "rehearsal"})

        def restoring() -> bool | None:
            record = store.find_record(_RECOVERY)
            if record and record.ended_at:
                raise RehearsalFailed(f"the {machine} ended before the region was lost: {record.reason}")
            return True if record and record.tables else None

        here.wait_until(restoring, UNDER_WAY_SECONDS, f"a {machine} under way")

    return start


UNDER_WAY: Final[Mapping[str, Callable[[LocalEnvironment], None]]] = {
    "region-lost": _nothing,
    "region-lost-mid-deployment": _deployment,
    "region-lost-mid-restore": _recovery("restore"),
    "region-lost-mid-drill": _recovery("drill"),
}
"""What is started before the region is lost, by scenario."""


class _Watched(Observer):
    """Measures the service in both regions, and keeps what happened."""

    def __init__(self, scenario: Scenario, say: Callable[[str], None]) -> None:
        self._scenario, self._say = scenario, say
        self._url = ""
        self._running = ExitStack()
        self._monitor: ServiceMonitor | None = None
        self.writes: tuple[AcknowledgedWrite, ...] = ()
        self.logins: tuple[KeptLogin, ...] = ()
        self.steps: list[Step] = []
        self.lost_at = datetime.now(UTC)

    @property
    def monitor(self) -> ServiceMonitor:
        """The monitor of the run.

        Raises:
            RehearsalFailed: the run ended before it started.
        """
        if self._monitor is None:
            raise RehearsalFailed("the region was never lost")
        return self._monitor

    def before_backups(self, here: LocalEnvironment) -> None:
        """Deploy what the scenario needs, send traffic, and measure the service from then on."""
        self._url = here.api_url
        here.start_deployment(_FIRST, strategy={"type": "all-at-once"})
        here.wait_for_deployment(_FIRST, UNDER_WAY_SECONDS)
        self._running.enter_context(Traffic(here.api_url, here.platform_url, rate_per_second=RATE_PER_SECOND))
        self._monitor = self._running.enter_context(ServiceMonitor(lambda: self._url, here.platform_url))
        self._wait_for_service(datetime.now(UTC))
        if UNDER_WAY[self._scenario.name] is _deployment:
            # Before the copies: it waits at its gate, and the time from the copies to the loss is data that is lost.
            here.deploy_release("good")
            _deployment(here)

    def before_loss(self, here: LocalEnvironment) -> None:
        """Bring about what is under way, and wait until the service is measured."""
        if UNDER_WAY[self._scenario.name] is not _deployment:
            UNDER_WAY[self._scenario.name](here)
        self._wait_for_service(datetime.now(UTC))

    def lost(self, at: datetime) -> None:
        """Keep the time of the loss."""
        self.lost_at = at
        self.note(self._scenario.injected)

    def moved(self, api_url: str) -> None:
        """Let clients use the other region."""
        self._url = api_url
        self.note("clients use the other region")

    def ended(self) -> None:
        """Wait until the service is complete in the other region, and read the writes back from it."""
        self._wait_for_service(datetime.now(UTC))
        self._running.close()
        self.writes = self.monitor.read_writes_back()
        self.logins = self.monitor.read_logins_back(self.lost_at)

    def close(self) -> None:
        """Stop the traffic and the monitor."""
        self._running.close()

    def note(self, what: str) -> None:
        """Keep what happened, in seconds since the loss."""
        self.steps.append(Step(round((datetime.now(UTC) - self.lost_at).total_seconds(), 1), what))
        self._say(what)

    def _wait_for_service(self, since: datetime) -> None:
        deadline = time.monotonic() + UNDER_WAY_SECONDS
        while not works(self.monitor.flows, since):
            if time.monotonic() > deadline:
                raise RehearsalFailed(f"no {FLOWS_FOR_A_STATE} complete flows in a row")
            time.sleep(1)


def rehearse_loss(folder: Path, scenario: Scenario, say: Callable[[str], None]) -> Rehearsal:
    """Rehearse the loss of the home region on a local cloud of its own."""
    watched = _Watched(scenario, say)
    problem = ""
    commands: tuple[str, ...] = ()
    say(f"--- {scenario.name}: {scenario.injected}")
    try:
        seconds = RESTORE_SECONDS.get(scenario.name, Options.restore_seconds)
        report = rehearse(folder, OTHER, lambda _: None, watched.note, watched, restore_seconds=seconds)
        commands = tuple(command for step in report.plan.steps for command in step.commands)
    except FAILURES as error:
        problem = " ".join(str(error).split())[:600]
    watched.close()
    flows = watched.monitor.flows if watched.steps else ()
    took = recovery_time(flows, watched.lost_at)
    loss = data_loss(watched.writes, watched.lost_at)
    logins, ended_logins = count_logins(watched.logins)
    after = [flow for flow in flows if flow.started_at >= watched.lost_at]
    return Rehearsal(
        scenario=scenario.name,
        started_at=watched.lost_at,
        steps=tuple(watched.steps),
        commands=commands,
        ended=None if problem else end_of(took, commands=True),
        problem=problem,
        recovery_seconds=None if took is None else round(took.total_seconds(), 1),
        loss_seconds=None if loss is None else round(loss.total_seconds(), 1),
        alarm_seconds=None,
        flows=len(after),
        failed_flows=sum(bool(flow.failed) for flow in after),
        writes=len(watched.writes),
        lost_writes=sum(not write.found for write in watched.writes),
        logins=logins,
        ended_logins=ended_logins,
    )
