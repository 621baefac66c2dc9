"""Read the price list next to this module. It is part of the functions' asset, so tasks can estimate costs."""

from __future__ import annotations

import tomllib
from pathlib import Path

from orchestrator.domain.cost.prices import Prices

FILE = Path(__file__).with_name("prices.toml")


def load_prices(region: str) -> Prices:
    """Return the prices of a region.

    Raises:
        Refused: the list has no prices of it.
    """
    return Prices.parse(tomllib.loads(FILE.read_text(encoding="utf-8")), region)
