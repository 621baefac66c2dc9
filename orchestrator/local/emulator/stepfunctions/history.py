"""Step Functions: the history events of a task.

AWS: an attempt of a Task that calls a service has the events TaskScheduled (with parameters, limits and region),
TaskStarted and TaskSucceeded, TaskFailed or TaskTimedOut. The resource ``arn:aws:states:::lambda:invoke`` appears as
resource type ``lambda`` and resource ``invoke``. Every event names its predecessor.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html

Stock MiniStack has no TaskStarted and no TaskTimedOut, gives the whole ARN as the resource, and omits parameters and
predecessors. In a branch of a Parallel or Map it records tasks, but not states; this patch does not change that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap
from orchestrator.local.emulator.stepfunctions.execution import current_executions
from orchestrator.local.emulator.stepfunctions.retry_and_catch import TIMEOUTS

PINNED = {
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c",
    "ministack.services.stepfunctions._invoke_resource": "a85d2be9a8584ce0",
    "ministack.services.stepfunctions._invoke_with_callback": "bbb38423156a0d3d",
    "ministack.services.stepfunctions._get_execution_history": "e865bdd85d5d89cd",
}

_INTEGRATION: Final = "arn:aws:states:::"

current_state: ContextVar[Mapping[str, Any] | None] = ContextVar("current_state", default=None)
scheduled_event: ContextVar[dict[str, Any] | None] = ContextVar("scheduled_event", default=None)


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    patches = _History(stepfunctions)
    wrap(stepfunctions, "_add_event", patches.adding)
    wrap(stepfunctions, "_execute_task", patches.executing)
    wrap(stepfunctions, "_invoke_resource", patches.invoking)
    wrap(stepfunctions, "_invoke_with_callback", patches.invoking)


class _History:
    """Replacements of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def adding(self, original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def add_event(
            execution: dict[str, Any], event_type: str, details: Mapping[str, Any] | None = None
        ) -> dict[str, Any]:
            event_type, aws_details = to_aws_event(event_type, details or {})
            event = original(execution, event_type, aws_details)
            event["previousEventId"] = event["id"] - 1
            if event_type == "TaskScheduled":
                event["taskScheduledEventDetails"].update(self._limits())
                scheduled_event.set(event)
            return event

        return add_event

    def executing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute_task(state: Mapping[str, Any], *args: Any) -> Any:
            before = current_state.set(state)
            try:
                return original(state, *args)
            finally:
                current_state.reset(before)

        return execute_task

    def invoking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, parameters: Any, *args: Any) -> Any:
            event = scheduled_event.get()
            if event and current_executions.get():
                details = event["taskScheduledEventDetails"]
                details["parameters"] = json.dumps(parameters)
                started = {"taskStartedEventDetails": {"resource": resource}}
                self.stepfunctions._add_event(current_executions.get()[-1], "TaskStarted", started)
            return original(resource, parameters, *args)

        return invoke

    def _limits(self) -> dict[str, Any]:
        state = current_state.get() or {}
        limits = {"timeoutInSeconds": state.get("TimeoutSeconds"), "heartbeatInSeconds": state.get("HeartbeatSeconds")}
        numbers = {key: value for key, value in limits.items() if isinstance(value, int)}
        return {"region": self.stepfunctions.get_region(), "parameters": "{}", **numbers}


def to_aws_event(event_type: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type and the details of AWS's event for an event of MiniStack."""
    aws_details = {key: dict(value) for key, value in details.items()}
    if event_type == "TaskFailed" and aws_details["taskFailedEventDetails"]["error"] in TIMEOUTS:
        event_type, aws_details = "TaskTimedOut", {"taskTimedOutEventDetails": aws_details["taskFailedEventDetails"]}
    for inner in aws_details.values():
        if "resource" in inner:
            inner["resourceType"], inner["resource"] = parse_resource(inner["resource"])
    return event_type, aws_details


def parse_resource(resource: str) -> tuple[str, str]:
    """Return the resource type and the resource of a Task's ``Resource``."""
    if resource.startswith(_INTEGRATION):
        service, _, action = resource.removeprefix(_INTEGRATION).rpartition(":")
        return service, action
    return ("lambda" if ":lambda:" in resource else "activity"), resource
