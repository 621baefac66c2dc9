"""The pages for users. All inserted values are escaped here, and nothing is loaded from third parties.

A page's policy allows its own style and script by nonce, forms to this service, and, while waiting, the identity
provider in a frame. No form is answered by a redirect to a client: browsers apply `form-action` to every redirect that
follows a form, also to those of the client, and the policy has no notation for an IPv6 address. The page that ends a
login moves on by itself instead, without a script (ADR 29).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.clients.address_guard import Platform
    from service.oauth.authorization import ReturnAddress
    from service.oauth.errors import OAuthError
    from service.oauth.scopes import Scope

_FOLDER = Path(__file__).parent
_SCOPE_TEXTS = {
    "openid": "an identifier of your account",
    "profile": "your name",
    "email": "your email address",
    "console:viewer": "that you may read the deployment console",
    "console:operator": "that you may act on the deployment console",
}


@dataclass(frozen=True)
class Page:
    """A page and its Content-Security-Policy."""

    html: str
    policy: str


@dataclass(frozen=True)
class UpstreamPage:
    """The identity provider's login page: its address, and the short code of the login."""

    platform: Platform
    address: str
    user_code: str


def choice(back: ReturnAddress, transaction: str, platforms: Sequence[Platform], nonce: str) -> Page:
    """Return the page that names the client and offers the identity providers."""
    buttons = "".join(_fill("platform.html", name=item.name, title=item.title) for item in platforms)
    body = _fill("choice.html", markup={"platforms": buttons}, transaction=transaction, **_client_values(back))
    return _page("Log in", body, nonce)


def consent(back: ReturnAddress, scope: Scope, transaction: str, platform: Platform, nonce: str) -> Page:
    """Return the page that lists the shared data and asks for consent."""
    items = "".join(_fill("scope.html", words=_SCOPE_TEXTS.get(word, word)) for word in scope)
    described_by = back.client.verified_host
    body = _fill(
        "consent.html",
        markup={"scopes": items},
        described_by=f", as {described_by} describes it," if described_by is not None else "",
        platform=platform.title,
        name=platform.name,
        transaction=transaction,
        **_client_values(back),
    )
    return _page("Share?", body, nonce)


def waiting(back: ReturnAddress, transaction: str, upstream: UpstreamPage, nonce: str) -> Page:
    """Return the page that shows the identity provider's login and polls for its end."""
    platform = upstream.platform
    advice = "same-code.html" if platform.shows_login_context else "no-code.html"
    body = _fill(
        "waiting.html",
        markup={
            "script": _template("waiting.js").template,
            "advice": _fill(advice, platform=platform.title, user_code=upstream.user_code, client=back.client.name),
        },
        platform=platform.title,
        address=upstream.address,
        transaction=transaction,
        nonce=nonce,
        **_client_values(back),
    )
    return _page("Log in", body, nonce, frame=platform.url)


def logged_in(back: ReturnAddress, address: str, nonce: str) -> Page:
    """Return the page that ends a login and moves on to the client."""
    return _moving_on("You are logged in", back, address, nonce)


def denied(back: ReturnAddress, address: str, nonce: str) -> Page:
    """Return the page that ends a denied login. It moves on only to a client that an operator has configured.

    A stranger could otherwise bring users to any address, whatever they choose here (RFC 9700 §4.11.2).
    """
    if back.client.self_described:
        return _page("Nothing was shared", _fill("denied.html", address=address, host=back.host), nonce)
    return _moving_on("Nothing was shared", back, address, nonce)


def client_error(back: ReturnAddress, error: OAuthError, nonce: str) -> Page:
    """Return the page with the error of a self-described client's request, which names the host behind it."""
    described_by = back.client.verified_host
    body = _fill(
        "client-error.html",
        host=back.host,
        described_by=f", which {described_by} describes," if described_by is not None else "",
        message=error.description,
        code=error.code,
    )
    return _page("This did not work", body, nonce)


def error(message: str, nonce: str) -> Page:
    """Return the page with the reason why there is no login."""
    return _page("This did not work", _fill("error.html", message=message), nonce)


def _moving_on(heading: str, back: ReturnAddress, address: str, nonce: str) -> Page:
    body = _fill("moving-on.html", heading=heading, address=address, host=back.host)
    return _page(heading, body, nonce, head=_fill("refresh.html", address=address))


def _page(title: str, body: str, nonce: str, *, head: str = "", frame: str = "'none'") -> Page:
    markup = {"head": head, "body": body, "style": _template("style.css").template}
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        f"form-action 'self'; frame-src {frame}; frame-ancestors 'none'; base-uri 'none'"
    )
    return Page(_fill("page.html", markup=markup, title=title, nonce=nonce), policy)


def _client_values(back: ReturnAddress) -> dict[str, str]:
    """Return the client's name and where the user returns to."""
    place = ", an application on this computer" if back.on_this_computer else ""
    return {"client": back.client.name, "host": back.host, "place": place}


def _fill(template: str, /, markup: dict[str, str] | None = None, **values: str) -> str:
    """Fill a template: values are escaped; markup was made here from templates with escaped values."""
    return _template(template).substitute({key: escape(value) for key, value in values.items()}, **(markup or {}))


@cache
def _template(name: str) -> Template:
    return Template((_FOLDER / name).read_text(encoding="utf-8"))
