"""Starts Python workers by forking a process that has imported botocore already.

The server process has threads, so it cannot fork itself. It starts one fork server (this module as a program), which has
no threads, and sends it the environment variables, the folder and the three pipes of each worker. This is faster than a
new interpreter, and changes nothing that a function sees: the fork server has imported only what Lambda's runtime has,
or what is installed with the local cloud, and nothing of a function.

A worker is started by a new interpreter as before if it has its own copy of a package that was imported, has layers, sets
a variable of the interpreter, or if the platform is not Linux (https://bugs.python.org/issue33725).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO, Any, Final, NoReturn

IMPORTED: Final = ("botocore", "urllib3", "jmespath", "dateutil", "aws_lambda_powertools", "msgspec")
"""Packages that the fork server imports in advance, if they are installed."""

_MODULES: Final = (
    "botocore.client", "botocore.config", "botocore.handlers", "botocore.httpsession", "botocore.session",
    "aws_lambda_powertools.logging", "msgspec.json",
    "asyncio", "concurrent.futures.thread", "dataclasses", "decimal", "email.parser", "hashlib", "hmac", "http.client",
    "importlib.metadata", "inspect", "ipaddress", "logging", "ssl", "statistics", "traceback", "typing",
    "urllib.request", "uuid", "xml.etree.ElementTree", "zipfile", "zoneinfo",
)  # fmt: skip

_MESSAGE_BYTES: Final = 150_000
"""A request's greatest size: less than a message of the socket holds by default on Linux (212,992)."""

_INTERPRETER: Final = "PYTHON"
_POLL_SECONDS: Final = 0.01


class ForkedProcess:
    """A worker: what MiniStack uses of `subprocess.Popen`.

    Attributes:
        pid: process id.
        stdin, stdout, stderr: the server's ends of the worker's pipes.
        returncode: as that of Popen; None while the worker runs, or until `poll` has seen that it ended.
    """

    def __init__(self, pid: int, status: FileIO, stdin: IO[str], stdout: IO[str], stderr: IO[str]) -> None:
        self.pid, self._status = pid, status
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the worker runs."""
        with self._lock:
            if self.returncode is None:
                written = self._status.read(16)
                if written is not None:
                    # Nothing at the end of the pipe: the fork server died, and its workers cannot be waited for.
                    self.returncode = int(written or -signal.SIGKILL)
                    self._status.close()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: the worker still runs.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the worker has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The server process's side: starts the fork server with the first worker, and again after it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self, script: str, cwd: str, env: Mapping[str, str]) -> ForkedProcess | None:
        """Start a worker.

        Args:
            script: path of the worker's script.
            cwd: folder of the function's code.
            env: all its environment variables.

        Returns:
            The worker, or None if a new interpreter has to run it.
        """
        request = json.dumps({"script": script, "cwd": cwd, "env": dict(env)}).encode()
        if not _can_be_forked(cwd, env) or len(request) > _MESSAGE_BYTES:
            return None
        theirs_in, stdin = os.pipe()
        stdout, theirs_out = os.pipe()
        stderr, theirs_err = os.pipe()
        status, theirs_status = os.pipe()
        os.set_blocking(status, False)
        theirs = [theirs_in, theirs_out, theirs_err, theirs_status]
        try:
            with self._lock:
                pid = self._fork(request, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        return ForkedProcess(
            pid,
            FileIO(status),
            os.fdopen(stdin, "w", buffering=1, encoding="utf-8"),
            os.fdopen(stdout, encoding="utf-8"),
            os.fdopen(stderr, encoding="utf-8", errors="replace"),
        )

    def _fork(self, request: bytes, descriptors: list[int]) -> int:
        for _ in range(2):
            if self._socket is None or self._process is None or self._process.poll() is not None:
                self._run()
            connection = self._socket
            assert connection is not None
            with suppress(OSError):
                socket.send_fds(connection, [request], descriptors)
                if answer := connection.recv(32):
                    return int(answer)
            self._socket = None
        raise RuntimeError("the fork server of Lambda's workers died twice; see the log of the local cloud")

    def _run(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                # By its path, and without this folder on the path, whose modules have names such as `requests`.
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )


def _can_be_forked(cwd: str, env: Mapping[str, str]) -> bool:
    if sys.platform != "linux" or env.get("_LAMBDA_LAYERS_DIRS"):
        return False
    ours = {name: value for name, value in os.environ.items() if name.startswith(_INTERPRETER)}
    if ours != {name: value for name, value in env.items() if name.startswith(_INTERPRETER)}:
        return False
    code = Path(cwd)
    return not any((code / name).exists() or (code / f"{name}.py").exists() for name in IMPORTED)


def main(descriptor: int) -> None:
    """Run the fork server until the server process closes its end. A worker's process returns from here, too.

    Args:
        descriptor: of the socket on which requests arrive.
    """
    for name in _MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a worker's collections then leave these pages shared
    connection = socket.socket(fileno=descriptor)
    children: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which closes its end
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == woken:
                    with suppress(BlockingIOError):
                        os.read(woken, 4096)
                    _report_ends(children)
                    continue
                request, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES + 1, 4)
                if not request:
                    return
                *pipes, status = descriptors
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    for opened in (selector, connection):
                        opened.close()
                    for number in (woken, wake, status, *children.values()):
                        os.close(number)
                    _work(json.loads(request), pipes)
                for number in pipes:
                    os.close(number)
                children[pid] = status
                connection.send(str(pid).encode())


def _report_ends(children: dict[int, int]) -> None:
    """Write the exit codes of the workers that ended into their pipes, and forget them."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = children.pop(pid)
        with suppress(BrokenPipeError):
            os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(descriptor)


def _work(request: Mapping[str, Any], pipes: list[int]) -> NoReturn:
    """Run a worker's script as a new interpreter would, and end the process."""
    for number, descriptor in enumerate(pipes):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    script = request["script"]
    sys.argv[:] = [script]
    sys.path.insert(0, str(Path(script).parent))
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    module = types.ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    code = _exit_code(lambda: exec(compile(Path(script).read_text(encoding="utf-8"), script, "exec"), vars(module)))  # noqa: S102 - the worker's script
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    # Lambda kills an environment that it ends; nothing at exit runs there, either.
    os._exit(code)


def _exit_code(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as ended:
        if isinstance(ended.code, int):
            return ended.code
        return int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter's own top level
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
