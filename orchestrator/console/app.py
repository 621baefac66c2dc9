"""The console's addresses: a page for each, a stream for each live page. Every request passes the guard first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Scope

from orchestrator.cli.context import Context
from orchestrator.cli.rendering.reports.deployment_report import refused_report
from orchestrator.cli.rendering.reports.recovery_report import refused_recovery_report
from orchestrator.console.failures import FAILED, NOT_FOUND, UNAVAILABLE, Failure, failure_of
from orchestrator.console.forms import Forms
from orchestrator.console.guard import FORBIDDEN, METRICS_PATH, Guard, GuardedApp
from orchestrator.console.live import Broadcast, DeploymentSource, OverviewSource, RecoverySource, Source
from orchestrator.console.metrics import metrics_text
from orchestrator.console.pages import deployments, evidence, guards, incidents, overview, recoveries
from orchestrator.console.prometheus import CONTENT_TYPE
from orchestrator.console.rendering import ICON, SCRIPT, STYLE, address_of, render_page, static_file
from orchestrator.console.sections import Page, of_report
from orchestrator.console.sign_in.entrance import Entrance
from orchestrator.console.sign_in.sessions import identity_of
from orchestrator.domain.printable import printable
from orchestrator.domain.recovery.request import RECOVERY_PREFIX

CONTENT_TYPES = {STYLE: "text/css; charset=utf-8", SCRIPT: "text/javascript; charset=utf-8", ICON: "image/svg+xml"}
FOR_EVER = "private, max-age=31536000, immutable"
EVENT_STREAM = "text/event-stream"
LIVE_REFRESH_SECONDS = 5
"""How often a browser without scripts loads a live page again."""

Build = Callable[..., Page]


class Site:
    """The console of one environment.

    Args:
        context: the environment.
        guard: lets requests through, and makes the tokens of the forms.
        broadcast: reads the live pages.
        entrance: signs people in; None for a console whose key lets in.
    """

    def __init__(
        self, context: Context, guard: Guard, broadcast: Broadcast | None = None, entrance: Entrance | None = None
    ) -> None:
        self._context, self._guard, self._entrance = context, guard, entrance
        forbid = entrance.forbidden_page if entrance else None
        self._forms = Forms(context, guard, self._show, OrderedDict(), forbid)
        self._chain = evidence.ChainPages(context)
        self.broadcast = broadcast or Broadcast()
        for records in (context.cloud.ledger, context.cloud.drills):
            records.reads_in_batches = True

    def routes(self) -> list[BaseRoute]:
        """Return the addresses."""
        return [
            self._page("/", overview.overview_page),
            Route("/events", self._stream_overview),
            self._page("/environments", overview.environments_page),
            self._page("/deployments", deployments.history_page),
            self._page("/deployments/{name}", self._live_page),
            self._page("/deployments/{name}/report", deployments.report_page),
            Route("/deployments/{name}/events", self._stream),
            self._page("/recoveries", recoveries.recoveries_page),
            self._page("/recoveries/{name}", self._live_page),
            self._page("/recoveries/{name}/report", recoveries.report_page),
            Route("/recoveries/{name}/events", self._stream),
            self._page("/incidents", incidents.incidents_page),
            self._page("/incidents/{name}", incidents.incident_page),
            self._page("/alarms", guards.alarms_page),
            self._page("/freezes", guards.freezes_page),
            self._page_in_turn(evidence.PATH, self._chain_page),
            self._page("/evidence/{name}", evidence.evidence_report_page),
            self._page("/keys", guards.keys_page),
            self._page("/costs", guards.costs_page),
            self._page_in_turn("/costs/estimate", lambda _request: partial(guards.estimate_page, self._context)),
            *self._forms.routes(),
            *(self._entrance.routes(self._show) if self._entrance else ()),
            Route(METRICS_PATH, self._metrics),
            Route("/static/{digest}/{file}", _static),
        ]

    def app(self) -> ASGIApp:
        """Return the application behind its guard."""
        answer = Starlette(routes=self.routes(), exception_handlers={HTTPException: self._http_error})
        answer.add_exception_handler(Exception, self._error)
        return GuardedApp(answer, self._guard, self._admit if self._entrance else None)

    async def _admit(self, scope: Scope, headers: Headers) -> Response | None:
        assert self._entrance is not None
        page = await self._entrance.admit(scope, headers)
        return None if page is None else HTMLResponse(render_page(page, self._context.name), FORBIDDEN)

    def _page(self, path: str, build: Build) -> Route:
        def endpoint(request: Request) -> Response:
            return self._answer(request, partial(build, self._context, **request.path_params))

        return Route(path, endpoint, name=path)

    def _page_in_turn(self, path: str, prepare: Callable[[Request], Callable[[], Page]]) -> Route:
        """Return the address of a page that takes long and is made one at a time.

        Who waits for it holds no worker thread, so that all other pages and actions go on.

        Args:
            path: of the page.
            prepare: returns what makes the page; it is called when a request arrives.
        """
        turn = asyncio.Lock()

        async def endpoint(request: Request) -> Response:
            build = prepare(request)
            async with turn:
                return await run_in_threadpool(self._answer, request, build)

        return Route(path, endpoint, name=path)

    def _chain_page(self, request: Request) -> Callable[[], Page]:
        return self._chain.prepare(again=request.url.query == evidence.AGAIN)

    def _answer(self, request: Request, build: Callable[[], Page]) -> Response:
        try:
            return self._show(request, build())
        except Exception as error:
            failure = failure_of(error, NOT_FOUND)
            if failure is None:
                raise
            return self._show(request, failure.page(), failure.status)

    def _metrics(self, _request: Request) -> Response:
        """Answer a scraper. What cannot be read is an error, so that the scraper reports that its target is down."""
        try:
            return Response(metrics_text(self._context), headers={"Content-Type": CONTENT_TYPE})
        except Exception as error:
            failure = failure_of(error, FAILED)
            if failure is None:
                raise
            return PlainTextResponse(f"{printable(failure.message)}\n", UNAVAILABLE)

    def _show(self, request: Request, page: Page, status: int = 200) -> Response:
        identity = identity_of(request)
        signed_in = f"{identity.requested_by}, {identity.role}" if identity else ""
        return HTMLResponse(render_page(page, self._context.name, signed_in), status)

    def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = Failure(f"This cannot be answered: {error.detail}.", error.status_code, ()).page()
        answer = self._show(request, page, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    def _error(self, request: Request, _error: Exception) -> Response:
        return self._show(request, Failure("The console failed: its log has the error.", FAILED, ()).page(), FAILED)

    def _live_page(self, context: Context, name: str) -> Page:
        """Return the live page of a deployment or a recovery, or the report of a refused one."""
        is_recovery = name.startswith(RECOVERY_PREFIX)
        place = recoveries.PLACE if is_recovery else deployments.PLACE
        refusal = (context.cloud.drills if is_recovery else context.cloud.ledger).read_refusal(name)
        if refusal:
            report = (refused_recovery_report if is_recovery else refused_report)(refusal, context.name)
            return Page(name, place, of_report(report))
        frame = self._source(name).read_frame()
        path = f"{deployments.path_of(quote(name, safe=''))}/events"
        if frame.ended:
            return Page(name, place, frame.sections)
        return Page(name, place, frame.sections, path, LIVE_REFRESH_SECONDS)

    async def _stream_overview(self, request: Request) -> Response:
        events = self.broadcast.stream("", lambda: OverviewSource(self._context))
        return StreamingResponse(self._while_signed_in(request, events), media_type=EVENT_STREAM)

    async def _while_signed_in(self, request: Request, events: AsyncGenerator[str, None]) -> AsyncIterator[str]:
        """Yield the events of a stream as long as the person who sent its request is signed in."""
        async with aclosing(events):
            async for event in events:
                if self._entrance is not None and not await self._entrance.still_signed_in(request):
                    return
                yield event

    def _refuse_missing(self, name: str) -> None:
        cloud = self._context.cloud
        (cloud.drills if name.startswith(RECOVERY_PREFIX) else cloud.ledger).read_record(name)

    def _source(self, name: str) -> Source:
        if name.startswith(RECOVERY_PREFIX):
            return RecoverySource(self._context, name)
        return DeploymentSource(self._context, name)

    async def _stream(self, request: Request) -> Response:
        name = request.path_params["name"]
        try:
            # That there is none is an answer, not an event.
            await run_in_threadpool(self._refuse_missing, name)
        except Exception as error:
            failure = failure_of(error, NOT_FOUND)
            if failure is None:
                raise
            return self._show(request, failure.page(), failure.status)
        events = self.broadcast.stream(name, lambda: self._source(name))
        return StreamingResponse(self._while_signed_in(request, events), media_type=EVENT_STREAM)


def _static(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in CONTENT_TYPES or request.url.path != address_of(name):
        raise HTTPException(NOT_FOUND, "the file has another address now")
    return Response(static_file(name), media_type=CONTENT_TYPES[name], headers={"Cache-Control": FOR_EVER})
