"""The launcher of the local cloud: starts it in a process of its own, finds one that runs, stops it.

with LocalCloud.start(Path(".local")) as cloud:
    subprocess.run(["cdk", "deploy", …], env=cloud.environ_over(os.environ))
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from orchestrator.local.control import KEY_HEADER, POLICIES_PATH, REGIONS_PATH
from orchestrator.local.fidelity import MENDS, Options, Profile
from orchestrator.local.running import Running, process_start

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNT: Final = "000000000000"
LOG_NAME: Final = "cloud.log"
READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 8.0
_TEST_KEY: Final = "test"
_LOG_TAIL_LINES: Final = 15

Lifetime = Literal["parent", "detached"]


class LocalCloudError(Exception):
    """The local cloud could not be started, found or asked. Its subclasses say which."""


class LocalCloudNotRunning(LocalCloudError):
    """No local cloud runs from that folder."""


class LocalCloudRuns(LocalCloudError):
    """A local cloud already runs from that folder."""


class LocalCloudRefused(LocalCloudError):
    """The server did not start; says why, with the end of its log where it did not say so itself."""


class LocalCloud:
    """A running local cloud.

    A context manager: leaving it stops the cloud.
    """

    def __init__(self, folder: Path, running: Running, server: subprocess.Popen[str] | None = None) -> None:
        self._folder = folder
        self._running = running
        self._server = server

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        region: str = "us-west-1",
        profile: Profile = "instant",
        seed: int | None = None,
        auth: bool = False,
        lifetime: Lifetime = "parent",
        mends: Sequence[str] = MENDS,
        workers_per_function: int = Options.workers_per_function,
        restore_seconds: float = Options.restore_seconds,
        recovery_lag_seconds: float = Options.recovery_lag_seconds,
        port: int = 0,
    ) -> LocalCloud:
        """Start a local cloud and wait until it answers.

        Args:
            folder: where its state and logs go; one cloud a folder.
            region: AWS region.
            profile: `instant`, or `aws-timing` for AWS's delays.
            seed: makes the mends' random draws repeatable.
            auth: hold roles to their policies from the start; see `enforce_policies`.
            lifetime: `parent` ends with this process, `detached` goes on until `stop`.
            mends: their names in order; none starts MiniStack as it is, which contract tests compare with.
            workers_per_function: ceiling of Lambda workers of one version of a function.
            restore_seconds: how long the restore of a DynamoDB table takes.
            recovery_lag_seconds: how long ago the latest moment is that a table can be restored to.
            port: 0 for any free one.

        Raises:
            LocalCloudRuns: one runs from that folder already.
            LocalCloudRefused: it did not come up within `READY_SECONDS`, or refused to.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found = Running.read(folder)
        if found and found.alive:
            raise LocalCloudRuns(f"a local cloud runs from {folder} already (pid {found.pid}); stop it first")
        command = [
            *(sys.executable, "-m", "orchestrator.local.server"),
            *("--folder", str(folder), f"--control-key={secrets.token_urlsafe()}"),
            *("--profile", profile, "--lifetime", lifetime, "--port", str(port)),
            *("--workers-per-function", str(workers_per_function)),
            *("--restore-seconds", str(restore_seconds), "--recovery-lag-seconds", str(recovery_lag_seconds)),
            *(("--seed", str(seed)) if seed is not None else ()),
            *(("--auth",) if auth else ()),
            *("--mends", ",".join(mends)),
        ]
        log = folder / LOG_NAME
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        with log.open("w", encoding="utf-8") as log_file:
            server = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_server_environ(folder, region),
                stdin=subprocess.PIPE if lifetime == "parent" else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
                start_new_session=True,  # Ctrl-C reaches us, not it: we stop it in order, workers included
            )
        try:
            _wait_until_ready(server, log)
        except BaseException:
            _end(server.pid, process_start(server.pid) or "", server)
            raise
        running = Running.read(folder)
        assert running, "a server that said it was ready has left its note"
        return cls(folder, running, server)

    @classmethod
    def find(cls, folder: Path) -> LocalCloud:
        """Attach to the local cloud that runs from the folder.

        Raises LocalCloudNotRunning, and clears away the note of one that has gone.
        """
        folder = folder.resolve()
        running = Running.read(folder)
        if running and running.alive:
            return cls(folder, running)
        if running:
            running.remove(folder)
        raise LocalCloudNotRunning(f"no local cloud runs from {folder}; start one with `orchestrator up`")

    @property
    def endpoint_url(self) -> str:
        """Address of every AWS service."""
        return self._running.endpoint_url

    @property
    def region(self) -> str:
        """AWS region."""
        return self._running.region

    @property
    def profile(self) -> str:
        """`instant` or `aws-timing`."""
        return self._running.profile

    @property
    def mends(self) -> tuple[str, ...]:
        """Names of the installed mends; none for stock MiniStack."""
        return self._running.mends

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folder / LOG_NAME

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._running.alive

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that make AWS clients and the CDK command line talk to this cloud, and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **_KEYS,
        }

    def environ_in(self, region: str) -> dict[str, str]:
        """Environment variables as `environ`, for another region of the same cloud."""
        return {**self.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    def environ_over(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return a child's environment: the base without its AWS settings (a profile, another endpoint), with ours."""
        return {name: value for name, value in base.items() if not name.startswith("AWS_")} | self.environ

    def api_url(self, api_id: str, stage: str) -> str:
        """Address of a stage of an API Gateway REST API, without a trailing slash."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/{stage}"

    def enforce_policies(self, enforced: bool) -> None:  # noqa: FBT001 - a switch
        """Hold Lambda roles (and every other principal) to their policies from now on, or no longer.

        Raises LocalCloudNotRunning where the server does not answer.
        """
        self._control(POLICIES_PATH, {"enforce": enforced})

    def lose(self, *regions: str) -> None:
        """Let these regions, and no other, answer nobody from now on; none: let all answer again.

        Raises LocalCloudNotRunning where the server does not answer.
        """
        self._control(REGIONS_PATH, {"lost": regions})

    def _control(self, path: str, wanted: Mapping[str, object]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server on the loopback interface
            self.endpoint_url + path,
            data=json.dumps(wanted).encode(),
            headers={KEY_HEADER: self._running.control_key},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
                return
        except OSError as error:
            raise LocalCloudNotRunning(f"{self.endpoint_url} did not switch {path}: {error}") from error

    def stop(self) -> None:
        """Stop the server and its Lambda workers, and wait until they have gone. Again is no error."""
        _end(self._running.pid, self._running.started, self._server)
        self._running.remove(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_KEYS: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": _TEST_KEY,
    "AWS_SECRET_ACCESS_KEY": _TEST_KEY,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def _server_environ(folder: Path, region: str) -> dict[str, str]:
    """Everything the server, and so every Lambda worker, has in its environment; nothing is inherited but PATH."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        **_KEYS,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        # Listeners on fixed ports, and a Docker daemon whose containers it would clear away.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
    }


def _wait_until_ready(server: subprocess.Popen[str], log: Path) -> None:
    assert server.stdout
    readable, _, _ = select.select([server.stdout], [], [], READY_SECONDS)
    line = server.stdout.readline() if readable else ""
    if not line:
        why = "ended" if readable else f"was not ready after {READY_SECONDS:.0f} s"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:])
        raise LocalCloudRefused(f"the local cloud's server {why}; its log ({log}) ends with:\n{tail}")
    if refusal := json.loads(line).get("refused"):
        raise LocalCloudRefused(refusal)


def _end(pid: int, started: str, server: subprocess.Popen[str] | None) -> None:
    """End a server: in order first, then its whole process group, which it leads."""

    def gone_within(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (server.poll() is None) if server else (process_start(pid) == started):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    if not gone_within(0):
        os.kill(pid, signal.SIGTERM)
        if not gone_within(STOP_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            gone_within(STOP_SECONDS)
    for stream in (server.stdin, server.stdout) if server else ():
        if stream:
            stream.close()
