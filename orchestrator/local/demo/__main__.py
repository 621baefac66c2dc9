"""Run the demo as a program: ``python -m orchestrator.local.demo``."""

from __future__ import annotations

import io
import os
import sys

from orchestrator.local.demo import FAILURES, OUTPUT_NOT_WRITTEN, main, overload_hint

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="replace")  # a character that the terminal lacks must not end the demo
try:
    main()
except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(OUTPUT_NOT_WRITTEN)
except FAILURES as failed:
    sys.exit(f"the demo failed: {failed}{overload_hint(os.getloadavg()[0], os.cpu_count() or 1)}")
