"""Lambda: an exception that a handler does not catch keeps its class name and does not end the execution environment.

AWS:

- The payload of such an invocation is ``errorType`` (the class name), ``errorMessage``, ``requestId`` and
  ``stackTrace``. The log contains ``[ERROR] Class: message`` and the traceback.
  https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
- Catch and Retry of Step Functions match that name.
  https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
- A module that does not load is Runtime.ImportModuleError, a missing handler Runtime.HandlerNotFound, a result that
  cannot be encoded as JSON Runtime.MarshalError, and a runtime that exits Runtime.ExitError.
- The environment serves the next invocation after an exception of the handler. Only an exit or a timeout ends it.
  https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

Stock MiniStack reports every exception as Runtime.HandlerError without a stack trace, and starts a new worker after
each.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from orchestrator.local.emulator.lambda_ import worker_payload
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import replace_once, wrap

PINNED = {
    "ministack.core.lambda_runtime._PYTHON_WORKER_SCRIPT": "368800addf4dc998",
    "ministack.core.lambda_runtime.Worker.invoke": "96751a75471021ec",
    "ministack.core.lambda_runtime.Worker._spawn": "c55febf956565c5e",
    "ministack.services.lambda_svc._execute_function_warm": "62b9218bef5b948a",
}

Outcome = dict[str, Any]
"""The result of MiniStack's executors: ``body``, ``error``, ``log`` …"""

DIED = "Worker process died"
"""MiniStack's error of a worker that ended. A patch may add a colon and the reason."""
_INIT_FAILED = "Worker init failed: "

_raised: ContextVar[Mapping[str, Any] | None] = ContextVar("raised", default=None)
"""The error payload of the invocation that this thread just ran; None if the handler returned."""


def install(_options: Options) -> None:
    """Install the patch in this process."""
    from ministack.core import lambda_runtime  # noqa: PLC0415 - only in the server process
    from ministack.services import lambda_svc  # noqa: PLC0415

    def recording_error(original: Callable[..., Outcome]) -> Callable[..., Outcome]:
        def invoke(*args: Any, **kwargs: Any) -> Outcome:
            _raised.set(None)
            response = original(*args, **kwargs)
            _raised.set(response.get("raised"))
            return response

        return invoke

    def executing(original: Callable[..., Outcome]) -> Callable[..., Outcome]:
        def execute_function_warm(function: Mapping[str, Any], event: Any, request_id: str) -> Outcome:
            _raised.set(None)
            outcome = original(function, event, request_id)
            if payload := _raised.get():
                return {**outcome, "body": payload, "error": True}
            return to_aws_error(outcome, request_id) if outcome.get("error") else outcome

        return execute_function_warm

    wrap(lambda_runtime, "_PYTHON_WORKER_SCRIPT", patched_script)
    lambda_runtime.Worker.invoke = recording_error(lambda_runtime.Worker.invoke)
    wrap(lambda_svc, "_execute_function_warm", executing)


def patched_script(script: str) -> str:
    """Return MiniStack's worker script with AWS's error payloads."""
    script = replace_once(
        script,
        '        _real_stdout.write(json.dumps({"status": "error", "error": str(e)}) + "\\n")\n',
        "        failure = import_error_payload(e, module_name, handler_name)\n"
        '        _real_stdout.write(json.dumps({"status": "error", "error": failure}) + "\\n")\n',
    )
    script = replace_once(
        script,
        '            _real_stdout.write(json.dumps({"status": "ok", "result": result}) + "\\n")\n',
        '            _real_stdout.write(result_line(result, context.aws_request_id) + "\\n")\n',
    )
    script = replace_once(
        script,
        '            _real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\\n")\n',
        "            failure = handler_error_payload(e, context.aws_request_id)\n"
        '            _real_stdout.write(json.dumps({"status": "ok", "raised": failure}) + "\\n")\n',
    )
    return inspect.getsource(worker_payload) + script


def to_aws_error(outcome: Outcome, request_id: str) -> Outcome:
    """Return the outcome of an invocation whose worker did not start or did not survive, with AWS's error."""
    message = str((outcome.get("body") or {}).get("errorMessage", ""))
    if message.startswith(f"{_INIT_FAILED}{{"):  # Node.js workers keep MiniStack's message
        payload = {**json.loads(message.removeprefix(_INIT_FAILED)), "requestId": request_id}
        text = f"[ERROR] {payload['errorType']}: {payload['errorMessage']}"
        return {**outcome, "body": payload, "log": "\n".join(filter(None, [outcome.get("log"), text]))}
    if message.startswith(DIED):
        reason = message.removeprefix(DIED).removeprefix(": ") or "Runtime exited without providing a reason"
        exited = f"RequestId: {request_id} Error: {reason}"
        return {**outcome, "body": {"errorType": "Runtime.ExitError", "errorMessage": exited}}
    return outcome
