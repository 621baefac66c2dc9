"""LocalStack's Step Functions as a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-localstack" / "bin" / "python"
LAUNCHER = Path(__file__).with_name("launcher.py")
LOG = ROOT / "build" / "localstack.log"

READY_SECONDS = 180.0
"""It is ready after about 20 s on two idle cores."""

STOP_SECONDS = 20.0


class NotStarted(Exception):
    """LocalStack is not installed, or it ended or did not answer before it was ready."""


@contextmanager
def localstack(mock_file: Path) -> Iterator[str]:
    """Run LocalStack with a mock file; gives its address.

    Raises:
        NotStarted: as its message says.
    """
    if not PYTHON.exists():
        raise NotStarted(f"{PYTHON.relative_to(ROOT)} does not exist: run make localstack")
    port = _free_port()
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="localstack-") as folder, LOG.open("wb") as log:
        process = subprocess.Popen(
            [PYTHON, LAUNCHER],
            env=environment_variables(port, Path(folder), mock_file),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await_ready(process, url)
            yield url
        finally:
            _stop(process)


def environment_variables(port: int, folder: Path, mock_file: Path) -> dict[str, str]:
    """What LocalStack gets: its own settings, and none of this process's but the search path."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "SERVICES": "stepfunctions",
        "EAGER_SERVICE_LOADING": "1",
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "FILESYSTEM_ROOT": str(folder),
        "SFN_MOCK_CONFIG": str(mock_file.resolve()),
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"LocalStack ended with {process.returncode}; its log is {LOG.relative_to(ROOT)}")
        try:
            with urllib.request.urlopen(f"{url}/_localstack/health", timeout=5) as answer:
                if b'"stepfunctions": "running"' in answer.read():
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.5)
    raise NotStarted(f"LocalStack did not answer within {READY_SECONDS:.0f} s; its log is {LOG.relative_to(ROOT)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdin:
            process.stdin.close()
