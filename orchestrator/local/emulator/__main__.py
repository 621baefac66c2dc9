"""Print digests of MiniStack's internals in the form of a patch's ``PINNED``.

python -m orchestrator.local.emulator NAME …
"""

from __future__ import annotations

import sys

from orchestrator.local.emulator.pins import digest_or_reason

for name in sys.argv[1:]:
    print(f'    "{name}": "{digest_or_reason(name)}",')  # noqa: T201 - a command line tool
