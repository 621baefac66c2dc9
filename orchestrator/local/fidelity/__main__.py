"""``python -m orchestrator.local.fidelity NAME …``: digests of MiniStack's internals, as a mend's ``PINNED`` has them."""

from __future__ import annotations

import sys

from orchestrator.local.fidelity.pins import digest_or_reason

for name in sys.argv[1:]:
    print(f'    "{name}": "{digest_or_reason(name)}",')  # noqa: T201 - its output is the point
