"""What things cost: a dated table of prices in one region, and sums that keep where each figure came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from orchestrator.domain.errors import Refused

HEADER = ("as_of", "source")
"""Keys of the file that are no regions."""


@dataclass(frozen=True)
class Price:
    """What one of something costs.

    Attributes:
        unit: what is counted, such as ``dynamodb_storage_gb_month``; a name with ``million`` counts millions.
        sku: the AWS Price List's, where the figure was found there; empty where nobody looked it up.
    """

    unit: str
    usd: float
    sku: str = ""


@dataclass(frozen=True)
class Prices:
    """The prices of one region, as they were on a day."""

    region: str
    as_of: date
    source: str
    by_unit: Mapping[str, Price]

    @classmethod
    def parse(cls, document: Mapping[str, object], region: str) -> Prices:
        """Read a region's prices out of the file's document.

        Raises:
            Refused: the region is not there, or a figure makes no sense; names field, value and remedy.
        """
        as_of, source, table = document.get("as_of"), document.get("source"), document.get(region)
        if not isinstance(as_of, date):
            raise Refused("prices.as_of", as_of, "give the day on which the prices were looked up, as a date")
        if not isinstance(source, str) or not source:
            raise Refused("prices.source", source, "say where the prices are from")
        if not isinstance(table, Mapping):
            known = ", ".join(key for key in document if key not in HEADER)
            raise Refused("prices.region", region, f"add its table; there are prices of {known or 'no region'}")
        by_unit = {str(unit): _price(region, str(unit), given) for unit, given in table.items()}
        return cls(region, as_of, source, by_unit)

    def of(self, unit: str) -> Price:
        """The price of one unit.

        Raises:
            Refused: the file has none.
        """
        if unit not in self.by_unit:
            raise Refused(f"prices.{self.region}", unit, "add its price")
        return self.by_unit[unit]

    def charge(self, what: str, unit: str, amount: float, because: str = "") -> Charge:
        """What an amount of something costs.

        Args:
            what: the line's name.
            unit: of the price.
            amount: in that unit: where the unit is a million of something, in millions.
            because: how the amount was arrived at.
        """
        return Charge(what, amount, self.of(unit), because)


@dataclass(frozen=True)
class Charge:
    """One line of an estimate."""

    what: str
    amount: float
    price: Price
    because: str = ""

    @property
    def usd(self) -> float:
        """What the line comes to."""
        return self.amount * self.price.usd


def total(charges: Sequence[Charge]) -> float:
    """What the lines come to, in US dollars."""
    return sum(charge.usd for charge in charges)


def unchecked(charges: Sequence[Charge]) -> float:
    """How much of it rests on prices that nobody looked up in the price list."""
    return total([charge for charge in charges if not charge.price.sku])


def _price(region: str, unit: str, given: object) -> Price:
    field = f"prices.{region}.{unit}"
    if not isinstance(given, Mapping):
        raise Refused(field, given, "give a table such as { usd = 0.20 }")
    usd, sku = given.get("usd"), given.get("sku", "")
    if isinstance(usd, bool) or not isinstance(usd, int | float) or usd < 0:
        raise Refused(f"{field}.usd", usd, "give US dollars, 0 or more")
    if not isinstance(sku, str) or given.keys() - {"usd", "sku"}:
        raise Refused(field, dict(given), "give usd and, where it was looked up, the price list's sku; nothing else")
    return Price(unit, usd, sku)
