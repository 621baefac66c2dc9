"""Runs inside a Lambda worker, not in the server: the error payloads of AWS's Python runtime.

`unhandled_errors` prepends this file's source to MiniStack's worker script. The file therefore uses the standard
library only and refers to nothing else of this project.
"""

import json
import sys
import traceback
from typing import Any


def handler_error_payload(error: BaseException, request_id: str) -> dict[str, Any]:
    """Log an exception that the handler did not catch, and return the invocation's error payload."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first frame belongs to the worker script
    return _payload(type(error).__name__, str(error), request_id, traceback.format_list(frames))


def import_error_payload(error: Exception, module: str, handler: str) -> str:
    """Return, as JSON, the error payload of a function whose module or handler is missing or does not load."""
    if isinstance(error, ImportError):
        kind, message = "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
    elif isinstance(error, SyntaxError):
        kind, message = "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}"
    elif isinstance(error, AttributeError) and error.name == handler and getattr(error.obj, "__name__", "") == module:
        kind, message = "Runtime.HandlerNotFound", f"Handler '{handler}' missing on module '{module}'"
    else:
        kind, message = type(error).__name__, str(error)
    frames = traceback.extract_tb(error.__traceback__)[1:]
    return json.dumps(_payload(kind, message, "", traceback.format_list(frames)))


def result_line(result: Any, request_id: str) -> str:
    """Return the line that sends a handler's result to the server."""
    try:
        return json.dumps({"status": "ok", "result": result})
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return json.dumps({"status": "ok", "raised": _payload("Runtime.MarshalError", message, request_id, [])})


def _payload(kind: str, message: str, request_id: str, frames: list[str]) -> dict[str, Any]:
    trace = "Traceback (most recent call last):\n" + "".join(frames) if frames else ""
    print(f"[ERROR] {kind}: {message}\n{trace}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201 - the function's log
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": frames}
