"""What a page shows: sections of facts, tables, bars and plots. A template renders each; it escapes every text.

A section has an id of its own on its page. A live page replaces the sections that have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.cli.rendering.reports.report import GOOD, OPEN, Fact, Plot, Report, ReportTable

PLAIN = ""
"""The tone of what is neither good nor bad. The others are GOOD, BAD and OPEN, as in a report."""


@dataclass(frozen=True)
class Link:
    """Text that leads to a page of the console; `href` is a path."""

    text: str
    href: str


Cell = str | Link


@dataclass(frozen=True)
class Heading:
    """The first section of a page: what it is about, its outcome, and sentences about it."""

    title: str
    kind: str = ""
    outcome: str = ""
    tone: str = OPEN
    sentences: tuple[str, ...] = ()
    id: str = "heading"
    template: str = field(default="heading", init=False)


@dataclass(frozen=True)
class Facts:
    """Figures with names."""

    facts: tuple[Fact, ...]
    id: str = "facts"
    template: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Notes:
    """Sentences that a reader must not miss, each with its tone."""

    notes: tuple[tuple[str, str], ...]
    id: str = "notes"
    template: str = field(default="notes", init=False)


@dataclass(frozen=True)
class Table:
    """A table. Without rows, the sentence `empty` is in its place."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    empty: str = "There is none."
    template: str = field(default="table", init=False)


@dataclass(frozen=True)
class Bar:
    """A named part of a whole.

    Attributes:
        filled: from 0 to 1; None if nothing was measured.
        words: what the bar shows.
        details: a line below it; empty for none.
    """

    name: str
    filled: float | None
    words: str
    tone: str = GOOD
    details: str = ""


@dataclass(frozen=True)
class Bars:
    """Parts on their way to a threshold."""

    id: str
    title: str
    bars: tuple[Bar, ...]
    caption: str = ""
    template: str = field(default="bars", init=False)


@dataclass(frozen=True)
class Plots:
    """Plots of the project's own code."""

    plots: tuple[Plot, ...]
    id: str = "plots"
    template: str = field(default="plots", init=False)


@dataclass(frozen=True)
class Links:
    """A row of links: actions of an operator, or related pages."""

    title: str
    links: tuple[Link, ...]
    id: str = "actions"
    template: str = field(default="links", init=False)


@dataclass(frozen=True)
class Field:
    """One field of a form, with a hint for the person who fills it in."""

    name: str
    hint: str
    required: bool = True


@dataclass(frozen=True)
class Form:
    """The confirmation of an action.

    Attributes:
        path: that it is sent to.
        token: of the form.
        fields: with their values.
        button: its label.
        back: where the operator goes who does not confirm.
    """

    path: str
    token: str
    fields: tuple[tuple[Field, str], ...]
    button: str
    back: str
    id: str = "form"
    template: str = field(default="form", init=False)


@dataclass(frozen=True)
class Commands:
    """Commands that show the same, each with its purpose."""

    commands: tuple[tuple[str, str], ...]
    id: str = "commands"
    template: str = field(default="commands", init=False)


Section = Heading | Facts | Notes | Table | Bars | Plots | Links | Form | Commands


@dataclass(frozen=True)
class Page:
    """A page of the console.

    Attributes:
        title: of the browser's window.
        place: the entry of the navigation that it belongs to.
        sections: from top to bottom.
        events: path of the stream with its changes; empty for a page that does not change by itself.
        refresh_seconds: how often a browser without scripts loads it again; 0 for never.
    """

    title: str
    place: str
    sections: tuple[Section, ...]
    events: str = ""
    refresh_seconds: int = 0


def present(*sections: Section | None) -> tuple[Section, ...]:
    """Return the sections that are not None."""
    return tuple(section for section in sections if section is not None)


def note(text: str, tone: str = PLAIN) -> Notes:
    """Return a section of one note."""
    return Notes(((text, tone),))


def of_report_table(table: ReportTable, number: int) -> Table:
    """Return a table of a report as a section."""
    omitted = f" {table.omitted} rows in the middle are left out." if table.omitted else ""
    return Table(f"table-{number}", table.title, table.columns, table.rows, f"{table.caption}{omitted}".strip())


def of_report(report: Report, *links: Link) -> tuple[Section, ...]:
    """Return the sections of a report, with links to related pages."""
    heading = Heading(report.headline, f"{report.kind} of {report.environment}", report.outcome, report.tone)
    sentences = (report.sentence,)
    sections: Sequence[Section | None] = (
        Heading(heading.title, heading.kind, heading.outcome, heading.tone, sentences),
        Links("Related pages", links, "related") if links else None,
        Notes(tuple((text, PLAIN) for text in report.missing)) if report.missing else None,
        Facts(report.facts) if report.facts else None,
        Plots(report.plots) if report.plots else None,
        *(of_report_table(one, number) for number, one in enumerate(report.tables, start=1)),
        Commands(tuple(report.commands.items())) if report.commands else None,
    )
    return present(*sections)
