"""The history of an execution as spans: one for the execution, and one for each time it enters a state.

An event of a history names the event before it, so the branches of a Parallel state and the iterations of a Map are
chains that part and join. Each event therefore has a stack: the spans that are open where it happened.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

ENTERED, EXITED = "StateEntered", "StateExited"
FAULTS = ("Failed", "TimedOut", "Aborted")
"""The endings of the types of events that report a fault."""
CONTAINERS = frozenset({"Map", "Parallel"})
"""The types of states that contain states."""


@dataclass(frozen=True)
class HistoryEvent:
    """An event of an execution's history.

    Attributes:
        number: its id, from 1.
        previous: the id of the event before it in the same branch; 0 for the first.
        at: aware.
        kind: its type, such as `TaskStateEntered`.
        state: the name of the state that is entered or exited; empty for other events.
        error: the error's name, of an event that reports a fault.
        cause: its cause.
    """

    number: int
    previous: int
    at: datetime
    kind: str
    state: str = ""
    error: str = ""
    cause: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it reports a fault."""
        return self.kind.endswith(FAULTS)


@dataclass(frozen=True)
class Link:
    """A reference to another trace, with the reason for it."""

    trace_id: str
    span_id: str
    relation: str


@dataclass(frozen=True)
class SpanEvent:
    """A fault within a span: an attempt that was repeated or caught."""

    at: datetime
    name: str
    text: str


@dataclass(frozen=True)
class Span:
    """A stretch of time in an execution.

    Attributes:
        span_id: 16 hex digits, the same whenever the execution is read.
        parent_id: of the span around it; empty for the execution's own.
        kind: the type of the state, such as `Task`; `Execution` for the execution.
        failed: it ended without an exit, so its fault was not caught within it.
        message: why it failed; empty otherwise.
    """

    span_id: str
    parent_id: str
    name: str
    kind: str
    started_at: datetime
    ended_at: datetime
    failed: bool = False
    message: str = ""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class TracedExecution:
    """An execution as Step Functions describes it.

    Attributes:
        arn: of the execution.
        status: its status.
        ended_at: None while it runs.
    """

    arn: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    links: tuple[Link, ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.arn.rsplit(":", 1)[1]

    @property
    def state_machine(self) -> str:
        """The name of its state machine."""
        return self.arn.split(":")[6]


@dataclass
class _Open:
    span: Span
    faults: list[SpanEvent] = field(default_factory=list)
    closed: bool = False


def trace_id(arn: str) -> str:
    """Return the 32 hex digits of an execution's trace: a second export is the same trace."""
    return sha256(f"trace {arn}".encode()).hexdigest()[:32]


def span_id(arn: str, number: int = 0) -> str:
    """Return the 16 hex digits of the span that begins with an event; 0 is the execution itself."""
    return sha256(f"span {arn} {number}".encode()).hexdigest()[:16]


def execution_spans(execution: TracedExecution, history: Sequence[HistoryEvent]) -> tuple[Span, ...]:
    """Return the spans of an execution, in the order in which they begin.

    A state that was entered and never exited lasts until the execution's end, and failed if the execution did.

    Args:
        execution: it.
        history: its events, in their order.
    """
    end = execution.ended_at or (history[-1].at if history else execution.started_at)
    failed = execution.status not in {"SUCCEEDED", "RUNNING"}
    root = _Open(
        Span(
            span_id(execution.arn),
            "",
            f"{execution.state_machine} {execution.name}",
            "Execution",
            execution.started_at,
            end,
            failed=failed,
            links=execution.links,
        )
    )
    opened = [root]
    stacks: dict[int, tuple[_Open, ...]] = {0: (root,)}
    message = ""
    for event in history:
        stack = stacks.get(event.previous, (root,))
        if event.kind.endswith(ENTERED):
            stack = _left(stack, event)
            entered = _Open(_entered(execution, event, stack[-1].span, end))
            opened.append(entered)
            stack = (*stack, entered)
        elif event.kind.endswith(EXITED):
            stack = _exit(stack, event)
        elif event.is_fault:
            text = f"{event.error}: {event.cause}" if event.cause else event.error
            stack[-1].faults.append(SpanEvent(event.at, event.kind, text))
            message = text or message
        stacks[event.number] = stack
    return tuple(_finished(one, root, failed=failed, message=message) for one in opened)


def _left(stack: tuple[_Open, ...], event: HistoryEvent) -> tuple[_Open, ...]:
    """Close what the history leaves without an exit: a state that contains no others, where the next one is entered."""
    while len(stack) > 1 and stack[-1].span.kind not in CONTAINERS:
        stack[-1].span, stack[-1].closed = replace(stack[-1].span, ended_at=event.at), True
        stack = stack[:-1]
    return stack


def _entered(execution: TracedExecution, event: HistoryEvent, parent: Span, end: datetime) -> Span:
    kind = event.kind.removesuffix(ENTERED)
    return Span(span_id(execution.arn, event.number), parent.span_id, event.state, kind, event.at, end)


def _exit(stack: tuple[_Open, ...], event: HistoryEvent) -> tuple[_Open, ...]:
    """Close the innermost span of the state. The exit of a Map comes after the last iteration, whose spans are closed."""
    for depth in range(len(stack) - 1, 0, -1):
        if stack[depth].span.name == event.state:
            stack[depth].span = replace(stack[depth].span, ended_at=event.at)
            stack[depth].closed = True
            return stack[:depth]
    return stack


def _finished(one: _Open, root: _Open, *, failed: bool, message: str) -> Span:
    span = replace(one.span, events=tuple(one.faults))
    if one.closed or not failed:
        return span
    own = one.faults[-1].text if one.faults else message
    return replace(span, failed=True, message=message if one is root else own)


def link_of(arn: str, relation: str) -> Link:
    """Return the link to another execution."""
    return Link(trace_id(arn), span_id(arn), relation)


def release_link(digest: str) -> Link:
    """Return the link that all executions about a release have in common. No span has this id.

    Args:
        digest: of the release.
    """
    return link_of(f"release:{digest}", "release")
