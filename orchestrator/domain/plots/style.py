"""The colours of the plots, for a light and a dark page, as CSS.

Text has a contrast of at least 4.5:1, lines of at least 3:1. No meaning is in a colour alone: every series has a dash and a
mark of its own, and every line is named. `tests/unit/domain/plots/test_style.py` computes the contrasts.
"""

from __future__ import annotations

LIGHT = {
    "ground": "#ffffff",
    "ink": "#16202a",
    "quiet": "#51606e",
    "grid": "#d5dce3",
    "limit": "#a11222",
    "series-0": "#0061a8",
    "series-1": "#b34700",
    "series-2": "#00705a",
    "series-3": "#8a3d7a",
    "series-4": "#6b5b00",
    "series-5": "#4453b8",
    "series-6": "#595959",
    "series-7": "#0b6b78",
}
DARK = {
    "ground": "#12171d",
    "ink": "#e8edf2",
    "quiet": "#a5b2bf",
    "grid": "#36424e",
    "limit": "#ff9aa2",
    "series-0": "#6cb6ff",
    "series-1": "#ffa45c",
    "series-2": "#4fd1b0",
    "series-3": "#e08fd0",
    "series-4": "#d9c34a",
    "series-5": "#a3aefc",
    "series-6": "#bdbdbd",
    "series-7": "#6fd0dd",
}

DASHES = ("", "8 4", "2 3", "10 3 2 3", "14 5", "5 2 1 2", "1 4", "6 2")
"""The dash of each series, by which it differs without colour."""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--plot-{name}:{colour};" for name, colour in colours.items())


def _series(number: int) -> str:
    colour, dash = f"var(--plot-series-{number})", DASHES[number]
    dashed = f"stroke-dasharray:{dash};" if dash else ""
    return (
        f".plot .line-{number}{{stroke:{colour};{dashed}}}"
        f".plot .mark-{number}{{fill:{colour};}}"
        f".plot .band-{number}{{fill:{colour};}}"
    )


PLOT_STYLE = (
    f":root{{{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    ".plot{font:12px system-ui,sans-serif;display:block;background:var(--plot-ground)}"
    ".plot .label{fill:var(--plot-ink)}"
    ".plot .quiet{fill:var(--plot-quiet)}"
    ".plot .strong{fill:var(--plot-ink);font-weight:650}"
    ".plot .alert{fill:var(--plot-limit);font-weight:650}"
    ".plot .grid{stroke:var(--plot-grid);stroke-width:1}"
    ".plot .axis{stroke:var(--plot-quiet);stroke-width:1}"
    ".plot .limit{stroke:var(--plot-limit);stroke-width:2;stroke-dasharray:6 3;fill:none}"
    ".plot .moment{stroke:var(--plot-ink);stroke-width:1;stroke-dasharray:3 3}"
    ".plot .flag{fill:var(--plot-ink)}"
    ".plot .letter{fill:var(--plot-ground);font-weight:650}"
    ".plot .ring{fill:none;stroke:var(--plot-limit);stroke-width:2}"
    ".plot .box{fill:var(--plot-ground);stroke:var(--plot-limit);stroke-width:1}"
    ".plot .leader{stroke:var(--plot-limit);stroke-width:1}"
    ".plot .line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".plot .band{opacity:.18;stroke:none}" + "".join(_series(number) for number in range(len(DASHES)))
)
"""The rules for the classes of a plot. A page contains them once."""
