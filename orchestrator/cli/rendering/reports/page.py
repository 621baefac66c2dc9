"""A report as one HTML file: no script, nothing that is loaded, and a policy of its own that forbids both.

The template escapes every text. Plots are markup of ours, whose texts `orchestrator.domain.plots.svg` has escaped.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment

from orchestrator.application.html_templates import template_environment
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN, Report, render_plot
from orchestrator.domain.plots.style import PLOT_STYLE
from orchestrator.domain.printable import printable

TEMPLATE, STYLE = "page.html.j2", "page.css"
SIGNS = {GOOD: "✓", BAD: "✗", OPEN: "…"}


def render_page(report: Report) -> str:
    """Return the HTML page of a report."""
    style = page_style()
    return (
        templates_of(__package__, lstrip_blocks=False)
        .get_template(TEMPLATE)
        .render(
            report=report,
            sign=SIGNS[report.tone],
            style=style,
            style_hash=f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}",
            plots=[{"title": plot.title, "svg": render_plot(plot)} for plot in report.plots],
        )
    )


def page_style() -> str:
    """Return the style sheet of a report: both colour schemes, and the classes of the plots."""
    return f"{_package_file(STYLE)}{PLOT_STYLE}"


def templates_of(package: str, folder: str = "", *, lstrip_blocks: bool = True) -> Environment:
    """Return the templates of a package (`template_environment`), in whose texts percentages do not wrap."""
    return template_environment(
        package, folder, lambda text: printable(text).replace(" %", "\u00a0%"), lstrip_blocks=lstrip_blocks
    )


def _package_file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
