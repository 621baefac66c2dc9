"""Calling hooks over loopback: the signature, the repetitions, and that nothing else than a valid answer passes."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.hooks import SIGNATURE_HEADER, TIMESTAMP_HEADER, Hooks
from orchestrator.aws.public_http import PublicHttp
from orchestrator.domain.deployment.hooks import Hook, HookCall, HookKind
from orchestrator.domain.errors import CheckNotReadable, Throttled
from tests.samples import NOW, seconds

CALL = HookCall("a" * 64)
KEY = b"loopback-secret-not-for-accounts"
QUESTION = {"deployment": "d-1", "step": 1}
Respond = Callable[[dict[str, Any]], tuple[int, Any]]


class Receiver:
    """A webhook that verifies the signature as the guide says, and answers by `respond`."""

    def __init__(self) -> None:
        self.respond: Respond = lambda body: (
            200,
            {"answer_token": body["answer_token"], "verdict": "PASS", "reason": "ok"},
        )
        self.bodies: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signed = self.headers[TIMESTAMP_HEADER].encode() + b"." + body
                expected = f"v1={hmac.new(KEY, signed, hashlib.sha256).hexdigest()}"
                decoded = json.loads(body)
                receiver.bodies.append(decoded)
                genuine = hmac.compare_digest(expected, self.headers[SIGNATURE_HEADER])
                status, answer = receiver.respond(decoded) if genuine else (401, {})
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                with suppress(BrokenPipeError):  # the sender did not wait
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/hooks/load"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    Thread(target=running.http.serve_forever, args=(0.02,), daemon=True).start()
    yield running
    running.http.shutdown()
    running.http.server_close()


class Secrets:
    def __init__(self, answer: Any = None) -> None:
        self.answer = answer or {"SecretString": KEY.decode()}

    def get_secret_value(self, SecretId: str) -> Any:  # noqa: N803 - the name in AWS's API
        assert SecretId == "arn:secret"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Functions:
    def __init__(self, *answers: Any) -> None:
        self.answers, self.payloads = list(answers), []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803 - the names in AWS's API
        assert FunctionName == "arn:function"
        self.payloads.append(json.loads(Payload))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(self.payloads[-1])
        error = {"FunctionError": "Unhandled"} if answer == "raised" else {}
        return {**error, "Payload": io.BytesIO(json.dumps(answer).encode())}


def webhook(receiver: Receiver, timeout: float = 2) -> Hook:
    return Hook("load", HookKind.WEBHOOK, (), seconds(timeout), url=receiver.url, secret="arn:secret")


FUNCTION = Hook("load", HookKind.LAMBDA, (), seconds(0.5), function="arn:function")


def hooks(functions: Any = None, secrets: Any = None, waits: list[float] | None = None) -> Hooks:
    slept = waits if waits is not None else []
    return Hooks(functions, secrets or Secrets(), PublicHttp(), lambda: NOW, slept.append)


def test_a_signed_question_is_answered(receiver):
    answer = hooks().call_hook(webhook(receiver), CALL, QUESTION)
    assert (answer.passed, answer.reason) == (True, "ok")
    assert receiver.bodies == [{**QUESTION, "attempt": 1, "answer_token": CALL.answer_token}]


def test_a_receiver_with_another_secret_refuses_the_request_and_nothing_passes(receiver):
    answer = hooks(secrets=Secrets({"SecretString": "another"}))
    with pytest.raises(CheckNotReadable, match="401") as raised:
        answer._post(webhook(receiver), b"another", b"{}")
    assert KEY.decode() not in str(raised.value)
    assert answer.call_hook(webhook(receiver), CALL, QUESTION).passed is False


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_is_repeated_with_the_same_token_and_counted_attempts(receiver, status):
    good, waits = receiver.respond, []
    receiver.respond = lambda body: good(body) if len(receiver.bodies) > 2 else (status, b"later")
    assert hooks(waits=waits).call_hook(webhook(receiver), CALL, QUESTION).passed
    assert [body["attempt"] for body in receiver.bodies] == [1, 2, 3]
    assert {body["answer_token"] for body in receiver.bodies} == {CALL.answer_token}
    assert waits == [1, 2]


def test_after_the_last_attempt_there_is_no_answer_and_that_passes_nothing(receiver):
    receiver.respond = lambda _body: (503, b"")
    answer = hooks().call_hook(webhook(receiver), CALL, QUESTION)
    assert (answer.passed, answer.judged, answer.reason) == (False, False, "it returned 503, in 3 attempts")


def test_a_receiver_that_hangs_and_one_that_is_not_there_pass_nothing(receiver):
    hanging = Event()
    receiver.respond = lambda _body: (hanging.wait(5), (200, {}))[1]
    answer = hooks().call_hook(webhook(receiver, timeout=0.1), CALL, QUESTION)
    hanging.set()
    assert (answer.passed, answer.judged) == (False, False)
    absent = Hook("load", HookKind.WEBHOOK, (), seconds(1), url="http://127.0.0.1:1/", secret="arn:secret")
    assert hooks().call_hook(absent, CALL, QUESTION).judged is False


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, {"verdict": "PASS"}),
        (201, {"answer_token": "a" * 64, "verdict": "PASS"}),
        (302, {"answer_token": "a" * 64, "verdict": "PASS"}),
        (200, b"PASS"),
        (200, b"[" * 100_000),
        (200, {"answer_token": "b" * 64, "verdict": "PASS"}),
        (200, {"answer_token": "a" * 64, "verdict": "MAYBE"}),
    ],
)
def test_a_wrong_answer_passes_nothing_and_is_not_requested_again(receiver, status, answer):
    receiver.respond = lambda _body: (status, answer)
    found = hooks().call_hook(webhook(receiver), CALL, QUESTION)
    assert (found.passed, found.judged, len(receiver.bodies)) == (False, False, 1)


def test_a_fail_is_a_judgement_with_its_reason(receiver):
    receiver.respond = lambda body: (
        200,
        {"answer_token": body["answer_token"], "verdict": "FAIL", "reason": "12 failed"},
    )
    answer = hooks().call_hook(webhook(receiver), CALL, QUESTION)
    assert (answer.passed, answer.judged, answer.reason) == (False, True, "12 failed")


@pytest.mark.parametrize(
    "answer", [ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"), {"ARN": "x"}]
)
def test_a_secret_that_cannot_be_read_is_not_readable_and_a_throttle_stays_a_throttle(receiver, answer):
    with pytest.raises(CheckNotReadable, match="secret"):
        hooks(secrets=Secrets(answer)).call_hook(webhook(receiver), CALL, QUESTION)
    throttle = ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue")
    with pytest.raises(Throttled):
        hooks(secrets=Secrets(throttle)).call_hook(webhook(receiver), CALL, QUESTION)
    assert receiver.bodies == []


def passes(body: dict[str, Any]) -> Any:
    return {"answer_token": body["answer_token"], "verdict": "PASS", "reason": "ok"}


def test_a_function_is_invoked_without_a_secret_and_its_failures_are_repeated():
    throttle = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
    functions = Functions("raised", throttle, passes)
    assert hooks(functions, Secrets(KeyError("unused"))).call_hook(FUNCTION, CALL, QUESTION).passed
    assert [payload["attempt"] for payload in functions.payloads] == [1, 2, 3]


@pytest.mark.parametrize(
    "answers",
    [
        ["raised"] * 3,
        [{"verdict": "PASS"}],
        [None],
        [ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")],
    ],
)
def test_a_function_without_a_valid_answer_passes_nothing(answers):
    answer = hooks(Functions(*answers)).call_hook(FUNCTION, CALL, QUESTION)
    assert (answer.passed, answer.judged) == (False, False)


def test_a_function_that_takes_too_long_is_not_waited_for():
    hanging = Event()
    slow = lambda body: (hanging.wait(5), passes(body))[1]  # noqa: E731
    answer = hooks(Functions(slow, slow, slow)).call_hook(FUNCTION, CALL, QUESTION)
    hanging.set()
    assert (answer.judged, answer.reason) == (False, "no answer within 0.5 s, in 3 attempts")
