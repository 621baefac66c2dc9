"""The file of prices beside this module, read. It is part of the functions' asset, so a task may ask what a drill will cost."""

from __future__ import annotations

import tomllib
from pathlib import Path

from orchestrator.domain.prices import Prices

FILE = Path(__file__).with_name("prices.toml")


def load(region: str) -> Prices:
    """Read the prices of a region.

    Raises:
        Refused: there are none of it.
    """
    return Prices.parse(tomllib.loads(FILE.read_text(encoding="utf-8")), region)
