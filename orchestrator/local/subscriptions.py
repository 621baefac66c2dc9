"""Subscribers of the local cloud's status page: the endpoint, and the queue that `status-page serve` works on.

The functions' own code runs in this process, over the local DynamoDB, SQS, SES and Secrets Manager: the local cloud has no
CloudFront, so the page's stack is not deployed there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.application.cloud import Cloud
from orchestrator.application.subscribers.endpoint import respond
from orchestrator.application.subscribers.fan_out import fan_out
from orchestrator.application.subscribers.queue import receive_message
from orchestrator.aws.clients import error_code
from orchestrator.domain.http_messages import HttpRequest, HttpResponse
from orchestrator.domain.mail.settings import MailSettings, encode_mail
from orchestrator.domain.names import resource_name
from orchestrator.local.deployed_environment import ENVIRONMENT

TABLE, KEY = (resource_name(name, ENVIRONMENT) for name in ("subscribers", "status-link-key"))
_QUEUE, _DEAD_LETTERS = (
    resource_name(name, ENVIRONMENT) for name in ("subscriber-messages", "subscriber-dead-letters")
)
_EXISTS = frozenset({"ResourceInUseException", "ResourceExistsException", "AlreadyExistsException"})


class LocalSubscriptions:
    """The endpoint and the queue.

    Args:
        settings: of the environment's cloud.
        clients: the local cloud's clients.
        sender: who sends e-mail to subscribers.
    """

    def __init__(self, settings: Mapping[str, str], clients: Callable[[str], Any], sender: MailSettings) -> None:
        self._sqs = clients("sqs")
        key = _create(clients, sender)
        self._queue = self._sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        own = {
            "SUBSCRIBERS_TABLE": TABLE,
            "LINK_KEY": key,
            "NOTIFICATION_QUEUE": self._queue,
            "NOTIFICATION_DEAD_LETTERS": self._sqs.create_queue(QueueName=_DEAD_LETTERS)["QueueUrl"],
            "MAIL": encode_mail(sender),
        }
        self._settings, self._clients = {**settings, **own}, clients

    def respond(self, request: HttpRequest, address: str) -> HttpResponse:
        """Answer a request to the endpoint of the page at an address."""
        return respond(request, self._cloud(address))

    def work(self, announcements: bytes, address: str) -> int:
        """Put what is new into the queue, and work on every message that is visible; return how many.

        Args:
            announcements: the page's file of announcements.
            address: of the page, without a trailing slash.
        """
        cloud, worked = self._cloud(address), 0
        fan_out(announcements, cloud)
        while found := self._receive():
            for message in found:
                record = {
                    "body": message["Body"],
                    "receiptHandle": message["ReceiptHandle"],
                    "attributes": message["Attributes"],
                }
                if receive_message(record, cloud):
                    self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                worked += 1
        return worked

    def _cloud(self, address: str) -> Cloud:
        return Cloud({**self._settings, "STATUS_ADDRESS": address}, clients=self._clients)

    def _receive(self) -> list[Mapping[str, Any]]:
        wanted = ["ApproximateReceiveCount", "SentTimestamp"]
        answer = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=0, AttributeNames=wanted, VisibilityTimeout=60
        )
        return list(answer.get("Messages", []))


def _create(clients: Callable[[str], Any], sender: MailSettings) -> str:
    """Create the table, the key and the identity where they are missing; return the key's ARN."""
    key = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    texts = [{"AttributeName": one["AttributeName"], "AttributeType": "S"} for one in key]
    with _unless_it_exists():
        clients("dynamodb").create_table(
            TableName=TABLE, KeySchema=key, AttributeDefinitions=texts, BillingMode="PAY_PER_REQUEST"
        )
    with _unless_it_exists():
        clients("sesv2").create_email_identity(EmailIdentity=sender.identity)
    store = clients("secretsmanager")
    with _unless_it_exists():
        store.create_secret(Name=KEY, SecretString=secrets.token_urlsafe(48))
    return str(store.describe_secret(SecretId=KEY)["ARN"])


@contextmanager
def _unless_it_exists() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) not in _EXISTS:
            raise
