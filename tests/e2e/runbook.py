"""A runbook's commands, run by the shell and the AWS command line as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

RUNBOOKS = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


class Runbook:
    """The blocks of shell commands of one page, in their order.

    Args:
        name: the page's name.
        local: what stands in it and what stands in its place here: the environment's name, a version.
    """

    def __init__(self, name: str, local: Mapping[str, str]) -> None:
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        self.blocks = [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in _BLOCK.findall(text)]
        for written, here in local.items():
            assert any(written in block for block in self.blocks), f"{written} no longer stands in {name}"
            self.blocks = [block.replace(written, here) for block in self.blocks]

    def block_with(self, text: str) -> str:
        """Return the one block that contains a text. A block that is added to the page does not change which one it is."""
        found = [block for block in self.blocks if text in block]
        assert len(found) == 1, f"{len(found)} blocks contain {text!r}"
        return found[0]

    def run(self, *blocks: str, environ: Mapping[str, str], seconds: float = 600) -> str:
        """Run blocks in one shell, one after the other, and return what they printed."""
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            env={"PATH": path, "AWS_PAGER": "", "HOME": "/nonexistent", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout
