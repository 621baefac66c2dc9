"""Step Functions: a task's ``TimeoutSeconds`` and ``HeartbeatSeconds``, and the lifetime of a task token.

AWS:

- ``TimeoutSeconds`` or ``TimeoutSecondsPath`` of a Task: after it the attempt fails with States.Timeout. ``Retry`` and
  ``Catch`` apply, and each attempt has the whole time. The called function continues, but its result is discarded.
- ``HeartbeatSeconds`` or ``HeartbeatSecondsPath`` of a ``.waitForTaskToken`` task: if no SendTaskHeartbeat arrives for
  that long, the attempt fails with States.HeartbeatTimeout.
  https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
- Every attempt has its own token. The first result sent with a token counts. After that, after a timeout and after the
  end of the execution, every result and heartbeat is rejected as TaskTimedOut.
  https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
- A function that fails before a result was sent with its token fails the attempt with the function's error.
  https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html

Stock MiniStack ignores heartbeats, both ``…Path`` fields and a callback function's error. It keeps the same token for
all attempts, lets the last result win, and forgets a token once a result was sent (TaskDoesNotExist).
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.stepfunctions.execution import CHANGED, ExecutionEnded, notify, wait_until

PINNED = {
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._invoke_resource": "a85d2be9a8584ce0",
    "ministack.services.stepfunctions._invoke_resource_with_timeout": "faeed0bf70d53efc",
    "ministack.services.stepfunctions._invoke_with_callback": "bbb38423156a0d3d",
    "ministack.services.stepfunctions._invoke_activity": "1fc6dceff76d55fc",
    "ministack.services.stepfunctions._call_lambda": "25830369b12636da",
    "ministack.services.stepfunctions._send_task_success": "12eff48bce57f5ab",
    "ministack.services.stepfunctions._send_task_failure": "c2a489b4ed330840",
    "ministack.services.stepfunctions._send_task_heartbeat": "56879a4655d159a2",
    "ministack.services.stepfunctions._jsonata_state_field": "9bf62b72170e2ea4",
    "ministack.services.stepfunctions._resolve_path_or_ctx": "39841ce14aefd1c1",
    "ministack.services.stepfunctions._apply_input_path": "65be3f02951797de",
    "ministack.services.stepfunctions._ExecutionError": "82f3c23a59f9bf3c",
}

DEFAULT_TIMEOUT_SECONDS: Final = 99_999_999
_LIMITS: Final = ("TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath")


@dataclass
class PendingToken:
    """A token for which a result may be sent."""

    last_heartbeat: float = field(default_factory=time.monotonic)
    result_sent: bool = False


class TaskTokens:
    """The tokens of all attempts, open and closed; guarded by `CHANGED`."""

    def __init__(self) -> None:
        self._open: dict[str, PendingToken] = {}
        self._closed: set[str] = set()

    def open(self, token: str) -> PendingToken:
        """Register the token of a new attempt."""
        with CHANGED:
            self._open[token] = PendingToken()
            return self._open[token]

    def close(self, token: str) -> None:
        """Close the token of an attempt that no longer waits."""
        with CHANGED:
            self._open.pop(token, None)
            self._closed.add(token)

    def record_result(self, token: str) -> bool:
        """Record a result. Return False if a result was already sent or the attempt no longer waits."""
        with CHANGED:
            if token in self._closed or (token in self._open and self._open[token].result_sent):
                return False
            if token in self._open:
                self._open[token].result_sent = True
            return True

    def record_heartbeat(self, token: str) -> bool:
        """Record a heartbeat. Return False as in `record_result`."""
        with CHANGED:
            if token in self._closed or (token in self._open and self._open[token].result_sent):
                return False
            if token in self._open:
                self._open[token].last_heartbeat = time.monotonic()
            return True


@dataclass
class Task:
    """A running Task state: its limits in seconds and the context object whose token its attempts use."""

    timeout: float
    heartbeat: float
    context: dict[str, Any]


@dataclass
class Attempt:
    """One call of a task's resource, and its result once it has one."""

    result: Any = None
    failure: BaseException | None = None
    finished: bool = False

    def finish(self, result: Any, failure: BaseException | None) -> None:
        """Set the result; only the first one counts."""
        with CHANGED:
            if not self.finished:
                self.result, self.failure, self.finished = result, failure, True
        notify()


current_task: ContextVar[Task | None] = ContextVar("current_task", default=None)
current_callback: ContextVar[tuple[Attempt, PendingToken] | None] = ContextVar("current_callback", default=None)


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    tokens = TaskTokens()
    patches = _Tasks(stepfunctions, tokens)
    wrap(stepfunctions, "_execute_task", patches.executing)
    wrap(stepfunctions, "_invoke_resource", patches.invoking)
    wrap(stepfunctions, "_invoke_with_callback", patches.calling_back)
    wrap(stepfunctions, "_call_lambda", patches.calling)
    wrap(stepfunctions, "_send_task_success", patches.checking_token(tokens.record_result))
    wrap(stepfunctions, "_send_task_failure", patches.checking_token(tokens.record_result))
    wrap(stepfunctions, "_send_task_heartbeat", patches.checking_token(tokens.record_heartbeat))


class _Tasks:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any, tokens: TaskTokens) -> None:
        self.stepfunctions = stepfunctions
        self.execution_error = stepfunctions._ExecutionError
        self.tokens = tokens

    def executing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute_task(state: dict[str, Any], state_input: Any, execution: Any, context: dict[str, Any]) -> Any:
            timeout = _limit(self.stepfunctions, "Timeout", state, state_input, context)
            heartbeat = _limit(self.stepfunctions, "Heartbeat", state, state_input, context)
            before = current_task.set(Task(timeout, heartbeat, context))
            try:
                # Without its limits, which this patch enforces.
                unlimited = {key: value for key, value in state.items() if key not in _LIMITS}
                return original(unlimited, state_input, execution, context)
            finally:
                current_task.reset(before)

        return execute_task

    def invoking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke_resource(resource: str, parameters: Any) -> Any:
            task = current_task.get()
            if task is None or ":activity:" in resource:  # an activity's time starts when a worker takes it
                return original(resource, parameters)
            until = time.monotonic() + task.timeout
            return _run_attempt(Attempt(), lambda: original(resource, parameters), lambda: until, self.execution_error)

        return invoke_resource

    def calling_back(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke_with_callback(resource: str, parameters: Any, token: str, state: Mapping[str, Any]) -> Any:
            task = current_task.get()
            assert task, "MiniStack invokes resources from _execute_task alone"
            attempt, waiting = Attempt(), self.tokens.open(token)
            until = time.monotonic() + task.timeout
            patient = {**state, "TimeoutSeconds": DEFAULT_TIMEOUT_SECONDS}
            before = current_callback.set((attempt, waiting))
            try:
                return _run_attempt(
                    attempt,
                    lambda: original(resource, parameters, token, patient),
                    lambda: min(until, waiting.last_heartbeat + task.heartbeat),
                    self.execution_error,
                    lambda: "States.Timeout" if time.monotonic() >= until else "States.HeartbeatTimeout",
                )
            except self.execution_error:
                task.context["Task"] = {"Token": self.stepfunctions.new_uuid()}  # of the next attempt
                raise
            finally:
                current_callback.reset(before)
                self.tokens.close(token)
                _release(self.stepfunctions, token)

        return invoke_with_callback

    def calling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call_lambda(function: str, event: Any) -> Any:
            try:
                return original(function, event)
            except self.execution_error as failure:
                attempt, waiting = current_callback.get() or (None, None)
                if attempt and waiting and not waiting.result_sent:
                    attempt.finish(None, failure)
                raise

        return call_lambda

    def checking_token(self, record: Callable[[str], bool]) -> Callable[[Any], Any]:
        def wrapped(original: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
            def send(request: dict[str, Any]) -> Any:
                if not record(str(request.get("taskToken"))):
                    message = "Task Timed Out: 'Provided task does not exist anymore'"
                    return self.stepfunctions.error_response_json("TaskTimedOut", message, 400)
                response = original(request)
                notify()
                return response

            return send

        return wrapped


def _limit(stepfunctions: Any, kind: str, state: Mapping[str, Any], state_input: Any, context: dict[str, Any]) -> float:
    """Return the seconds of a limit; practically unlimited if the state has none.

    Raises MiniStack's error States.Runtime if a path does not lead to a positive whole number.
    """
    name = f"{kind}Seconds"
    if f"{name}Path" in state:
        effective = stepfunctions._apply_input_path(state, state_input, context)
        seconds = stepfunctions._resolve_path_or_ctx(state[f"{name}Path"], effective, context)
    elif isinstance(state.get(name), str):
        seconds = stepfunctions._jsonata_state_field(state, name, "number", state_input, context)
    else:
        seconds = state.get(name, DEFAULT_TIMEOUT_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0 or seconds % 1:
        raise stepfunctions._ExecutionError("States.Runtime", f"{name} is not a positive whole number: {seconds!r}")
    return float(seconds)


def _run_attempt(
    attempt: Attempt,
    invoke: Callable[[], Any],
    deadline: Callable[[], float],
    execution_error: Callable[[str, str], Exception],
    timeout_error: Callable[[], str] = lambda: "States.Timeout",
) -> Any:
    """Call `invoke` in its own thread and wait for its result until the deadline or the end of the execution."""

    def work() -> None:
        try:
            result = invoke()
        except (Exception, ExecutionEnded) as failure:  # noqa: BLE001 - raised in the waiting thread
            attempt.finish(None, failure)
        else:
            attempt.finish(result, None)

    threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
    if not wait_until(lambda: attempt.finished, deadline):
        raise execution_error(timeout_error(), "")
    if attempt.failure:
        raise attempt.failure
    return attempt.result


def _release(stepfunctions: Any, token: str) -> None:
    """Let MiniStack's thread that waits for the token end, if it is still waiting."""
    waiting = stepfunctions._task_tokens.pop(token, None)
    if waiting:
        waiting["event"].set()
