"""The endpoint of acknowledgements: the page of a link, and webhooks of pagers.

A GET changes nothing, because scanners of mail and previews of chats open links. The page has a button; its POST
acknowledges. A response says what to do next, whatever was wrong.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

from botocore.exceptions import ClientError
from jinja2 import Environment

from orchestrator.application.cloud import Cloud, logger
from orchestrator.application.html_templates import template_environment
from orchestrator.application.incidents.incident_log import announce_soon, change_incident
from orchestrator.application.notifications.fan_out import configured_destinations
from orchestrator.domain.errors import Refused, Throttled, Unreachable
from orchestrator.domain.http_messages import HttpRequest, HttpResponse
from orchestrator.domain.incidents.acknowledgement import (
    ON_CALL,
    PAGERS_PATH,
    PATH,
    PURPOSE,
    PageReference,
    Standing,
    acknowledgement_drafts,
    page_of,
    standing_of,
)
from orchestrator.domain.incidents.incident import Incident
from orchestrator.domain.incidents.pager_webhooks import WebhookRefused, acknowledged_page, verify_webhook
from orchestrator.domain.incidents.register import Change, Register
from orchestrator.domain.notifications.destinations import Destination
from orchestrator.domain.signed_links import LinkRefused, read_token

TEMPLATE = "acknowledgement.html.j2"
_BY_COMMAND = "acknowledge on the command line: orchestrator incident list --open --env {}"
_RETRY = {"Retry-After": "5"}


@dataclass(frozen=True)
class _View:
    """What the page shows. `token`: with which the button acknowledges; empty if there is nothing to acknowledge."""

    heading: str
    next_step: str
    token: str = ""
    incident: Incident | None = None
    person: str = ""


def respond(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    """Answer a request to the endpoint."""
    try:
        if request.path == PATH:
            return _answer_link(request, cloud)
        if request.path.startswith(PAGERS_PATH) and request.method == "POST":
            return _answer_pager(request, cloud)
    except (Throttled, Unreachable, ClientError) as error:
        logger.warning("an acknowledgement waits", extra={"error": str(error)})
        if request.path == PATH:
            remedy = f"try again in some seconds, or {_BY_COMMAND.format(cloud.environment)}"
            return _page(503, _View("The incident could not be read", remedy), cloud, _RETRY)
        return _document(503, {"result": "try again"}, _RETRY)
    return _page(404, _View("There is no such page", "open the whole link as the message has it"), cloud)


def _answer_link(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    if request.method not in {"GET", "HEAD", "POST"}:
        view = _View("This method is not allowed", "open the link of the message in a browser")
        return _page(405, view, cloud, {"Allow": "GET, HEAD, POST"})
    token = request.form.get("token", "") if request.method == "POST" else request.query.get("token", "")
    try:
        page = page_of(read_token(token, PURPOSE, _link_keys(cloud), cloud.now()))
    except LinkRefused as refused:
        heading = "This link has expired" if refused.expired else "This link is not valid"
        remedy = f"{refused.remedy}, or {_BY_COMMAND.format(cloud.environment)}"
        return _page(410 if refused.expired else 400, _View(heading, remedy), cloud)
    try:
        incident = _acknowledge(page, "the link of the page", cloud) if request.method == "POST" else None
        found = incident or cloud.incidents.read_incident(page.incident)
    except Refused:
        view = _View("The incident is not in this environment's ledger", _BY_COMMAND.format(cloud.environment))
        return _page(404, view, cloud)
    if incident is not None:
        logger.info("incident acknowledged", extra={"incident": page.incident, "means": "link"})
    return _page(200, _view_of(found, page, token, request.method), cloud)


def _view_of(incident: Incident, page: PageReference, token: str, method: str) -> _View:
    show = f"orchestrator incident show {incident.id}"
    person = page.person or ON_CALL
    match standing_of(incident, page):
        case Standing.OVER:
            words = "The incident was reopened" if incident.is_open else "The incident is resolved"
            remedy = "acknowledge the newer page" if incident.is_open else f"nothing is left to do here; {show}"
            return _View(words, remedy, incident=incident)
        case Standing.ACKNOWLEDGED:
            by = f"{incident.acknowledged_by} acknowledged it at {incident.acknowledged_at:%Y-%m-%d %H:%M:%S} UTC"
            remedy = f"{by}. No further page is sent. Follow it: {show}"
            return _View("Acknowledged" if method == "POST" else "It is acknowledged", remedy, incident=incident)
        case Standing.WAITS:
            remedy = f"Acknowledge as {person}: no further page is sent, and the others see who works on it."
            return _View("Acknowledge this incident?", remedy, token, incident, person)


def _answer_pager(request: HttpRequest, cloud: Cloud) -> HttpResponse:
    destination = _pager_of(request.path.removeprefix(PAGERS_PATH), cloud)
    if destination is None:
        return _document(404, {"result": "refused", "remedy": "name a pager of the settings that has webhook_secret"})
    secret = _webhook_secret(destination, cloud)
    try:
        verify_webhook(destination.kind, secret, request.headers, request.body)
        page = acknowledged_page(destination.kind, request.body, cloud.environment)
    except WebhookRefused as refused:
        logger.warning("a webhook is refused", extra={"destination": destination.name, "field": refused.field})
        status = 400 if refused.field == "body" else 401
        return _document(status, {"result": "refused", "field": refused.field, "remedy": refused.remedy})
    if page is None:
        return _document(200, {"result": "ignored"})
    try:
        incident = _acknowledge(page, f"the pager {destination.name}", cloud)
    except Refused:
        return _document(200, {"result": "ignored"})
    if incident is None:
        return _document(200, {"result": "nothing to acknowledge"})
    logger.info("incident acknowledged", extra={"incident": incident.id, "means": destination.name})
    return _document(200, {"result": "acknowledged", "incident": incident.id})


def _acknowledge(page: PageReference, means: str, cloud: Cloud) -> Incident | None:
    """Acknowledge the episode of a page; return the incident, or None if nothing waits for an acknowledgement."""

    def change(register: Register) -> Change | None:
        incident = cloud.incidents.read_incident(page.incident)
        drafts = acknowledgement_drafts(incident, page, means)
        return Change(register, page.incident, incident, drafts) if drafts else None

    incident = change_incident(cloud, change)
    if incident is not None:
        announce_soon(cloud, incident.id)
    return incident


def _link_keys(cloud: Cloud) -> tuple[bytes, ...]:
    try:
        return cloud.link_keys.read_keys()
    except ValueError as error:
        raise Unreachable(f"the key of links cannot be used: {error}") from error


def _webhook_secret(destination: Destination, cloud: Cloud) -> str:
    try:
        return cloud.providers.read_secret(destination.webhook_secret)
    except KeyError as error:
        raise Unreachable(f"the webhook secret of {destination.name} has no text") from error


def _pager_of(name: str, cloud: Cloud) -> Destination | None:
    return next((one for one in configured_destinations(cloud) if one.name == name and one.webhook_secret), None)


def _page(status: int, view: _View, cloud: Cloud, headers: dict[str, str] | None = None) -> HttpResponse:
    style = _package_file("acknowledgement.css")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    body = _environment().get_template(TEMPLATE).render(view=view, environment=cloud.environment, style=style)
    return HttpResponse(status, body, headers={"Content-Security-Policy": policy, **(headers or {})})


def _document(status: int, document: dict[str, str], headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(status, json.dumps(document, allow_nan=False), "application/json", headers or {})


@cache
def _environment() -> Environment:
    return template_environment(__package__)


@cache
def _package_file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
