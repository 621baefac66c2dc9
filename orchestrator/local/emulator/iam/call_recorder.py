"""IAM, if policies are enforced: a record of what each request was authorized for.

AWS: CloudTrail records which principal did which action on which resource. It has no data events unless a trail selects
them, and it does not show the condition keys of a request.
https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html

Here every distinct call is appended once to the file `Options.calls`, before it is decided, as a line of JSON:
``{"principal": ARN, "action": "dynamodb:GetItem", "resource": ARN, "context": {condition key: value}}``. The rights that
a service requires in addition to the action (`dependent_actions`) are calls of their own. Tests evaluate the record
against the policies of other environments (tests/infrastructure/permissions).

Stock MiniStack keeps no record of calls and authorizes a request without one.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.core.iam_evaluator.enforce": "cf64b1ee5b099c8f",
    "ministack.core.iam_evaluator.resolve_caller_identity": "d3b70cb836773b16",
}


class CallRecorder:
    """Appends each distinct call to a file.

    Args:
        file: the file; an existing one is continued.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known = set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()

    def record(self, principal: str, action: str, resource: str, context: Mapping[str, Any]) -> None:
        """Append a call, unless the same call is in the file already."""
        call = {"principal": principal, "action": action, "resource": resource, "context": dict(context)}
        line = json.dumps(call, sort_keys=True, default=str)
        with self._lock:
            if line in self._known:
                return
            self._known.add(line)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def install(options: Options) -> None:
    """Install the patch in this process."""
    if options.calls is None:
        return
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    recorder = CallRecorder(options.calls)
    identify = evaluator.resolve_caller_identity
    wrap(evaluator, "enforce", lambda original: _with_record(original, recorder, identify))


def _with_record(
    original: Callable[..., Any], recorder: CallRecorder, identify: Callable[[str], Mapping[str, Any] | None]
) -> Callable[..., Any]:
    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Mapping[str, Any] | None = None,
    ) -> Any:
        caller = identify(access_key_id)
        if caller:
            recorder.record(caller["userArn"], iam_action, resource_arn, service_context or {})
        return original(access_key_id, iam_action, service, region, resource_arn, service_context)

    return enforce
