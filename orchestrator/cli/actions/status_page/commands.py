"""What a person does with the status page: build, show and publish it, and override the state of a component."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from botocore.exceptions import ClientError

from orchestrator.application.cloud import now
from orchestrator.application.status_page.collect import page_settings
from orchestrator.application.status_page.publish import public_address, publish_page, read_page
from orchestrator.application.status_page.site import render_site
from orchestrator.aws.site_bucket import SiteBucket
from orchestrator.cli.context import Context, clients_of, status_bucket
from orchestrator.cli.files import FOLDER, written
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.errors import OrchestratorError, Refused
from orchestrator.domain.status_page.component_state import LABELS
from orchestrator.domain.status_page.evidence import Evidence
from orchestrator.domain.status_page.history import PageRecord
from orchestrator.domain.status_page.overrides import Override, new_override, require_component
from orchestrator.domain.status_page.page import PageInputs, StatusPage, decide_page
from orchestrator.environments import Environment, load

_DURATION = re.compile(r"(\d{1,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}

ANNOUNCED = timedelta(days=7)
"""How long a page that was published without the ledger says so; the next page of the orchestrator replaces it."""


def build(context: Context, folder: Path, url: str | None, *, json: bool) -> None:
    """Write the page as it is now into a folder.

    Args:
        context: the environment.
        folder: created if it is missing. Files of other names in it stay.
        url: where the page will be read; default: from the settings.
        json: print one JSON object.

    Raises:
        Refused: the settings name no address and none is given, or a file cannot be written.
    """
    address = url.rstrip("/") if url else public_address(context.cloud)
    page = read_page(context.cloud, address)
    files = render_site(page, page.at)
    with written("--out", folder, FOLDER):
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
    _print(context, page, {"folder": str(folder), "files": [file.path for file in files]}, json=json)


def show(context: Context, *, json: bool) -> None:
    """Show the state of each component, why, and the active overrides."""
    cloud = context.cloud
    page = read_page(cloud, page_settings(cloud).public_address)
    overrides = [one for one in cloud.status_pages.read_overrides() if one.is_active(page.at)]
    _print(context, page, {"overrides": overrides}, json=json)
    if not json:
        for one in overrides:
            until = f"{one.until:%Y-%m-%d %H:%M} UTC"
            line = f"{one.component} is set by {one.by} until {until}: {one.reason}"
            console().print(line, style="bold", markup=False)


def publish(context: Context, *, json: bool) -> None:
    """Write the page into its bucket, if a reader would see a change.

    Raises:
        Refused: the page is not enabled, has no address, or its bucket cannot be written.
        Throttled: other writers were always faster.
    """
    _require_enabled(context.environment)
    published = publish_page(context.cloud)
    _print(context, published.page, {"written": list(published.written)}, json=json)


def publish_without_ledger(name: str, reason: str, *, json: bool) -> None:
    """Publish that every component is out, without reading anything of the environment: its region may be lost.

    Args:
        name: of the environment.
        reason: for clients.
        json: print one JSON object.

    Raises:
        Refused: there is no such environment, the page is not enabled or has no address, the reason is too long, or
            the bucket cannot be written.
    """
    environment, at = load(name), now()
    settings = environment.status_page
    _require_enabled(environment)
    if not settings.public_address:
        raise Refused(f"{name}.status_page.address", "", "give the address of the page, or its domain")
    overrides = [
        new_override(settings.components, one.id, "major_outage", reason, at + ANNOUNCED, "", at)
        for one in settings.components
    ]
    inputs = PageInputs(Evidence(alarms=None), overrides=overrides)
    page, _ = decide_page(settings, settings.public_address, name, inputs, PageRecord(), at)
    clients = clients_of(environment, settings.region or environment.region)
    account = settings.account or str(clients("sts").get_caller_identity()["Account"])
    bucket = SiteBucket(clients("s3"), status_bucket(environment, account))
    files = render_site(page, at)
    for file in files:
        bucket.write_file(file.path, file.content_type, file.content)
    if json:
        print_json({"environment": name, "state": page.state, "written": [file.path for file in files]})
        return
    console().print(f"{name}: {page.summary}, published without the ledger", style="bold", markup=False)


def override(context: Context, component: str, state: str, *, reason: str, until: str, by: str, json: bool) -> None:
    """Set the state of a component, and publish the page if it is enabled.

    Raises:
        Refused: there is no such component or state, or the reason or the time is wrong.
    """
    cloud = context.cloud
    at = cloud.now()
    components = page_settings(cloud).components
    wanted = new_override(components, component, state, reason, read_until(until, at), by, at)
    cloud.status_pages.save_override(wanted)
    _print_override(context, wanted, "set", json=json)


def clear(context: Context, component: str, by: str, *, json: bool) -> None:
    """End the override of a component, and publish the page if it is enabled.

    Raises:
        Refused: there is no such component, or it has no active override.
    """
    cloud = context.cloud
    require_component(page_settings(cloud).components, component)
    _print_override(context, cloud.status_pages.clear_override(component, by, cloud.now()), "cleared", json=json)


def read_until(text: str, at: datetime) -> datetime:
    """Return the time that a person gave: a duration from now, or a time with its zone.

    Raises:
        Refused: it is neither.
    """
    found = _DURATION.fullmatch(text)
    try:
        moment = at + int(found[1]) * _UNITS[found[2]] if found else datetime.fromisoformat(text)
        until = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        until = None
    if until is None:
        remedy = "give a duration, such as 90m, 2h or 1d, or a time with its zone, such as 2026-12-24T18:00Z"
        raise Refused("--until", text, remedy)
    return until


def _require_enabled(environment: Environment) -> None:
    if not environment.status_page.enabled:
        field = f"{environment.name}.status_page.enabled"
        raise Refused(field, False, "set it to true and deploy the stack: there is no bucket to publish to")


def _publish_now(context: Context) -> str:
    """Publish the page; return why it was not."""
    if not context.environment.status_page.enabled:
        return "the status page is not enabled"
    try:
        publish_page(context.cloud)
    except (OrchestratorError, ClientError) as error:
        return f"the orchestrator publishes it within a minute ({error})"
    return ""


def _print_override(context: Context, one: Override, words: str, *, json: bool) -> None:
    later = _publish_now(context)
    if json:
        print_json({"environment": context.name, "override": one, "published": not later, "why_not": later})
        return
    until = f"{one.until:%Y-%m-%d %H:%M} UTC"
    line = f"{one.component}: override {words}, {LABELS[one.state].lower()} until {until}"
    console().print(line, style="bold", markup=False)
    console().print("published" if not later else f"not published: {later}", markup=False)


def _print(context: Context, page: StatusPage, details: dict[str, object], *, json: bool) -> None:
    if json:
        components = [
            {
                "id": row.status.component.id,
                "state": row.status.state,
                "reasons": row.status.reasons,
                "uptime_percent": row.uptime_percent,
            }
            for row in page.rows
        ]
        document = {"environment": context.name, "state": page.state, "at": page.at, "components": components}
        print_json({**document, **details})
        return
    screen = console()
    screen.print(f"{context.name}: {page.summary}", style="bold", markup=False)
    rows = [(row.status.component.id, LABELS[row.status.state], " ".join(row.status.reasons)) for row in page.rows]
    screen.print(text_table(("component", "state", "why"), rows, ("component", "state")))
    if "folder" in details:
        screen.print(f"site: {details['folder']}/index.html", markup=False, soft_wrap=True)
    if "written" in details:
        written = details["written"]
        assert isinstance(written, list)
        screen.print(f"{len(written)} files written" if written else "nothing changed", markup=False)
