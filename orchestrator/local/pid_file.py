"""The PID file of a local cloud in its folder, and whether its process is still running."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "cloud.json"
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class RunningCloud:
    """A local cloud that runs, or ran.

    Attributes:
        pid: process id of the server, which leads its own process group.
        start_time: the process's start time in the operating system's format. With the pid it identifies one process.
        port: the port on 127.0.0.1.
        region: AWS region.
        profile: profile of the patches.
        patches: names of the installed patches, in order; empty for stock MiniStack.
        control_key: the key of the server's own control endpoint.
    """

    pid: int
    start_time: str
    port: int
    region: str
    profile: str
    patches: tuple[str, ...]
    control_key: str

    @property
    def endpoint_url(self) -> str:
        """Endpoint of the cloud."""
        return f"http://{_LOOPBACK}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether this process is running; a later process with the same pid does not count."""
        return process_start_time(self.pid) == self.start_time

    def write(self, folder: Path) -> None:
        """Write the PID file atomically, readable by its owner only."""
        temporary = folder / f"{FILE_NAME}.{self.pid}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2, allow_nan=False)
        temporary.replace(folder / FILE_NAME)

    @classmethod
    def read(cls, folder: Path) -> RunningCloud | None:
        """Return the content of the PID file; None if there is no valid one."""
        try:
            fields = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            return cls(**{**fields, "patches": tuple(fields["patches"])})
        except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError):
            return None

    def remove(self, folder: Path) -> None:
        """Remove the PID file, unless another cloud has written its own since."""
        if RunningCloud.read(folder) == self:
            (folder / FILE_NAME).unlink(missing_ok=True)


def process_start_time(pid: int) -> str | None:
    """Return the start time of a process in the operating system's format; None if no such process runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self").exists() else _start_by_ps(pid)
    state, start_ticks = fields[0], fields[19]
    return None if state in {"Z", "X"} else start_ticks


def _start_by_ps(pid: int) -> str | None:
    finished = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607 - the system's ps
    return finished.stdout.strip() or None
