"""The pages of subscriptions: the form, which is a file of the site, and the answers of the endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.application.status_page.pages import page_template
from orchestrator.domain.status_page.page import StatusPage


@dataclass(frozen=True)
class View:
    """What an answer of the endpoint shows.

    Attributes:
        button: of the form that repeats the address of the page as a POST; empty for none.
        token: of that address.
        secret: a signing secret that is shown once; empty for none.
    """

    heading: str
    text: str
    button: str = ""
    token: str = ""
    secret: str = ""


def render_form(page: StatusPage, written_at: datetime) -> str:
    """Return the page with the form."""
    return page_template("subscribe.html.j2").render(page=page, written_at=written_at, root="")


def render_subscription(title: str, view: View) -> str:
    """Return an answer of the endpoint.

    Args:
        title: of the status page.
        view: what it shows.
    """
    return page_template("subscription.html.j2").render(title=title, view=view)
