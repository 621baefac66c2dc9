"""The colours of the plots: readable in both schemes, and no meaning in a colour alone."""

from __future__ import annotations

import pytest

from orchestrator.domain.plots.style import DARK, DASHES, LIGHT, PLOT_STYLE

TEXTS, LINE = ("ink", "quiet", "limit"), 3.0
READABLE = 4.5


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_have_enough_contrast(scheme):
    assert all(contrast(scheme[name], scheme["ground"]) >= READABLE for name in TEXTS)
    assert all(
        contrast(colour, scheme["ground"]) >= LINE for name, colour in scheme.items() if name.startswith("series")
    )


def test_every_series_differs_without_colour():
    assert len(set(DASHES)) == len(DASHES) == sum(name.startswith("series") for name in LIGHT)
    assert LIGHT.keys() == DARK.keys()
    assert all(f".plot .line-{number}{{" in PLOT_STYLE for number in range(len(DASHES)))
