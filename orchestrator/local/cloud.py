"""The launcher of the local cloud: starts it in its own process, finds a running one, and stops it.

with LocalCloud.start(Path(".local")) as cloud:
    subprocess.run(["cdk", "deploy", …], env=cloud.child_environ(os.environ))
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
from typing import TYPE_CHECKING, Final, Literal, Self

from orchestrator.local.control_api import CREATIONS_PATH, KEY_HEADER, POLICIES_PATH, REGIONS_PATH, THROTTLES_PATH
from orchestrator.local.pid_file import RunningCloud, process_start_time

if TYPE_CHECKING:  # commands on AWS accounts import this module, and need not have the emulator installed
    from orchestrator.local.emulator.options import ExecutedVersions, Profile

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNT: Final = "000000000000"
LOG_NAME: Final = "cloud.log"
CALLS_NAME: Final = "calls.jsonl"
"""The record of calls, in the folder of the local cloud."""
READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 8.0
_TEST_KEY: Final = "test"
_LOG_TAIL_LINES: Final = 15

Lifetime = Literal["parent", "detached"]


class LocalCloudError(Exception):
    """The local cloud could not be started, found or called; base of the specific errors."""


class LocalCloudNotRunning(LocalCloudError):
    """No local cloud runs from the folder."""


class LocalCloudAlreadyRunning(LocalCloudError):
    """A local cloud already runs from the folder."""


class LocalCloudNotStarted(LocalCloudError):
    """The server did not start. The message has the reason, or the end of the server's log."""


