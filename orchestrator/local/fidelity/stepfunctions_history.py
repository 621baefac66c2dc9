"""Step Functions: the events of a task in an execution's history.

AWS: an attempt of a Task that calls a service is TaskScheduled (with what it sends, its limits, its region),
TaskStarted and TaskSucceeded, TaskFailed or TaskTimedOut; a resource ``arn:aws:states:::lambda:invoke`` is there as
resource type ``lambda`` and resource ``invoke``. Every event names the one before it.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html

MiniStack knows no TaskStarted and no TaskTimedOut, gives the whole ARN as the resource and does not say what was sent,
nor what came before. In a branch of a Parallel or Map it records tasks, but not the states; that is left so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from orchestrator.local.fidelity.executions import under_way
from orchestrator.local.fidelity.options import Options
from orchestrator.local.fidelity.stepfunctions_errors import TIMEOUTS
from orchestrator.local.fidelity.wrapping import wrap

PINNED = {
    "ministack.services.stepfunctions._add_event": "b1db143ccd21809d3aa32e79439b7971c7af7b50dcee5533ed2cce923742ac6a",
    "ministack.services.stepfunctions._execute_task": "53c818d247dba62c49b82c78ad185f18083422f2bc30168836d7b4f2dae28d9a",
    "ministack.services.stepfunctions._invoke_resource": "a85d2be9a8584ce0f8660e27ccc9e1687a5f5d167a727613b8ee0c90bdd53d69",
    "ministack.services.stepfunctions._invoke_with_callback": "bbb38423156a0d3d46c6fe19292640055cfa72e929d2356153f3a8a6c2c023d9",
    "ministack.services.stepfunctions._get_execution_history": "e865bdd85d5d89cdff09d2db6876fbeba12a423a547fa19094da69f5ef414f0e",
}

_INTEGRATION: Final = "arn:aws:states:::"

state_under_way: ContextVar[Mapping[str, Any] | None] = ContextVar("state_under_way", default=None)
scheduled: ContextVar[dict[str, Any] | None] = ContextVar("scheduled", default=None)


def install(options: Options) -> None:
    """Put the mend in place, in this process."""
    del options
    from ministack.services import stepfunctions  # noqa: PLC0415 - only in the server process

    mended = _History(stepfunctions)
    wrap(stepfunctions, "_add_event", mended.adding)
    wrap(stepfunctions, "_execute_task", mended.executing)
    wrap(stepfunctions, "_invoke_resource", mended.invoking)
    wrap(stepfunctions, "_invoke_with_callback", mended.invoking)


class _History:
    """What takes the place of MiniStack's functions."""

    def __init__(self, stepfunctions: Any) -> None:
        self.stepfunctions = stepfunctions

    def adding(self, original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        def add_event(
            execution: dict[str, Any], event_type: str, details: Mapping[str, Any] | None = None
        ) -> dict[str, Any]:
            event_type, told = as_told(event_type, details or {})
            event = original(execution, event_type, told)
            event["previousEventId"] = event["id"] - 1
            if event_type == "TaskScheduled":
                event["taskScheduledEventDetails"].update(self._limits())
                scheduled.set(event)
            return event

        return add_event

    def executing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def execute_task(state: Mapping[str, Any], *given: Any) -> Any:
            before = state_under_way.set(state)
            try:
                return original(state, *given)
            finally:
                state_under_way.reset(before)

        return execute_task

    def invoking(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def invoke(resource: str, given: Any, *more: Any) -> Any:
            event = scheduled.get()
            if event and under_way.get():
                details = event["taskScheduledEventDetails"]
                details["parameters"] = json.dumps(given)
                started = {"taskStartedEventDetails": {"resource": resource}}
                self.stepfunctions._add_event(under_way.get()[-1], "TaskStarted", started)
            return original(resource, given, *more)

        return invoke

    def _limits(self) -> dict[str, Any]:
        state = state_under_way.get() or {}
        limits = {"timeoutInSeconds": state.get("TimeoutSeconds"), "heartbeatInSeconds": state.get("HeartbeatSeconds")}
        numbers = {key: value for key, value in limits.items() if isinstance(value, int)}
        return {"region": self.stepfunctions.get_region(), "parameters": "{}", **numbers}


def as_told(event_type: str, details: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and the details of an event as AWS tells them, for MiniStack's."""
    told = {key: dict(value) for key, value in details.items()}
    if event_type == "TaskFailed" and told["taskFailedEventDetails"]["error"] in TIMEOUTS:
        event_type, told = "TaskTimedOut", {"taskTimedOutEventDetails": told["taskFailedEventDetails"]}
    for inner in told.values():
        if "resource" in inner:
            inner["resourceType"], inner["resource"] = integration(inner["resource"])
    return event_type, told


def integration(resource: str) -> tuple[str, str]:
    """The resource type and the resource of a Task's ``Resource``."""
    if resource.startswith(_INTEGRATION):
        service, _, action = resource.removeprefix(_INTEGRATION).rpartition(":")
        return service, action
    return ("lambda" if ":lambda:" in resource else "activity"), resource
