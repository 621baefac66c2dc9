"""Call the hooks of a deployment: signed webhooks, and Lambda functions."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import BUSY, error_code, translate_errors
from orchestrator.aws.public_http import PublicHttp
from orchestrator.aws.secrets_manager import read_secret_text
from orchestrator.domain.deployment.hooks import ATTEMPTS, Hook, HookAnswer, HookCall, HookKind, read_answer
from orchestrator.domain.errors import CheckNotReadable, Throttled, Unreachable
from orchestrator.domain.untrusted_json import decode_untrusted

TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Ib-Oauth-Timestamp", "X-Ib-Oauth-Signature"
SIGNATURE_VERSION = "v1"
OK, TOO_MANY_REQUESTS, SERVER_ERROR = 200, 429, 500


class _Later(Exception):
    """Another attempt may be answered."""


class Hooks:
    """Hooks of the environment.

    Args:
        functions: botocore's Lambda client.
        secrets: botocore's Secrets Manager client.
        web: sends requests to webhooks.
        now: the clock.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        functions: Any,
        secrets: Any,
        web: PublicHttp,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._functions, self._secrets, self._web = functions, secrets, web
        self._now, self._sleep = now, sleep

    def call_hook(self, hook: Hook, call: HookCall, question: Mapping[str, Any]) -> HookAnswer:
        """Ask a hook, at most `ATTEMPTS` times, until it answers.

        Args:
            hook: whom to ask.
            call: the question's one-time token.
            question: what it is asked about, as JSON.

        Raises:
            Throttled, Unreachable: the webhook's secret could not be read; a later attempt may succeed.
        """
        key = self._read_secret(hook.secret) if hook.kind is HookKind.WEBHOOK else b""
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            body = json.dumps(
                {**question, "attempt": attempt, "answer_token": call.answer_token}, allow_nan=False
            ).encode()
            try:
                answer = self._invoke(hook, body) if hook.kind is HookKind.LAMBDA else self._post(hook, key, body)
            except _Later as error:
                reason = str(error)
                if attempt < ATTEMPTS:
                    self._sleep(attempt)
            except CheckNotReadable as error:
                return HookAnswer(passed=False, judged=False, reason=str(error))
            else:
                return read_answer(answer, call)
        return HookAnswer(passed=False, judged=False, reason=f"{reason}, in {ATTEMPTS} attempts")

    def _post(self, hook: Hook, key: bytes, body: bytes) -> object:
        timestamp = f"{self._now().timestamp():.0f}"
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: sign(key, timestamp, body),
        }
        try:
            status, content = self._web.send("POST", hook.url, hook.timeout.total_seconds(), body, headers)
        except CheckNotReadable as error:
            raise _Later(str(error)) from error
        if status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
            raise _Later(f"it returned {status}")
        if status != OK:
            raise CheckNotReadable(f"it returned {status}")
        return _decoded(content)

    def _invoke(self, hook: Hook, body: bytes) -> object:
        # The client waits longer than a hook may take. An invocation that is abandoned has the same question as the next.
        threads = ThreadPoolExecutor(1)
        try:
            return threads.submit(self._answer_of_function, hook, body).result(hook.timeout.total_seconds())
        except TimeoutError as error:
            raise _Later(f"no answer within {hook.timeout.total_seconds():g} s") from error
        finally:
            threads.shutdown(wait=False)

    def _answer_of_function(self, hook: Hook, body: bytes) -> object:
        try:
            with translate_errors(**BUSY):
                invocation = self._functions.invoke(FunctionName=hook.function, Payload=body)
                content = invocation["Payload"].read()
        except ClientError as error:
            raise CheckNotReadable(f"Lambda refused the invocation: {error_code(error)}") from error
        except (Throttled, Unreachable) as error:
            raise _Later(f"{type(error).__name__}: {error}") from error
        if invocation.get("FunctionError"):
            raise _Later("its function raised an exception")
        return _decoded(content)

    def _read_secret(self, arn: str) -> bytes:
        try:
            return read_secret_text(self._secrets, arn).encode()
        except (ClientError, KeyError) as error:
            raise CheckNotReadable(
                f"the secret that signs its requests cannot be read: {type(error).__name__}"
            ) from error


def sign(key: bytes, timestamp: str, body: bytes) -> str:
    """Return the signature of a request: HMAC-SHA-256 over the timestamp, a dot and the body, in hexadecimal digits."""
    digest = hmac.new(key, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"{SIGNATURE_VERSION}={digest}"


def _decoded(content: bytes) -> object:
    try:
        return decode_untrusted(content)
    except ValueError as error:
        raise CheckNotReadable("its answer is no JSON object") from error
