"""The note that a running local cloud leaves in its folder, and whether the process in it is still that one."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "cloud.json"
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Running:
    """A local cloud that runs, or ran.

    Attributes:
        pid: of the server, which leads its own process group.
        started: the process's start as the operating system gives it; with the pid it names one process for good.
        port: where it listens on 127.0.0.1.
        region: AWS region.
        profile: of the mends.
        mends: names of the installed mends, in order; empty for stock MiniStack.
        control_key: what the server's own control endpoint asks for.
    """

    pid: int
    started: str
    port: int
    region: str
    profile: str
    mends: tuple[str, ...]
    control_key: str

    @property
    def endpoint_url(self) -> str:
        """Address of the cloud."""
        return f"http://{_LOOPBACK}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether that very process runs; a process that was given its pid later is another one."""
        return process_start(self.pid) == self.started

    def write(self, folder: Path) -> None:
        """Leave the note, readable by its owner only, whole or not at all."""
        written = folder / f"{FILE_NAME}.{self.pid}"
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
        written.replace(folder / FILE_NAME)

    @classmethod
    def read(cls, folder: Path) -> Running | None:
        """Return the note in the folder; None where there is none that makes sense."""
        try:
            found = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
            return cls(**{**found, "mends": tuple(found["mends"])})
        except (FileNotFoundError, json.JSONDecodeError, TypeError, KeyError):
            return None

    def remove(self, folder: Path) -> None:
        """Remove the note, unless another cloud has left its own since."""
        if Running.read(folder) == self:
            (folder / FILE_NAME).unlink(missing_ok=True)


def process_start(pid: int) -> str | None:
    """Return when the process started, in the operating system's own words; None where no such process runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self").exists() else _start_by_ps(pid)
    state, start_ticks = fields[0], fields[19]
    return None if state in {"Z", "X"} else start_ticks


def _start_by_ps(pid: int) -> str | None:
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607 - a BSD's or macOS' own ps
    return asked.stdout.strip() or None
