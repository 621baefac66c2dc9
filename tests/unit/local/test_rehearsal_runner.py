"""A rehearsal shows what a client sees of the fault, however fast the remedy is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from orchestrator.domain.rehearsal.catalogue import find_scenarios
from orchestrator.domain.rehearsal.measurement import Flow, KeptLogin
from orchestrator.domain.rehearsal.scenario import End
from orchestrator.local.rehearsal import runner


class Monitor(AbstractContextManager):
    """A service whose flows fail while the fault lasts; one begins with each wait."""

    def __init__(self, stage):
        self.stage, self.seen = stage, []

    def __exit__(self, *_):
        """Nothing to stop."""

    @property
    def flows(self):
        return tuple(self.seen)

    def begin_flow(self):
        self.seen.append(Flow(datetime.now(UTC), "login" if self.stage.notes.get("broken") else ""))

    def read_writes_back(self):
        return ()

    def read_logins_back(self, before):
        return tuple(KeptLogin(flow.started_at, alive=False) for flow in self.seen if flow.started_at < before)


class Alarms(AbstractContextManager):
    firing, fired = frozenset(), {}

    def __exit__(self, *_):
        """Nothing to stop."""


@pytest.fixture
def stage(monkeypatch):
    stage = SimpleNamespace(
        commands=[], notes={}, say=lambda _: None, here=SimpleNamespace(api_url="", platform_url="")
    )
    stage.here.cloud = SimpleNamespace(clients=lambda _: None)
    monitor = Monitor(stage)

    def wait_until(condition, _seconds, _what):
        for _ in range(9):
            monitor.begin_flow()
            if found := condition():
                return found
        raise AssertionError(_what)

    stage.wait_until = wait_until
    monkeypatch.setattr(runner, "ServiceMonitor", lambda *_: monitor)
    monkeypatch.setattr(runner, "AlarmWatch", lambda _: Alarms())
    return stage


def test_a_fast_remedy_comes_after_a_flow_that_the_fault_broke(stage, monkeypatch):
    def remedy(stage):
        stage.commands.append("aws kms enable-key")
        stage.notes["broken"] = False

    injector = SimpleNamespace(
        prepare=lambda _: None,
        inject=lambda stage: stage.notes.update(broken=True),
        remedy=remedy,
        verify=lambda _: "the same key signs",
        undo=lambda _: None,
    )
    monkeypatch.setitem(runner.INJECTORS, "key-disabled", injector)

    (run,) = runner.run_scenarios(stage, find_scenarios(["key-disabled"]), await_alarm=False)

    assert (run.ended, run.problem, run.failed_flows) == (End.COMMANDS, "", 1)
    assert run.logins == run.ended_logins > 0
