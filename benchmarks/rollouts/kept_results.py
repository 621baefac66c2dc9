"""Results of a simulation that takes hours, kept in a file, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

from orchestrator import environments

PROJECT = Path(__file__).resolve().parents[2]
JUDGES = (
    *("benchmarks/rollouts/grid.py", "benchmarks/rollouts/sources.py", "benchmarks/rollouts/synthetic.py"),
    *(f"benchmarks/rollouts/{name}.py" for name in ("alarm_twin", "check_twin", "errors", "pipeline", "twin", "world")),
    *("orchestrator/domain/analysis", "orchestrator/domain/rollback/alarm_evaluation.py"),
    *(f"orchestrator/domain/deployment/{name}.py" for name in ("plan", "policy", "strategy")),
)
"""The code and the settings that a result depends on."""


def code_digest(project: Path = PROJECT) -> str:
    """Return a digest of what the results depend on."""
    digest = sha256()
    places = [project / name for name in JUDGES]
    files = [file for place in places for file in (place.rglob("*.py") if place.is_dir() else [place])]
    for path in sorted(files):
        digest.update(str(path.relative_to(project)).encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(json.dumps(environments.load("prod").delivery, sort_keys=True, default=str, allow_nan=False).encode())
    return digest.hexdigest()[:16]


Value = TypeVar("Value", bound=Mapping[str, object])


class KeptResults(Generic[Value]):
    """One line of JSON for each result. A line of other code, or one that a killed run left unfinished, does not count."""

    def __init__(self, path: Path | None, digest: str) -> None:
        """Read what is there.

        Args:
            path: the file; None keeps the results in memory only.
            digest: of the code that makes the results.
        """
        self._path, self._digest = path, digest
        self._values: dict[str, Value] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else ():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if found["code"] == digest:
                self._values[found["key"]] = found["value"]

    def get(self, key: str) -> Value | None:
        """Return the result of a key; None if there is none."""
        return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        """Keep a result: what was found, by name."""
        self._values[key] = value
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(
                    "\n" * (not _ends_a_line(self._path))
                    + json.dumps({"code": self._digest, "key": key, "value": value}, allow_nan=False)
                    + "\n"
                )


def _ends_a_line(path: Path) -> bool:
    return path.stat().st_size == 0 or path.read_bytes().endswith(b"\n")
