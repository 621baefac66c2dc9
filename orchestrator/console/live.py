"""Live pages: what they are of is read twice a second, once for all browsers that show it, and changed sections are sent.

A browser that is slow gets the newest state when it reads again, and not each one before it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from botocore.exceptions import ClientError
from starlette.concurrency import run_in_threadpool

from orchestrator.cli.actions.explain import MAX_EVENTS
from orchestrator.cli.context import Context
from orchestrator.cli.live.snapshots import DeploymentReader, DeploymentSnapshot, RecoveryReader, RecoverySnapshot
from orchestrator.cli.rendering.follow import POLL_SECONDS
from orchestrator.console.pages import live_deployment, overview, recoveries
from orchestrator.console.rendering import digest_of, render_section
from orchestrator.console.sections import Section
from orchestrator.domain.errors import OrchestratorError

REDRAW_SECONDS = 1.0
"""How often a page is made again while nothing changes: durations and forecasts go on."""

OVERVIEW_SECONDS = 10.0
"""How often aliases, alarms and `$LATEST` are read for the first page: they are not in the ledger."""

KEEP_OPEN_SECONDS = 15.0
"""A stream without a change sends a comment so often, and thereby notices that its browser is gone."""


@dataclass(frozen=True)
class Frame:
    """A live page at one moment.

    Attributes:
        says: its state in a few words, which a screen reader speaks when they change.
        ended: it does not change any more.
    """

    sections: tuple[Section, ...]
    says: str
    at: datetime
    ended: bool


class Source(Protocol):
    """Reads what a live page shows."""

    def read_frame(self) -> Frame:
        """Return the page as it is now; the same frame if nothing has changed."""
        ...


class DeploymentSource:
    """Reads a deployment. The plots are made again only when the record or its decisions have changed.

    Raises:
        Refused: there is no such deployment.
    """

    def __init__(self, context: Context, name: str) -> None:
        self._context, self._name = context, name
        self._reader = DeploymentReader(context, name)
        self._shown: tuple[DeploymentSnapshot, Frame] | None = None
        self._plots: tuple[Section, ...] = ()

    def read_frame(self) -> Frame:
        """Return the deployment as it is now."""
        snapshot = self._reader.read_snapshot(self._context.cloud.ledger.read_record(self._name))
        if self._shown is not None:
            shown, frame = self._shown
            changed = replace(shown, now=snapshot.now) != snapshot
            waited = (snapshot.now - frame.at).total_seconds() >= REDRAW_SECONDS
            if not changed and (not waited or frame.ended):
                return frame
        else:
            changed = True
        if changed:
            events = self._context.cloud.ledger.read_events(MAX_EVENTS)
            drawn = live_deployment.plots_of(snapshot, events)
            self._plots = (drawn,) if drawn else ()
        sections = live_deployment.live_sections(snapshot)
        *upper, last = sections
        says = live_deployment.state_in_words(snapshot.deployment)
        frame = Frame((*upper, *self._plots, last), says, snapshot.now, ended=not snapshot.deployment.under_way)
        self._shown = snapshot, frame
        return frame


class RecoverySource:
    """Reads a drill, a restore or a failback.

    Raises:
        Refused: there is no such recovery.
    """

    def __init__(self, context: Context, name: str) -> None:
        self._context, self._name = context, name
        self._reader = RecoveryReader(context)
        self._shown: tuple[RecoverySnapshot, Frame] | None = None

    def read_frame(self) -> Frame:
        """Return the recovery as it is now."""
        snapshot = self._reader.read_snapshot(self._context.cloud.drills.read_record(self._name))
        if self._shown is not None:
            shown, frame = self._shown
            waited = (snapshot.now - frame.at).total_seconds() >= REDRAW_SECONDS
            if replace(shown, now=snapshot.now) == snapshot and (not waited or frame.ended):
                return frame
        recovery = snapshot.recovery
        frame = Frame(
            recoveries.live_sections(snapshot),
            str(recovery.outcome or "IN PROGRESS"),
            snapshot.now,
            ended=recovery.ended_at is not None,
        )
        self._shown = snapshot, frame
        return frame


class OverviewSource:
    """Reads the first page again when a record of the ledger has changed, and every `OVERVIEW_SECONDS` for all else."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shown: tuple[object, Frame] | None = None

    def read_frame(self) -> Frame:
        """Return the first page as it is now."""
        cloud = self._context.cloud
        records = (
            cloud.ledger.read_lock(),
            cloud.ledger.newest_records(1),
            cloud.drills.newest_records(1),
            cloud.freezes.read_freeze(),
            cloud.incidents.read_register(),
        )
        now = cloud.now()
        if self._shown is not None:
            known, frame = self._shown
            if known == records and (now - frame.at).total_seconds() < OVERVIEW_SECONDS:
                return frame
        page = overview.overview_page(self._context)
        frame = Frame(page.sections, overview.needs_in_words(page), now, ended=False)
        self._shown = records, frame
        return frame


