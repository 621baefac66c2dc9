"""Lambda: environment variables under a customer managed key are read and changed with the caller's permissions on it.

AWS:

- Who reads a function's configuration without ``kms:Decrypt`` on its key gets no variables, but ``Environment.Error``.
  https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentResponse.html
  https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentError.html
- Who sets variables or the key needs ``kms:Encrypt`` and ``kms:CreateGrant``.
  https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
- The encryption context is ``aws:lambda:FunctionArn``.
  https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html

Here the ARN in the encryption context has no qualifier. AWS documents no error for a caller that may not encrypt; here
it is AccessDeniedException. Lambda's own use of the key, when an execution environment starts, is not reproduced.

Stock MiniStack stores the key and does not use it.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from orchestrator.local.emulator.kms.key_use import ACCESS_DENIED, KeyUse, Refusal, json_error, refusal_of
from orchestrator.local.emulator.kms.key_use import PINNED as KEY_USE
from orchestrator.local.emulator.options import Options
from orchestrator.local.emulator.patching import wrap

PINNED = {
    **KEY_USE,
    "ministack.services.lambda_svc.handle_request": "f2255bfe6f90ab0a",
    "ministack.services.lambda_svc._resolve_request_scoped_name_and_qualifier": "eb688ea1bcd8d7fd",
}

_PATH: Final = re.compile(r"/[\d-]+/functions/?(?:(?P<name>[^/]+)(?:/(?P<below>configuration|code|versions))?/?)?")
"""The paths of requests that return or change the configuration of functions."""
_UNREADABLE: Final = (
    "Lambda was unable to decrypt your environment variables because the KMS access was denied. "
    "Please check your KMS permissions. KMS Exception: {error} KMS Message: {message}"
)

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Response]]


def install(_options: Options) -> None:
    """Install the patch in this process."""
    wrap(importlib.import_module("ministack.services.lambda_svc"), "handle_request", _with_keys)


def _with_keys(original: Handler) -> Handler:
    async def handle_request(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        matched = _PATH.fullmatch(unquote(path))
        if matched is None:
            return await original(method, path, headers, body, query_params)

        def refused(config: Mapping[str, Any], *actions: str) -> Refusal | None:
            key, arn = config.get("KMSKeyArn"), _unqualified(str(config.get("FunctionArn", "")))
            use = KeyUse("lambda", str(key), actions, {"aws:lambda:FunctionArn": arn})
            return refusal_of(use, headers, query_params) if key else None

        encrypted = _encrypted(matched, _object(body)) if method in {"POST", "PUT"} else {}
        if refusal := refused(encrypted, "Encrypt", "CreateGrant"):
            return json_error(ACCESS_DENIED, f"Lambda was unable to encrypt your variables. {refusal.message}")
        status, response_headers, response_body = await original(method, path, headers, body, query_params)
        if status >= HTTPStatus.MULTIPLE_CHOICES or b'"KMSKeyArn"' not in response_body:
            return status, response_headers, response_body
        shown = _readable(json.loads(response_body), lambda config: refused(config, "Decrypt"))
        return status, response_headers, json.dumps(shown).encode()

    return handle_request


def _encrypted(matched: re.Match[str], request: Json) -> Json:
    """Return key and ARN of the function whose variables a request encrypts; nothing for other requests."""
    lambda_svc = importlib.import_module("ministack.services.lambda_svc")
    name, _ = lambda_svc._resolve_request_scoped_name_and_qualifier(
        matched["name"] or request.get("FunctionName") or ""
    )
    if matched["below"] in {"code", "versions"} or not {"Environment", "KMSKeyArn"} & request.keys():
        return {}
    current = (lambda_svc._functions.get(name) or {}).get("config", {})
    arn = current.get("FunctionArn") or lambda_svc._func_arn(name)
    return {"KMSKeyArn": request.get("KMSKeyArn", current.get("KMSKeyArn")), "FunctionArn": arn}


def _readable(value: Any, refused: Callable[[Json], Refusal | None]) -> Any:
    """Return a response without the variables that its caller may not decrypt."""
    if isinstance(value, list):
        return [_readable(one, refused) for one in value]
    if not isinstance(value, dict):
        return value
    if not (value.get("Environment") or {}).get("Variables") or not (refusal := refused(value)):
        return {name: _readable(member, refused) for name, member in value.items()}
    message = _UNREADABLE.format(error=refusal.error, message=refusal.message)
    return {**value, "Environment": {"Error": {"ErrorCode": refusal.error, "Message": message}}}


def _unqualified(arn: str) -> str:
    return ":".join(arn.split(":")[:7])


def _object(body: bytes) -> Json:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}  # MiniStack's handler rejects it
    return request if isinstance(request, dict) else {}
