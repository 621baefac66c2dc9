"""Compare stock MiniStack, the local cloud and moto with AWS's recorded answers, and write docs/reference/parity.md.

It uses no network besides the loopback address and takes some minutes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from orchestrator.local.emulator import PATCHES
from tests.contract.parity.case import Outcome, run
from tests.contract.parity.cases import CASES
from tests.contract.parity.emulators import Emulator, ministack, moto_in_process
from tests.contract.parity.page import PAGE, percentage, render


def main() -> None:
    """Run every case on every emulator and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        started: Mapping[str, Callable[[], AbstractContextManager[Emulator]]] = {
            "stock": lambda: ministack("stock", Path(folder, "stock"), ()),
            "ours": lambda: ministack("ours", Path(folder, "ours"), PATCHES),
            "moto": moto_in_process,  # last: it intercepts requests of this process
        }
        outcomes: dict[str, list[Outcome]] = {}
        for name, start in started.items():
            with start() as emulator:
                outcomes[name] = [run(case, emulator) for case in CASES]
            agreeing = percentage(outcome.verdict for outcome in outcomes[name])
            sys.stdout.write(f"{name}: {agreeing:.1f} % of {len(CASES)} cases agree\n")
    PAGE.write_text(render(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
