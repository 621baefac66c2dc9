"""SNS: publishing to a topic that a customer managed key encrypts requires permissions on the key.

AWS:

- A publisher needs ``kms:GenerateDataKey`` and ``kms:Decrypt`` on the topic's key, through SNS. The encryption context
  is ``aws:sns:topicArn``.
  https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
- Publish is rejected with KMSAccessDenied, KMSDisabled, KMSInvalidState or KMSNotFound.
  https://docs.aws.amazon.com/sns/latest/api/API_Publish.html#API_Publish_Errors

Stock MiniStack stores the key and does not use it.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from orchestrator.local.emulator.kms.key_use import (
    ACCESS_DENIED,
    DISABLED,
    INVALID_STATE,
    NOT_FOUND,
    KeyUse,
    refusal_of,
)
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.sns.handle_request": "a6cb34ecce860f66",
    "ministack.services.sns._normalize_arn": "69f62bc46c4bbc44",
    "ministack.services.sns._error": "862fe92306ca5dad",
}

_CODES: Final = {
    ACCESS_DENIED: "KMSAccessDenied",
    DISABLED: "KMSDisabled",
    INVALID_STATE: "KMSInvalidState",
    NOT_FOUND: "KMSNotFound",
}
_PUBLISHING: Final = frozenset({"Publish", "PublishBatch"})

Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Response]]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    wrap(importlib.import_module("ministack.services.sns"), "handle_request", _encrypting)


def _encrypting(original: Handler) -> Handler:
    sns = importlib.import_module("ministack.services.sns")

    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        parameters = {**query_params, **parse_qs(body.decode(errors="replace"))}
        if _first(parameters, "Action") in _PUBLISHING:
            arn = sns._normalize_arn(_first(parameters, "TopicArn") or _first(parameters, "TargetArn"))
            topic = sns._topics.get(arn)
            key = topic["attributes"].get("KmsMasterKeyId") if topic else None
            if key:
                use = KeyUse("sns", key, ("GenerateDataKey", "Decrypt"), {"aws:sns:topicArn": arn})
                if refusal := refusal_of(use, headers, query_params):
                    response: Response = sns._error(_CODES[refusal.error], refusal.message, int(HTTPStatus.BAD_REQUEST))
                    return response
        return await original(method, path, headers, body, query_params)

    return handle_request


def _first(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name, "")
    return str(value[0]) if isinstance(value, list) else str(value)
