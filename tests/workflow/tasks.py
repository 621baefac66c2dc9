"""Task modules by the names that definitions give them."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_task(name: str) -> ModuleType:
    """Import a task module, in whichever folder of `orchestrator/tasks` it is."""
    found = list((ROOT / "orchestrator" / "tasks").glob(f"*/{name}.py"))
    if len(found) != 1:
        raise LookupError(f"{len(found)} task modules are named {name}")
    (path,) = found
    return importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
