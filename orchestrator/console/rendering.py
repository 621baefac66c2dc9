"""Sections and pages as HTML. The templates escape every text; plots are markup of ours with escaped texts."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment

from orchestrator.cli.rendering.reports.page import SIGNS, page_style, templates_of
from orchestrator.cli.rendering.reports.report import render_plot
from orchestrator.console.sections import Link, Page, Section

PLACES = (
    Link("Overview", "/"),
    Link("Deployments", "/deployments"),
    Link("Recoveries", "/recoveries"),
    Link("Incidents", "/incidents"),
    Link("Alarms", "/alarms"),
    Link("Freezes", "/freezes"),
    Link("Evidence", "/evidence"),
    Link("Keys", "/keys"),
    Link("Costs", "/costs"),
    Link("Environments", "/environments"),
)
"""The navigation."""

SCRIPT, STYLE, ICON = "live.js", "console.css", "icon.svg"


@cache
def static_file(name: str) -> str:
    """Return the text of a static file; the style sheet is that of the reports with the console's own rules."""
    text = files(__package__).joinpath("static", name).read_text(encoding="utf-8")
    return f"{page_style()}{text}" if name == STYLE else text


@cache
def address_of(name: str) -> str:
    """Return the path of a static file. It names the content, so that a browser may keep it for ever."""
    return f"/static/{sha256(static_file(name).encode()).hexdigest()[:16]}/{name}"


def render_page(page: Page, environment: str, signed_in: str = "") -> str:
    """Return a page as a complete HTML document. `signed_in`: who sees it, on a console with sign-in."""
    rendered = [(section, render_section(section)) for section in page.sections]
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            page=page,
            environment=environment,
            signed_in=signed_in,
            places=PLACES,
            style=address_of(STYLE),
            icon=address_of(ICON),
            script=address_of(SCRIPT) if page.events else "",
            sections=[(section.id, html, digest_of(html)) for section, html in rendered],
        )
    )


def render_section(section: Section) -> str:
    """Return a section as HTML, without the element that has its id."""
    return _templates().get_template(f"{section.template}.html.j2").render(section=section)


def digest_of(html: str) -> str:
    """Return the digest by which a browser knows that it shows a section already."""
    return sha256(html.encode()).hexdigest()[:16]


@cache
def _templates() -> Environment:
    environment = templates_of(__package__, "templates")
    environment.globals["signs"] = SIGNS
    environment.globals["render_plot"] = render_plot
    environment.tests["link"] = lambda value: isinstance(value, Link)
    return environment
