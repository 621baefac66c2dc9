"""Watching on a terminal, through a pseudo-terminal: keys act once, and the terminal is restored however it ends."""

from __future__ import annotations

import os
import pty
import signal
import sys
import termios
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from orchestrator.cli.actions import drill
from orchestrator.cli.live.operator_keys import KeyAction, OperatorKeys, StoppedWatching
from orchestrator.cli.live.terminal import Keyboard, keyboard_of, supports_live
from orchestrator.cli.rendering.follow import NotFollowed, follow_deployment
from orchestrator.cli.rendering.output import console
from orchestrator.domain.deployment.gates import Gate, GateKind, GateRecord
from orchestrator.domain.deployment.record import (
    DeploymentOutcome,
    DeploymentPhase,
    OperatorCommand,
    Rollback,
    RollbackTrigger,
)
from orchestrator.domain.errors import Refused, Unreachable
from tests.followed import DECISIONS, in_flight
from tests.samples import NOW, functions, plan, seconds
from tests.unit.cli.actions.scenes import Scene


class Terminal:
    """A pseudo-terminal: `type` presses keys, `shown` is everything that was written to it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        self.former = termios.tcgetattr(self.slave)
        self._written = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.input = os.fdopen(os.dup(self.slave), "r")
        self.output = os.fdopen(os.dup(self.slave), "w")

    def _read(self) -> None:
        while True:
            try:
                block = os.read(self.master, 65536)
            except OSError:
                return
            if not block:
                return
            self._written += block

    @contextmanager
    def standard(self):
        """Have it as standard input and output. pytest sets its own before each test, after the fixtures."""
        former = sys.stdin, sys.stdout
        sys.stdin, sys.stdout = self.input, self.output
        try:
            yield
        finally:
            sys.stdin, sys.stdout = former

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    @property
    def settings(self):
        return termios.tcgetattr(self.slave)

    @property
    def restored(self) -> bool:
        return self.settings == self.former

    def close(self) -> str:
        """Close it; return everything that was shown."""
        termios.tcdrain(self.slave)
        for stream in filter(None, (self.input, self.output)):
            stream.close()
        os.close(self.slave)
        self._reader.join(5)
        os.close(self.master)
        return self._written.decode()


@pytest.fixture
def terminal(monkeypatch):
    terminal = Terminal()
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "110", "LINES": "45"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return terminal


@pytest.fixture
def scene():
    """A deployment in flight, whose execution runs and holds the lock."""
    scene = Scene()
    record = in_flight(functions=functions())  # versions that the scene's functions have
    values = {name: value for name, value in vars(record).items() if name not in {"environment", "execution"}}
    scene.flying = scene.record(**values)
    scene.create(scene.flying)()
    scene.start()
    token = scene.holding_lock()
    for entry in DECISIONS:
        scene.cloud.ledger.append_decision(entry, scene.flying, token)
    return scene


def ended(record, outcome=DeploymentOutcome.SUCCEEDED):
    return replace(record, phase=DeploymentPhase.ENDED, outcome=outcome, reason="so it is", ended_at=NOW + seconds(60))


def follow(scene, terminal):
    with terminal.standard():
        return follow_deployment(scene.context, "d-1", "ann", json=False)


def presses(terminal, *keys):
    return [lambda key=key: terminal.type(key) for key in keys]


def nothing():
    """An event in which nothing happens."""


# --- keys ------------------------------------------------------------------------------------------------------


def test_a_key_that_is_confirmed_runs_its_command_once_as_the_operator(scene, terminal, monkeypatch):
    recorded = []
    record = scene.cloud.ledger.record_command
    monkeypatch.setattr(
        scene.cloud.ledger, "record_command", lambda *arguments: recorded.append(arguments) or record(*arguments)
    )
    scene.story = [*presses(terminal, "p", "y", "y"), nothing, scene.save(ended(scene.flying))]
    assert follow(scene, terminal).outcome is DeploymentOutcome.SUCCEEDED
    ((name, command),) = recorded
    assert (name, command.request, command.by) == ("d-1", "promote", "ann")
    assert terminal.restored
    shown = terminal.close()
    assert "Promote d-1 now, skipping the remaining steps?" in shown
    assert "d-1 recorded: its next evaluation, within 10 s, will promote it" in shown


@pytest.mark.parametrize("answer", ["n", "\x1b", "a", "q"])
def test_a_key_that_is_not_confirmed_changes_nothing(scene, terminal, answer):
    scene.story = [*presses(terminal, "a", answer, "x"), nothing, scene.save(ended(scene.flying))]
    if answer == "\x1b":  # an escape sequence answers nothing
        scene.story[2:3] = presses(terminal, "n")
    assert follow(scene, terminal).outcome is DeploymentOutcome.SUCCEEDED
    assert scene.cloud.ledger.pending_command("d-1") is None
    assert len(scene.states.executions) == 1
    assert "not confirmed, nothing was changed" in terminal.close()


def test_an_abort_starts_the_rollback_of_the_command(scene, terminal):
    scene.story = [
        *presses(terminal, "a", "y"),
        nothing,
        scene.save(ended(scene.flying, DeploymentOutcome.ROLLED_BACK)),
    ]
    follow(scene, terminal)
    assert scene.cloud.ledger.pending_command("d-1") == OperatorCommand(
        "abort", "ann", scene.cloud.ledger.pending_command("d-1").at
    )
    assert scene.execution("rollback", "rollback-d-1-1") in scene.states.executions
    assert [trigger.reason for trigger in scene.cloud.ledger.read_triggers("d-1")] == ["aborted by ann"]


def test_a_rollback_that_a_key_started_is_followed_even_if_the_deployment_has_ended(scene, terminal):
    trigger = RollbackTrigger("person", "because", NOW)
    rollback = Rollback(trigger, scene.execution("rollback", "rollback-d-1-1"), NOW, NOW, NOW)
    done = replace(ended(scene.flying, DeploymentOutcome.ROLLED_BACK), rollback=rollback)
    scene.story = [*presses(terminal, "r", "y"), scene.save(ended(scene.flying)), nothing, scene.save(done)]
    assert follow(scene, terminal).outcome is DeploymentOutcome.ROLLED_BACK
    (trigger,) = scene.cloud.ledger.read_triggers("d-1")
    assert trigger.reason == "requested in the live view (by ann)"


def test_a_command_that_is_refused_says_so_and_the_view_goes_on(scene, terminal):
    gate = Gate(GateKind.APPROVE, "approve", 1, timedelta(hours=1), ("bob",))
    waiting = replace(scene.flying, plan=replace(plan(), gates=(gate,)), gates=(GateRecord(0, NOW),))
    scene.save(waiting)()
    scene.story = [*presses(terminal, "p", "y"), nothing, scene.save(ended(waiting))]
    follow(scene, terminal)
    assert scene.cloud.ledger.pending_command("d-1") is None
    assert "it waits for the approval approve: 1 of bob" in " ".join(terminal.close().split())


def test_what_was_pasted_confirms_nothing(scene, terminal):
    scene.story = [*presses(terminal, "ay"), nothing, *presses(terminal, "n"), scene.save(ended(scene.flying))]
    follow(scene, terminal)
    assert len(scene.states.executions) == 1


def test_an_arrow_key_means_nothing(scene, terminal):
    scene.story = [*presses(terminal, "a", "\x1bOy"), nothing, *presses(terminal, "n"), scene.save(ended(scene.flying))]
    follow(scene, terminal)
    assert len(scene.states.executions) == 1


def test_an_action_that_fails_in_the_cloud_is_reported():
    def fail():
        raise Unreachable("no route")

    keys = OperatorKeys([KeyAction("a", "abort", "?", fail)], "again")
    keys.press("a")
    keys.press("y")
    assert (keys.notice.text, keys.notice.bad) == ("no route", True)
    assert keys.unconfirmed is None


# --- how it ends -------------------------------------------------------------------------------------------------


def test_while_it_is_watched_keys_are_not_echoed_and_afterwards_they_are(scene, terminal):
    seen = []
    scene.story = [lambda: seen.append(terminal.settings), scene.save(ended(scene.flying))]
    follow(scene, terminal)
    local_modes = 3
    assert not seen[0][local_modes] & (termios.ECHO | termios.ICANON)
    assert seen[0][local_modes] & termios.ISIG
    assert terminal.restored
    shown = terminal.close()
    assert shown.rstrip().splitlines()[-1].find("d-1 SUCCEEDED after 60 s: so it is") >= 0
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


def test_quitting_leaves_the_deployment_and_says_how_to_follow_it_again(scene, terminal):
    scene.story, before = presses(terminal, "q"), scene.cloud.ledger.read_record("d-1")
    with pytest.raises(StoppedWatching):
        follow(scene, terminal)
    assert terminal.restored
    last = "not followed any more; it continues: `orchestrator watch d-1 --env local`"
    assert any(line.strip("\r\x1b[02m").startswith(last) for line in terminal.close().split("\n"))
    assert scene.cloud.ledger.read_record("d-1") == before


def interrupt():
    raise KeyboardInterrupt


def fail():
    raise ZeroDivisionError


@pytest.fixture
def hangup_is_heard():
    """Under nohup, this process and the view ignore SIGHUP."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (interrupt, KeyboardInterrupt),
        (fail, ZeroDivisionError),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), SystemExit),
        (lambda: os.kill(os.getpid(), signal.SIGHUP), SystemExit),
    ],
    ids=["Ctrl-C", "an error", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_restored_whatever_ends_it(scene, terminal, event, error, hangup_is_heard):
    former = signal.getsignal(signal.SIGTERM)
    scene.story = [nothing, event]
    with pytest.raises(error) as caught:
        follow(scene, terminal)
    assert terminal.restored
    assert signal.getsignal(signal.SIGTERM) is former
    shown = terminal.close()
    assert shown.count("\x1b[?25h") == 1
    assert ("it continues" in shown) is (error is not ZeroDivisionError)
    if error is SystemExit:
        assert caught.value.code in {128 + signal.SIGTERM, 128 + signal.SIGHUP}


def test_an_execution_that_died_is_reported_and_the_terminal_is_restored(scene, terminal):
    scene.story = [lambda: scene.states.end(scene.execution("deployment", "d-1"), "FAILED")]
    with pytest.raises(NotFollowed):
        follow(scene, terminal)
    assert terminal.restored
    assert "it continues" not in terminal.close()


def test_a_key_that_ends_the_terminal_ends_no_program_in_the_background(terminal, monkeypatch):
    monkeypatch.setattr(os, "tcgetpgrp", lambda _descriptor: os.getpgrp() + 1)
    with terminal.standard():
        assert keyboard_of(console(), lambda _seconds: None) is None
    keyboard = Keyboard(terminal.slave, lambda _seconds: None)
    terminal.type("p\n")
    assert keyboard.wait(0.1) == ""


# --- where there is no live view --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "unknown"), ("COLUMNS", "59")]
)
def test_some_terminals_get_lines(scene, terminal, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with terminal.standard():
        assert not supports_live(console())
    scene.story = [*presses(terminal, "a"), *presses(terminal, "y"), scene.save(ended(scene.flying))]
    assert follow(scene, terminal).outcome is DeploymentOutcome.SUCCEEDED
    assert terminal.restored
    shown = terminal.close()
    assert "\x1b[?25l" not in shown
    assert "quit watching" not in shown
    assert len(scene.states.executions) == 1, "no key is read"


def test_a_terminal_of_60_columns_is_live(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with terminal.standard():
        assert supports_live(console())


def test_a_pipe_is_no_terminal_whatever_the_environment_says(scene, terminal, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = console()  # pytest's standard output is a file
    assert screen.is_terminal
    assert not supports_live(screen)
    assert keyboard_of(screen, scene.sleep) is None


def test_without_a_terminal_for_input_there_are_no_keys(scene, terminal, monkeypatch):
    terminal.input = None
    scene.story = [*presses(terminal, "q"), scene.save(ended(scene.flying))]
    assert follow(scene, terminal).outcome is DeploymentOutcome.SUCCEEDED
    assert "quit watching" not in terminal.close()


# --- the cloud does not answer ----------------------------------------------------------------------------------


def outage(scene, monkeypatch, polls):
    """Have the ledger not answer the next reads."""
    read, left = scene.cloud.ledger.read_record, [polls]

    def unreachable(name):
        left[0] -= 1
        if left[0] >= 0:
            raise Unreachable("no route to DynamoDB")
        return read(name)

    return lambda: monkeypatch.setattr(scene.cloud.ledger, "read_record", unreachable)


def test_a_short_outage_is_shown_and_waited_out(scene, terminal, monkeypatch):
    scene.story = [outage(scene, monkeypatch, 20), *[nothing] * 11, scene.save(ended(scene.flying))]
    assert follow(scene, terminal).outcome is DeploymentOutcome.SUCCEEDED
    shown = terminal.close()
    assert "the cloud has not answered for" in shown
    assert "no route to DynamoDB" in shown


def test_a_long_outage_ends_the_command_with_its_error(scene, terminal, monkeypatch):
    scene.story = [outage(scene, monkeypatch, 10_000)]
    with pytest.raises(Unreachable, match="no route"):
        follow(scene, terminal)
    assert 60 <= scene.clock.seconds() <= 65
    assert terminal.restored
    assert "it continues" in terminal.close()


def test_a_deployment_that_is_watched_shows_a_new_decision_within_a_second(scene, terminal):
    entry = replace(DECISIONS[-1], number=4, entered="t4", at=NOW + seconds(33))
    times = {}

    def decide():
        scene.cloud.ledger.append_decision(entry, scene.flying, scene.cloud.ledger.read_lock().fencing_token)
        times["decided"] = scene.clock.seconds()

    shown_at = {}
    after = scene.cloud.ledger.read_decisions_after

    def read(name, number):
        new = after(name, number)
        if any(one.number == 4 for one in new):
            shown_at["read"] = scene.clock.seconds()
        return new

    vars(scene.cloud.ledger)["read_decisions_after"] = read
    scene.story = [nothing, decide, nothing, scene.save(ended(scene.flying))]
    follow(scene, terminal)
    assert shown_at["read"] - times["decided"] <= 1.0


def test_an_unknown_recovery_is_refused_by_the_drill_s_view(scene):
    with pytest.raises((Refused, Unreachable)):
        drill.follow_recovery(scene.context, "dr-none", "ann", json=True)
