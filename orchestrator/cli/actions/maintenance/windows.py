"""The commands of `orchestrator maintenance`. What a command changes takes effect at once, and is announced in a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from orchestrator.application.maintenance.windows import change_schedule
from orchestrator.cli.context import Context
from orchestrator.cli.recorded_actions import record_action
from orchestrator.cli.rendering.output import console, print_json, text_table
from orchestrator.domain.errors import Refused
from orchestrator.domain.maintenance import schedule as decisions
from orchestrator.domain.maintenance.schedule import Change, Schedule, WindowRequest
from orchestrator.domain.maintenance.window import Window, WindowAction


def plan(context: Context, request: WindowRequest, *, json: bool) -> None:
    """Plan a window.

    Raises:
        Refused: a value is wrong, a component does not exist, or it overlaps another window.
    """
    _refuse_unknown_components(context, request.components)
    policy, now = context.environment.maintenance, context.cloud.now()
    _command(context, lambda schedule: decisions.plan(schedule, request, policy, now), WindowAction.PLAN, json=json)


def _refuse_unknown_components(context: Context, named: Iterable[str]) -> None:
    """Refuse what is neither a component of the status page nor a function: it would be announced, and affect nothing."""
    components = [one.id for one in context.environment.status_page.components]
    functions = sorted(context.environment.service.functions)
    for name in named:
        if name not in {*components, *functions}:
            remedy = f"give one of {', '.join(components)}, or of the functions {', '.join(functions)}"
            raise Refused("--component", name, remedy)


def start(context: Context, window_id: str, reason: str, by: str, *, json: bool) -> None:
    """Start a planned window before its time.

    Raises:
        Refused: there is no such window, it is not planned, or it would be too long or overlap another one.
    """
    policy, now = context.environment.maintenance, context.cloud.now()
    _command(
        context,
        lambda schedule: decisions.start(schedule, window_id, by, reason, policy, now),
        WindowAction.START,
        json=json,
    )


def end(context: Context, window_id: str, reason: str, by: str, *, json: bool) -> None:
    """End a window that is under way.

    Raises:
        Refused: there is no such window, or it is not under way.
    """
    now = context.cloud.now()
    _command(context, lambda schedule: decisions.end(schedule, window_id, by, reason, now), WindowAction.END, json=json)


def cancel(context: Context, window_id: str, reason: str, by: str, *, json: bool) -> None:
    """Cancel a planned window.

    Raises:
        Refused: there is no such window, or it is not planned.
    """
    now = context.cloud.now()
    _command(
        context, lambda schedule: decisions.cancel(schedule, window_id, by, reason, now), WindowAction.CANCEL, json=json
    )


def list_windows(context: Context, limit: int, *, only_open: bool, json: bool) -> None:
    """Print the windows with the latest starts, or the latest of those that are open.

    The schedule has the open ones: any number of windows that start later may be closed.
    """
    if only_open:
        found = [window for window in context.cloud.maintenance.read_schedule().windows if window.is_open]
        windows = sorted(found, key=lambda window: (window.starts_at, window.id), reverse=True)[:limit]
    else:
        windows = context.cloud.maintenance.list_windows(limit)
    if json:
        print_json({"environment": context.name, "maintenance": windows})
        return
    if not windows:
        console().print(f"{context.name} has no maintenance windows")
        return
    now = context.cloud.now()
    rows = [
        (
            window.id,
            state_in_words(window, now),
            _moment(window.start),
            _moment(window.end),
            window.title,
        )
        for window in windows
    ]
    console().print(text_table(("id", "state", "starts", "ends", "title"), rows, unwrapped=("id",)))


def show_window(context: Context, window_id: str, *, json: bool) -> None:
    """Print a window with its history.

    Raises:
        Refused: there is no such window.
    """
    window = context.cloud.maintenance.read_window(window_id)
    if json:
        print_json({"environment": context.name, "maintenance": window})
    else:
        _print_window(window, context.cloud.now())


def _command(context: Context, decide: Callable[[Schedule], Change], action: WindowAction, *, json: bool) -> None:
    cloud = context.cloud
    change = change_schedule(cloud, decide)
    assert change is not None, "a command changes a window"
    window = change.windows[-1]
    step = window.steps[-1]
    why = f"{window.description} ({step.reason})" if step.reason else window.description
    name = f"maintenance {action.lower()} by {step.by}"
    record_action(context, f"{window.id}-{action}-{step.at.isoformat()}", name, why, at=step.at)
    if json:
        print_json({"environment": context.name, "maintenance": window})
        return
    _print_window(window, cloud.now())
    lock = cloud.ledger.read_lock()
    if action is WindowAction.START and lock.held:
        words = f"{lock.deployment} is in progress and continues: `orchestrator abort` rolls it back"
        console().print(words, markup=False)


def _print_window(window: Window, now: datetime) -> None:
    screen = console()
    screen.print(f"{window.id} {state_in_words(window, now)}: {window.title}", style="bold", markup=False)
    facts = {
        "time": f"{_moment(window.start)} to {_moment(window.end)}",
        "components": ", ".join(window.components),
        "may start": ", ".join(window.allowed_deployments) or "no deployment",
        "does not page": ", ".join(window.silenced_alarms) or "every alarm pages",
        "announced": ", ".join(window.announced) or "not yet",
        "text": window.text,
    }
    for name, value in facts.items():
        screen.print(f"{name}: {value}", markup=False)
    rows = [(_moment(step.at), step.action.lower(), step.by, step.reason or "-") for step in window.steps]
    screen.print(text_table(("at", "action", "by", "reason"), rows))


def state_in_words(window: Window, now: datetime) -> str:
    """Return the state in words, by the time: the clock's next run may not have recorded it yet."""
    if window.is_open and window.ends_at <= now:
        return "ended"
    return "under way" if window.is_under_way(now) else window.state.lower().replace("_", " ")


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
