"""The fork server of Lambda's local workers, as the server process uses it in place of `subprocess.Popen`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from orchestrator.local.emulator.lambda_.fork_server import ForkServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every worker has an interpreter of its own")

ECHO = "import os, sys\nfor line in sys.stdin:\n    print(os.environ['NAME'], line.strip(), flush=True)\n"


@pytest.fixture
def server():
    server = ForkServer()
    yield server
    if server._process:
        server._process.kill()
        server._process.wait()


@pytest.fixture
def start(server, tmp_path):
    def start(script, **variables):
        path = tmp_path / "_worker.py"
        path.write_text(script)
        (tmp_path / "code").mkdir(exist_ok=True)
        return server.start(str(path), str(tmp_path / "code"), {**os.environ, "NAME": "one", **variables})

    return start


def test_a_worker_answers_and_ends_with_its_input(start):
    worker = start(ECHO)
    worker.stdin.write("ö\n")
    assert worker.stdout.readline() == "one ö\n"
    assert worker.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(0.05)
    worker.stdin.close()
    assert worker.wait(10) == worker.poll() == worker.returncode == 0


@pytest.mark.parametrize(
    ("script", "code", "written"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('a reason')", 1, ""),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("import sys; print('a line', file=sys.stderr)", 0, "a line"),
        ("import os; os._exit(4)", 4, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
    ],
)
def test_exit_codes_and_errors_are_those_of_an_interpreter(start, script, code, written):
    worker = start(script)
    assert worker.wait(10) == code
    assert written in worker.stderr.read()


@pytest.mark.parametrize(("end", "number"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)])
def test_a_worker_is_ended_by_a_signal_and_may_be_signalled_again(start, end, number):
    worker = start(ECHO)
    getattr(worker, end)()
    assert worker.wait(10) == -number
    getattr(worker, end)()


def test_a_fork_server_that_died_is_replaced_and_its_workers_count_as_killed(server, start):
    before = start(ECHO)
    server._process.kill()
    server._process.wait()
    assert before.wait(10) == -signal.SIGKILL
    after = start(ECHO)
    after.stdin.write("again\n")
    assert after.stdout.readline() == "one again\n"


def test_many_workers_hold_no_descriptors_of_one_another(start):
    # Each worker ends when the server closes its input, though others are alive.
    workers = [start(ECHO, NAME=str(number)) for number in range(8)]
    for worker in workers:
        worker.stdin.close()
        assert worker.wait(10) == 0


@pytest.mark.parametrize(
    "variables",
    [{"PYTHONOPTIMIZE": "1"}, {"_LAMBDA_LAYERS_DIRS": "/opt"}, {"LARGE": "x" * 200_000}],
    ids=["of the interpreter", "layers", "too large"],
)
def test_what_needs_an_interpreter_of_its_own_is_not_forked(start, variables):
    assert start(ECHO, **variables) is None


@pytest.mark.parametrize("own", ["msgspec.py", "botocore"])
def test_a_function_with_its_own_copy_of_a_package_is_not_forked(start, tmp_path, own):
    (tmp_path / "code" / own).mkdir(parents=True)
    assert start(ECHO) is None
