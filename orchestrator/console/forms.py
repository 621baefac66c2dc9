"""The addresses of the actions: a form that asks for the confirmation, and the answer to the confirmed one."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.cli.context import Context
from orchestrator.cli.operator import operator_name
from orchestrator.cli.rendering.reports.report import BAD, GOOD, OPEN
from orchestrator.console.actions import ACTIONS, REQUESTED_BY, Action, Done, fields_of, run_action
from orchestrator.console.failures import CONFLICT, NOT_FOUND, failure_of
from orchestrator.console.guard import Guard
from orchestrator.console.pages.deployments import path_of
from orchestrator.console.sections import Form, Heading, Link, Links, Page, Section, note, present
from orchestrator.console.sign_in.sessions import Identity, identity_of
from orchestrator.domain.sign_in.settings import Role

BAD_REQUEST, FORBIDDEN, TOO_LARGE, SEE_OTHER = 400, 403, 413, 303
MOST_BYTES = 16_384
"""The largest form: a name, a reason, and what their encoding adds."""

MOST_ANSWERS = 100
"""So many answers are kept, for the browser that is led to them."""

FORM_TYPE = "application/x-www-form-urlencoded"
TOKEN = "token"  # noqa: S105 - the name of a field

Show = Callable[[Request, Page, int], Response]
Forbid = Callable[[Identity], Page]


@dataclass(frozen=True)
class Forms:
    """The forms of a console.

    Attributes:
        context: the environment.
        guard: makes the tokens of the forms.
        show: returns a page as an answer.
        answers: what actions did, by a random name.
        forbid: returns the page of a viewer who wants to act, on a console with sign-in.
    """

    context: Context
    guard: Guard
    show: Show
    answers: OrderedDict[str, Done]
    forbid: Forbid | None = None

    def routes(self) -> list[BaseRoute]:
        """Return the addresses of the actions."""
        return [
            Route("/actions/{action}/{subject}", self._ask, methods=["GET"]),
            Route("/actions/{action}/{subject}", self._act, methods=["POST"]),
            Route("/done/{name}", self._show_answer, methods=["GET"]),
        ]

    def _ask(self, request: Request) -> Response:
        """Ask for the confirmation of an action. Nothing is changed."""
        action, subject = self._action_of(request)
        refusal = self._refusal(request, action)
        if refusal is not None:
            return refusal
        by_form = identity_of(request) is None and not action.as_caller
        values = {REQUESTED_BY: operator_name(None, self.context)} if by_form else {}
        return self.show(request, self._form_page(request, action, subject, values), 200)

    async def _act(self, request: Request) -> Response:
        """Run an action that was confirmed, and lead the browser to its answer, so that reloading repeats nothing."""
        action, subject = self._action_of(request)
        refusal = self._refusal(request, action)
        if refusal is not None:
            return refusal
        values = await form_of(request)
        if not self.guard.is_token(values.get(TOKEN, ""), action.name, subject, _session_of(request)):
            words = "This form is not of this console, or the console was started again: confirm the new form."
            return self.show(request, self._form_page(request, action, subject, values, note(words, BAD)), FORBIDDEN)
        return await run_in_threadpool(self._run, request, action, subject, values)

    def _action_of(self, request: Request) -> tuple[Action, str]:
        action, subject = ACTIONS.get(request.path_params["action"]), str(request.path_params["subject"])
        if action is None:
            raise HTTPException(NOT_FOUND, "there is no such action")
        if action.of_environment and subject != self.context.name:
            raise HTTPException(NOT_FOUND, f"this console serves {self.context.name} alone")
        return action, subject

    def _refusal(self, request: Request, action: Action) -> Response | None:
        """Return the answer to a person who may not act; None for one who may, and without sign-in."""
        identity = identity_of(request)
        if identity is None or self.forbid is None:
            return None
        if identity.role is not Role.OPERATOR:
            return self.show(request, self.forbid(identity), FORBIDDEN)
        if action.as_caller:
            # The identity of the console's credentials is not that of the person, and the quorum counts identities.
            words = (
                "An approval is recorded with the identity of AWS credentials. This console acts for several people."
            )
            command = f"Run `orchestrator {action.name} ID --env {self.context.name}` with your own credentials."
            heading = Heading("Not possible here", self.context.name, "REFUSED", BAD, (words, command))
            return self.show(request, Page("Not possible here", "", (heading,)), FORBIDDEN)
        return None

    def _run(self, request: Request, action: Action, subject: str, values: Mapping[str, str]) -> Response:
        identity = identity_of(request)
        try:
            done = run_action(action, self.context, subject, values, identity.requested_by if identity else None)
        except Exception as error:
            failure = failure_of(error, CONFLICT)
            if failure is None:
                raise
            page = self._form_page(request, action, subject, values, *failure.sections)
            return self.show(request, page, failure.status)
        name = secrets.token_urlsafe(12)
        self.answers[name] = done
        while len(self.answers) > MOST_ANSWERS:
            self.answers.popitem(last=False)
        return RedirectResponse(f"/done/{name}", SEE_OTHER)

    def _show_answer(self, request: Request) -> Response:
        done = self.answers.get(request.path_params["name"])
        if done is None:
            raise HTTPException(NOT_FOUND, "the answer is no longer kept")
        sections = (Heading("Done", "", "DONE", GOOD, (done.message,)), Links("Next", (Link("Continue", done.path),)))
        return self.show(request, Page("Done", "", sections), 200)

    def _form_page(
        self, request: Request, action: Action, subject: str, values: Mapping[str, str], *before: Section | None
    ) -> Page:
        identity = identity_of(request)
        path = f"/actions/{action.name}/{quote(subject, safe='')}"
        form = Form(
            path,
            self.guard.token(action.name, subject, _session_of(request)),
            tuple((field, values.get(field.name, "")) for field in (action.fields if identity else fields_of(action))),
            action.label,
            _page_of(action, subject),
        )
        who = "You act with the identity of the console's credentials." if action.as_caller else ""
        if identity is not None:
            who = f"It is recorded as requested by {identity.requested_by}."
        sentences = tuple(filter(None, (action.effect, who)))
        heading = Heading(action.question.format(subject), self.context.name, "CONFIRM", OPEN, sentences)
        sections = present(heading, *before, form)
        return Page(action.label, "", sections)


def _page_of(action: Action, subject: str) -> str:
    """Return the page that an action's subject is on."""
    pages = {"freeze": "/freezes", "unfreeze": "/freezes", "drill": "/recoveries"}
    if action.name == "acknowledge":
        return f"/incidents/{quote(subject, safe='')}"
    return pages.get(action.name) or path_of(quote(subject, safe=""))


def _session_of(request: Request) -> str:
    identity = identity_of(request)
    return identity.session if identity else ""


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        HTTPException: it is too large, or no form in UTF-8.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise HTTPException(BAD_REQUEST, f"a form is sent as {FORM_TYPE}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(TOO_LARGE, f"a form has at most {MOST_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=20))
    except ValueError as error:
        raise HTTPException(BAD_REQUEST, "the form is not in UTF-8, or has too many fields") from error