@dataclass
class _Watched:
    """A page that at least one browser shows."""

    source: Source
    frame: Frame | None = None
    sections: dict[str, tuple[Section, str]] = field(default_factory=dict)
    says: str = ""
    version: int = 0
    failed: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    browsers: int = 0
    task: asyncio.Task[None] | None = None


class Broadcast:
    """Reads every watched page once, for all browsers that show it."""

    def __init__(self, poll_seconds: float = POLL_SECONDS) -> None:
        self._poll_seconds = poll_seconds
        self._watched: dict[str, _Watched] = {}
        self._closed = False

    async def close(self) -> None:
        """End all streams: the console stops."""
        self._closed = True
        for watched in list(self._watched.values()):
            async with watched.changed:
                watched.changed.notify_all()

    @property
    def watched(self) -> tuple[str, ...]:
        """The names of the pages that are read now."""
        return tuple(self._watched)

    async def stream(self, name: str, create: Callable[[], Source]) -> AsyncGenerator[str, None]:
        """Yield server-sent events: `change` with the sections that differ from those before, then `end` or `failed`.

        Args:
            name: of the page.
            create: makes its source, if no browser shows it yet.
        """
        watched = self._watched.get(name)
        if watched is None:
            watched = self._watched[name] = _Watched(create())
            watched.task = asyncio.create_task(self._read(watched))
        watched.browsers += 1
        try:
            async for event in self._events_of(watched):
                yield event
        finally:
            watched.browsers -= 1
            if not watched.browsers:
                self._watched.pop(name, None)
                if watched.task is not None:
                    watched.task.cancel()

    async def _events_of(self, watched: _Watched) -> AsyncIterator[str]:
        seen, sent = 0, dict[str, str]()
        while True:
            if seen == watched.version:
                with suppress(TimeoutError):
                    async with watched.changed:
                        await asyncio.wait_for(watched.changed.wait(), KEEP_OPEN_SECONDS)
                if self._closed:
                    return
                if seen == watched.version:
                    yield ": nothing has changed\n\n"
                    continue
            seen, frame = watched.version, watched.frame
            now = {identifier: html for identifier, (_, html) in watched.sections.items()}
            if frame is not None:
                different = {identifier: html for identifier, html in now.items() if sent.get(identifier) != html}
                yield _change(frame.at, watched.says, now, different)
            sent = now
            if watched.failed:
                yield "event: failed\ndata: {}\n\n"
                return
            if frame is not None and frame.ended:
                yield "event: end\ndata: {}\n\n"
                return

    async def _read(self, watched: _Watched) -> None:
        """Read a page again and again, until it has ended or no browser shows it."""
        while True:
            try:
                frame = await run_in_threadpool(watched.source.read_frame)
            except (OrchestratorError, ClientError) as error:
                # Expired credentials and missing permissions are a ClientError, which a person may repair meanwhile.
                await _publish(watched, f"What you see is old. AWS does not answer, trying again: {error}")
            except Exception:
                watched.failed = True
                await _publish(watched, "The console failed: what you see is old. Reload this page.")
                raise
            else:
                if frame is not watched.frame:
                    _render(watched, frame)
                    await _publish(watched, frame.says)
                elif watched.says != frame.says:
                    await _publish(watched, frame.says)
                if frame.ended:
                    return
            await asyncio.sleep(self._poll_seconds)


def _render(watched: _Watched, frame: Frame) -> None:
    """Render the sections that differ from the rendered ones."""
    before = watched.sections
    watched.sections = {
        section.id: before[section.id]
        if section.id in before and before[section.id][0] == section
        else (section, render_section(section))
        for section in frame.sections
    }
    watched.frame = frame


async def _publish(watched: _Watched, says: str) -> None:
    watched.says = says
    watched.version += 1
    async with watched.changed:
        watched.changed.notify_all()


def _change(at: datetime, says: str, now: Mapping[str, str], different: Mapping[str, str]) -> str:
    """Return the event of a change: the order of all sections with their digests, and those that differ."""
    order = [(identifier, digest_of(html)) for identifier, html in now.items()]
    change = {"at": at.isoformat(), "says": says, "order": order, "sections": different}
    return f"event: change\ndata: {json.dumps(change, allow_nan=False)}\n\n"
