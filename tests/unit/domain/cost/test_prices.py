"""Prices: what the file may say, what is refused, and that a sum knows which of its figures were not looked up."""

from datetime import date

import pytest

from orchestrator import environments
from orchestrator.application import prices
from orchestrator.domain.cost.prices import Prices, total_usd, unverified_usd
from orchestrator.domain.errors import Refused

DOCUMENT = {
    "as_of": date(2026, 9, 29),
    "source": "the price list",
    "us-west-1": {"gb_month": {"usd": 0.25, "sku": "A1"}, "million_requests": {"usd": 2}},
}
PRICES = Prices.parse(DOCUMENT, "us-west-1")


def test_a_charge_is_an_amount_at_its_price():
    charge = PRICES.charge("storage", "gb_month", 8, "8 GB")
    assert (charge.usd, charge.because, charge.price.sku) == (2.0, "8 GB", "A1")


def test_a_sum_says_how_much_of_it_was_not_looked_up():
    charges = [PRICES.charge("storage", "gb_month", 8), PRICES.charge("requests", "million_requests", 1.5)]
    assert (total_usd(charges), unverified_usd(charges)) == (5.0, 3.0)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"as_of": "2026-09-29"}, "prices.as_of: '2026-09-29' is refused: give the day"),
        ({"source": ""}, "prices.source: '' is refused"),
        ({"us-west-1": {"x": 2}}, "prices.us-west-1.x: 2 is refused: give a table such as"),
        ({"us-west-1": {"x": {"usd": -1}}}, "prices.us-west-1.x.usd: -1 is refused: give a number from 0 to 1000000"),
        ({"us-west-1": {"x": {"usd": True}}}, "prices.us-west-1.x.usd: True is refused"),
        ({"us-west-1": {"x": {"usd": float("nan")}}}, "prices.us-west-1.x.usd: nan is refused"),
        ({"us-west-1": {"x": {"usd": float("inf")}}}, "prices.us-west-1.x.usd: inf is refused"),
        ({"us-west-1": {"x": {"usd": "free"}}}, "prices.us-west-1.x.usd: 'free' is refused"),
        ({"us-west-1": {"x": {"usd": 1, "sku": 7}}}, "prices.us-west-1.x.sku: 7 is refused: give a text"),
        (
            {"us-west-1": {"x": {"usd": 1, "per": "day"}}},
            "prices.us-west-1.x.per: 'day' is refused: remove it; known keys are usd",
        ),
    ],
)
def test_a_figure_that_makes_no_sense_is_refused_by_its_place(change, refused):
    with pytest.raises(Refused, match=refused):
        Prices.parse({**DOCUMENT, **change}, "us-west-1")


def test_a_region_without_prices_is_refused_and_not_priced_as_another():
    with pytest.raises(Refused, match="'eu-west-1' is refused: add its table; there are prices of us-west-1"):
        Prices.parse(DOCUMENT, "eu-west-1")
    with pytest.raises(Refused, match="there are prices of no region"):
        Prices.parse({"as_of": date(2026, 9, 29), "source": "s"}, "eu-west-1")


def test_a_unit_without_a_price_is_refused():
    with pytest.raises(Refused, match=r"prices.us-west-1: 'gold_gram' is refused: add its price"):
        PRICES.charge("gold", "gold_gram", 1)


@pytest.mark.parametrize("name", environments.names())
def test_every_environment_s_region_has_prices(name):
    region = environments.load(name).region
    assert prices.load_prices(region).price_of("lambda_arm64_gb_second").usd > 0