class LocalCloud:
    """A running local cloud.

    It is a context manager that stops the cloud on exit.
    """

    def __init__(self, folder: Path, running: RunningCloud, server: subprocess.Popen[str] | None = None) -> None:
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
        patches: Sequence[str] | None = None,
        workers_per_function: int | None = None,
        restore_seconds: float | None = None,
        recovery_lag_seconds: float | None = None,
        executed_versions: ExecutedVersions | None = None,
        stream_shard_records: int | None = None,
        policy_seconds: float | None = None,
        port: int = 0,
    ) -> LocalCloud:
        """Start a local cloud and wait until it is ready.

        What is None has the default of the emulator's `Options`.

        Args:
            folder: directory of its state and logs; one cloud for each folder.
            region: AWS region.
            profile: `instant`, or `aws-timing` to reproduce AWS's delays.
            seed: makes the patches' random draws repeatable.
            auth: enforce IAM policies from the start; see `enforce_policies`.
            lifetime: `parent` ends with this process, `detached` runs until `stop`.
            patches: names of the patches in order; None for all. An empty one starts stock MiniStack, which contract
                tests compare with.
            workers_per_function: maximum number of Lambda workers of one version of a function.
            restore_seconds: duration of the restore of a DynamoDB table.
            recovery_lag_seconds: age of the latest restorable time of a table.
            executed_versions: for which aliases Lambda emits metrics by executed version, `weighted` ones or `all`.
            stream_shard_records: records after which a shard of a DynamoDB stream is closed; 0 for one without an end.
            policy_seconds: the longest time until a host of DynamoDB applies a changed resource policy; None for the
                profile's.
            port: 0 for any free port.

        Raises:
            LocalCloudAlreadyRunning: a local cloud already runs from the folder.
            LocalCloudNotStarted: it was not ready within `READY_SECONDS`, or could not start.
        """
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        running = RunningCloud.read(folder)
        if running and running.alive:
            raise LocalCloudAlreadyRunning(
                f"a local cloud already runs from {folder} (pid {running.pid}); stop it with `orchestrator down`"
            )
        options = {
            "--seed": seed,
            "--workers-per-function": workers_per_function,
            "--restore-seconds": restore_seconds,
            "--recovery-lag-seconds": recovery_lag_seconds,
            "--executed-versions": executed_versions,
            "--stream-shard-records": stream_shard_records,
            "--policy-seconds": policy_seconds,
            "--patches": None if patches is None else ",".join(patches),
        }
        command = [
            *(sys.executable, "-m", "orchestrator.local.server"),
            *("--folder", str(folder), f"--control-key={secrets.token_urlsafe()}"),
            *("--profile", profile, "--lifetime", lifetime, "--port", str(port)),
            *(f"{option}={value}" for option, value in options.items() if value is not None),
            *(("--auth",) if auth else ()),
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
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the server and its workers
            )
        try:
            _wait_until_ready(server, log)
        except BaseException:
            _end_server(server.pid, process_start_time(server.pid) or "", server)
            raise
        running = RunningCloud.read(folder)
        assert running, "a server that is ready has written its PID file"
        return cls(folder, running, server)

    @classmethod
    def find(cls, folder: Path) -> LocalCloud:
        """Attach to the local cloud that runs from the folder.

        Removes the PID file of a cloud that has ended.

        Raises:
            LocalCloudNotRunning: none runs.
        """
        folder = folder.resolve()
        running = RunningCloud.read(folder)
        if running and running.alive:
            return cls(folder, running)
        if running:
            running.remove(folder)
        raise LocalCloudNotRunning(f"no local cloud runs from {folder}; start one with `orchestrator up`")

    @property
    def endpoint_url(self) -> str:
        """Endpoint of every AWS service."""
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
    def patches(self) -> tuple[str, ...]:
        """Names of the installed patches; none for stock MiniStack."""
        return self._running.patches

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running.pid

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._folder / LOG_NAME

    @property
    def calls(self) -> Path:
        """The record of calls that were made while policies were enforced: JSON lines (`iam.call_recorder`)."""
        return self._folder / CALLS_NAME

    @property
    def alive(self) -> bool:
        """Whether the server is still running."""
        return self._running.alive

    @property
    def environ(self) -> dict[str, str]:
        """Environment variables that direct AWS clients and the CDK command line to this cloud, and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **_KEYS,
        }

    def environ_for_region(self, region: str) -> dict[str, str]:
        """Return environment variables like `environ`, for another region of the same cloud."""
        return {**self.environ, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    def child_environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return a child process's environment: the base without its AWS settings, plus `environ`."""
        return {name: value for name, value in base.items() if not name.startswith("AWS_")} | self.environ

    def api_url(self, api_id: str, stage: str) -> str:
        """Return the URL of a stage of an API Gateway REST API, without a trailing slash."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/{stage}"

    def enforce_policies(self, enforced: bool) -> None:  # noqa: FBT001 - a switch
        """Turn the enforcement of IAM policies on or off, for Lambda roles and every other principal.

        Raises:
            LocalCloudNotRunning: the server does not answer.
        """
        self._control(POLICIES_PATH, {"enforce": enforced})

    def set_lost_regions(self, *regions: str) -> None:
        """Make exactly these regions unavailable; none makes all available again.

        Raises:
            LocalCloudNotRunning: the server does not answer.
        """
        self._control(REGIONS_PATH, {"lost": regions})

    def fail_creations(self, *patterns: str) -> None:
        """Let CloudFormation fail to create exactly the resources that match; without patterns none fails any more.

        Args:
            patterns: of `fnmatch`, over resource types and logical ids.

        Raises:
            LocalCloudNotRunning: the server does not answer.
        """
        self._control(CREATIONS_PATH, {"fail": patterns})

    def throttle(self, *services: str) -> None:
        """Throttle the control plane of exactly these services; none throttles nothing any more.

        Args:
            services: as in a signature, of `throttled_services.ERRORS`.

        Raises:
            LocalCloudNotRunning: the server does not answer, or refuses a service.
        """
        self._control(THROTTLES_PATH, {"throttle": services})

    def _control(self, path: str, command: Mapping[str, object]) -> None:
        request = urllib.request.Request(  # noqa: S310 - our own server on the loopback interface
            self.endpoint_url + path,
            data=json.dumps(command, allow_nan=False).encode(),
            headers={KEY_HEADER: self._running.control_key},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
                return
        except OSError as error:
            raise LocalCloudNotRunning(f"{self.endpoint_url}{path} failed: {error}") from error

    def stop(self) -> None:
        """Stop the server and its Lambda workers, and wait until they have ended. Stopping twice is no error."""
        _end_server(self._running.pid, self._running.start_time, self._server)
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
    """Return the whole environment of the server and its Lambda workers; only PATH is inherited."""
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
        # Disable listeners on fixed ports, and the Docker daemon whose containers MiniStack would remove.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
    }


def _wait_until_ready(server: subprocess.Popen[str], log: Path) -> None:
    assert server.stdout
    readable, _, _ = select.select([server.stdout], [], [], READY_SECONDS)
    line = server.stdout.readline() if readable else ""
    if not line:
        problem = "ended" if readable else f"was not ready after {READY_SECONDS:.0f} s"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_TAIL_LINES:])
        raise LocalCloudNotStarted(f"the local cloud's server {problem}; its log ({log}) ends with:\n{tail}")
    if reason := json.loads(line).get("refused"):
        raise LocalCloudNotStarted(reason)


def _end_server(pid: int, started: str, server: subprocess.Popen[str] | None) -> None:
    """End a server: first with SIGTERM, then by killing its process group."""

    def ended_within(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (server.poll() is None) if server else (process_start_time(pid) == started):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    if not ended_within(0):
        os.kill(pid, signal.SIGTERM)
        if not ended_within(STOP_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            ended_within(STOP_SECONDS)
    for stream in (server.stdin, server.stdout) if server else ():
        if stream:
            stream.close()
