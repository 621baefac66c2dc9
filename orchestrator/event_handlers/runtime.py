"""Run an event handler: one module for each event that starts something.

Each handler decodes its event, lets the domain decide, and starts an execution or records why not. EventBridge cannot
name an execution and delivers at least once. A handler therefore names what it starts after the event's subject, so
that a second delivery starts nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.application.cloud import Cloud, logger
from orchestrator.domain.http_messages import BodyRefused, HttpRequest, HttpResponse, proxy_response, read_request

EventHandler = Callable[[Mapping[str, Any], object], Mapping[str, str]]
_cloud = Cloud.of_this_function()


def event_handler(run: Callable[[Mapping[str, Any], Cloud], str]) -> EventHandler:
    """Return the Lambda handler of an event handler. The result is one sentence, which is logged and returned."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, str]:
        answer = run(event, _cloud)
        logger.info("event handled", extra={"event_id": event.get("id"), "answer": answer})
        return {"answer": answer}

    return handler


QueueHandler = Callable[[Mapping[str, Any], object], Mapping[str, Any]]


def queue_handler(run: Callable[[Mapping[str, Any], Cloud], bool]) -> QueueHandler:
    """Return the Lambda handler of a queue's messages. Those that are not done are reported and delivered again.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
    """

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, Any]:
        messages = event["Records"]
        again = [message["messageId"] for message in messages if not run(message, _cloud)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    return handler


HttpHandler = Callable[[Mapping[str, Any], object], Mapping[str, object]]


def http_handler(run: Callable[[HttpRequest, Cloud], HttpResponse]) -> HttpHandler:
    """Return the Lambda handler of requests from outside, through API Gateway. What they contain is not logged."""

    def handler(event: Mapping[str, Any], _context: object) -> Mapping[str, object]:
        try:
            request = read_request(event)
        except BodyRefused as refused:
            return proxy_response(HttpResponse(413, str(refused), "text/plain; charset=utf-8"))
        response = run(request, _cloud)
        logger.info("request answered", extra={"method": request.method, "status": response.status})
        return proxy_response(response)

    return handler
