"""The pages a person sees. Everything that is filled in is escaped here, and nothing comes from a third party.

A page's policy allows its own style and script by nonce, forms to this service and on to the client's redirect (browsers apply
`form-action` to the redirect that follows a form, too), and, while waiting, the platform in a frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.addresses import Platform
    from service.oauth.authorization import ReturnAddress
    from service.oauth.scopes import Scope

_FOLDER = Path(__file__).parent
_SCOPE_WORDS = {"profile": "your name", "email": "your email address"}


@dataclass(frozen=True)
class Page:
    """A page and the Content-Security-Policy that it is sent with."""

    html: str
    policy: str


def choice(back: ReturnAddress, transaction: str, platforms: Sequence[Platform], nonce: str) -> Page:
    """Return the page that says who asks, and offers the platforms to log in at."""
    buttons = "".join(_filled("platform.html", name=item.name, title=item.title) for item in platforms)
    body = _filled("choice.html", markup={"platforms": buttons}, transaction=transaction, **_words(back))
    return _page("Log in", body, nonce, form_action=_target(back.redirect_uri))


def consent(back: ReturnAddress, scope: Scope, transaction: str, platform: Platform, nonce: str) -> Page:
    """Return the page that says what is shared with whom, and asks."""
    items = "".join(_filled("scope.html", words=_SCOPE_WORDS.get(word, word)) for word in scope)
    voucher = back.client.verified_host
    body = _filled(
        "consent.html",
        markup={"scopes": items},
        voucher=f", as {voucher} describes it," if voucher is not None else "",
        platform=platform.title,
        name=platform.name,
        transaction=transaction,
        **_words(back),
    )
    return _page("Share?", body, nonce, form_action=_target(back.redirect_uri))


def waiting(back: ReturnAddress, transaction: str, platform: Platform, address: str, nonce: str) -> Page:
    """Return the page that shows the platform's login and asks, while it is open, whether it is done."""
    body = _filled(
        "waiting.html",
        markup={"script": _template("waiting.js").template},
        platform=platform.title,
        address=address,
        transaction=transaction,
        nonce=nonce,
        **_words(back),
    )
    return _page("Log in", body, nonce, form_action=_target(back.redirect_uri), frame=platform.url)


def error(message: str, nonce: str) -> Page:
    """Return the page that says why there is no login."""
    return _page("This did not work", _filled("error.html", message=message), nonce)


def _page(title: str, body: str, nonce: str, *, form_action: str = "", frame: str = "'none'") -> Page:
    html = _filled(
        "page.html", markup={"body": body, "style": _template("style.css").template}, title=title, nonce=nonce
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        f"form-action 'self' {form_action}".rstrip()
        + f"; frame-src {frame}; frame-ancestors 'none'; base-uri 'none'"
    )
    return Page(html, policy)


def _words(back: ReturnAddress) -> dict[str, str]:
    """Who asks, and where the person returns to."""
    place = ", an application on this computer" if back.on_this_computer else ""
    return {"client": back.client.name, "host": back.host, "place": place}


def _target(redirect_uri: str) -> str:
    """Return the source expression of a redirect URI: its origin, or its scheme where it has no host."""
    parts = urlsplit(redirect_uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _filled(template: str, /, markup: dict[str, str] | None = None, **values: str) -> str:
    """Fill a template: values are escaped, markup was made here from templates that were."""
    return _template(template).substitute({key: escape(value) for key, value in values.items()}, **(markup or {}))


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / name).read_text(encoding="utf-8"))
