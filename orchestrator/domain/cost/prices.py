"""Prices: a dated table of prices in one region, and charges that keep the source of each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import SettingsReader

HEADER = ("as_of", "source")
"""Keys of the file that are not regions."""

MAX_USD = 1_000_000
"""No unit costs more."""


@dataclass(frozen=True)
class Price:
    """The price of one unit.

    Attributes:
        unit: what is counted, such as ``dynamodb_storage_gb_month``; a name with ``million`` counts millions.
        sku: the SKU in the AWS Price List; empty if the price was not verified there.
    """

    unit: str
    usd: float
    sku: str = ""


@dataclass(frozen=True)
class Prices:
    """The prices of one region on one day."""

    region: str
    as_of: date
    source: str
    by_unit: Mapping[str, Price]

    @classmethod
    def parse(cls, document: Mapping[str, object], region: str) -> Prices:
        """Read a region's prices from the document of the file.

        Raises:
            Refused: the region is missing, or a price is invalid. The error names field, value and remedy.
        """
        settings = SettingsReader("prices", document, Refused)
        as_of = settings.take("as_of")
        if not isinstance(as_of, date):
            raise settings.refused("as_of", as_of, "give the day on which the prices were looked up, as a date")
        source = settings.text("source", remedy="name the source of the prices")
        table = settings.take(region)
        if not isinstance(table, Mapping):
            known = ", ".join(key for key in document if key not in HEADER)
            raise settings.refused("region", region, f"add its table; there are prices of {known or 'no region'}")
        by_unit = {str(unit): _price(settings.field(region), str(unit), entry) for unit, entry in table.items()}
        return cls(region, as_of, source, by_unit)

    def price_of(self, unit: str) -> Price:
        """Return the price of one unit.

        Raises:
            Refused: the file has no price for it.
        """
        if unit not in self.by_unit:
            raise Refused(f"prices.{self.region}", unit, "add its price")
        return self.by_unit[unit]

    def charge(self, what: str, unit: str, amount: float, because: str = "") -> Charge:
        """Return the charge for an amount.

        Args:
            what: name of the line.
            unit: unit of the price.
            amount: in that unit: if the unit is a million of something, in millions.
            because: how the amount was calculated.
        """
        return Charge(what, amount, self.price_of(unit), because)


@dataclass(frozen=True)
class Charge:
    """One line of an estimate."""

    what: str
    amount: float
    price: Price
    because: str = ""

    @property
    def usd(self) -> float:
        """The amount times the price, in US dollars."""
        return self.amount * self.price.usd


def total_usd(charges: Sequence[Charge]) -> float:
    """Return the sum of charges, in US dollars."""
    return sum(charge.usd for charge in charges)


def unverified_usd(charges: Sequence[Charge]) -> float:
    """Return the part of the sum whose prices were not verified in the price list, in US dollars."""
    return total_usd([charge for charge in charges if not charge.price.sku])


def _price(place: str, unit: str, entry: object) -> Price:
    if not isinstance(entry, Mapping):
        raise Refused(f"{place}.{unit}", entry, "give a table such as { usd = 0.20 }")
    settings = SettingsReader(f"{place}.{unit}", entry, Refused)
    price = Price(unit, settings.number("usd", 0, MAX_USD), settings.optional_text("sku") or "")
    settings.refuse_unknown_keys()
    return price
