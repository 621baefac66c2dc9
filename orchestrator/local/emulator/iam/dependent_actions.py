"""IAM, if policies are enforced: the rights that a service requires in addition to the action itself.

AWS:

- ExportTableToPointInTime writes the bucket with the caller's rights: ``s3:AbortMultipartUpload``, ``s3:PutObject`` and
  ``s3:PutObjectAcl``.
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html

Here a request without one of these rights is denied when it is made. AWS does not document whether an export is denied
or fails later.

Stock MiniStack authorizes the action alone.
"""

from __future__ import annotations

import contextvars
import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    "ministack.core.iam_evaluator.enforce": "cf64b1ee5b099c8f",
    "ministack.core.iam_actions.request_tag_context": "d46adb816e024778",
    "ministack.core.iam_actions.access_denied_response": "3cc2e315f91f45da",
}

Json = dict[str, Any]
_REQUEST = "local:request"
"""Our own context key, from parsing a request to authorizing it."""

_denied_action: contextvars.ContextVar[str] = contextvars.ContextVar("denied_action", default="")
"""The dependent action for which the current request is denied."""


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    actions = importlib.import_module("ministack.core.iam_actions")
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    wrap(actions, "request_tag_context", _add_request)
    wrap(actions, "access_denied_response", _naming_denied_action)
    wrap(evaluator, "enforce", _with_dependent_actions)


def dependent_actions(action: str, request: Json) -> list[tuple[str, str]]:
    """Return the actions that a request requires in addition to its own, each with the resource's ARN."""
    if action == "dynamodb:ExportTableToPointInTime":
        objects = f"arn:aws:s3:::{request.get('S3Bucket')}/{request.get('S3Prefix') or ''}*"
        return [(f"s3:{name}", objects) for name in ("AbortMultipartUpload", "PutObject", "PutObjectAcl")]
    return []


def _add_request(original: Callable[..., Json]) -> Callable[..., Json]:
    def context(service: str, iam_action: str, body: bytes, params: Mapping[str, Any]) -> Json:
        keys = original(service, iam_action, body, params)
        if not dependent_actions(iam_action, {}):
            return keys
        return {**keys, _REQUEST: json.loads(body)}

    return context


def _with_dependent_actions(original: Callable[..., Any]) -> Callable[..., Any]:
    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = dict(service_context or {})
        request = context.pop(_REQUEST, {})
        denied = original(access_key_id, iam_action, service, region, resource_arn, context)
        _denied_action.set("")
        if denied or not request:
            return denied
        for action, arn in dependent_actions(iam_action, request):
            denied = original(access_key_id, action, action.split(":", maxsplit=1)[0], region, arn, {})
            if denied:
                _denied_action.set(action)
                return denied
        return None

    return enforce


def _naming_denied_action(original: Callable[..., Any]) -> Callable[..., Any]:
    def access_denied_response(service: str, iam_action: str, *args: Any, **options: Any) -> Any:
        return original(service, _denied_action.get() or iam_action, *args, **options)

    return access_denied_response
