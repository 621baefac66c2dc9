"""``python -m orchestrator``, the same as the console script."""

from __future__ import annotations

from orchestrator.cli.main import app

if __name__ == "__main__":
    app(prog_name="orchestrator")
