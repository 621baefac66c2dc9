"""AWS's time on a machine whose own clock is wrong."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from orchestrator.aws.failover.aws_clock import ATTEMPTS, LONGEST_CALL_SECONDS, RENEWED_SECONDS, AwsClock
from orchestrator.domain.errors import Unreachable

TRUE = datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


class Machine:
    """A machine, its clocks, and STS, which knows the true time."""

    def __init__(self, off_seconds=0.0, call_seconds=0.1):
        self.true, self.off, self.ran, self.call_seconds, self.calls = TRUE, off_seconds, 0.0, call_seconds, 0
        self.headers = ("date",)

    def pass_time(self, seconds, *, asleep=False):
        self.true += timedelta(seconds=seconds)
        self.ran += 0 if asleep else seconds

    def get_caller_identity(self):
        self.calls += 1
        self.pass_time(self.call_seconds)
        date = {name: format_datetime(self.true, usegmt=True) for name in self.headers}
        return {"ResponseMetadata": {"HTTPHeaders": date}}

    @property
    def clock(self):
        return AwsClock(self, wall=lambda: self.true.timestamp() + self.off, monotonic=lambda: self.ran)


def error(machine, clock):
    return abs((clock.now() - machine.true).total_seconds())


@pytest.mark.parametrize("off", [0.0, 240.0, -240.0, 3600.0])
def test_the_time_is_that_of_aws_however_wrong_the_machine_s_is(off):
    machine = Machine(off)
    clock = machine.clock
    assert error(machine, clock) <= 1.5
    machine.pass_time(20)
    assert error(machine, clock) <= 1.5
    assert machine.calls == 1


def test_it_is_read_again_after_some_time_and_after_the_machine_slept_or_was_set():
    machine = Machine()
    clock = machine.clock
    clock.now()
    machine.pass_time(RENEWED_SECONDS + 1)
    assert error(machine, clock) <= 1.5
    assert machine.calls == 2
    machine.pass_time(900, asleep=True)
    assert error(machine, clock) <= 1.5, "the lid was closed between a write and its time"
    assert machine.calls == 3
    machine.off = -120.0
    assert error(machine, clock) <= 1.5
    assert machine.calls == 4


def test_without_an_answer_that_has_the_time_there_is_none():
    machine = Machine(call_seconds=LONGEST_CALL_SECONDS + 1)
    with pytest.raises(Unreachable, match="took longer"):
        machine.clock.now()
    assert machine.calls == ATTEMPTS
    machine = Machine()
    machine.headers = ()
    with pytest.raises(Unreachable, match="no date"):
        machine.clock.now()
