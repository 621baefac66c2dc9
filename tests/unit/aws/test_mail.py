"""What SES answers, and what follows from it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from orchestrator.aws.mail import Mailer
from orchestrator.domain.mail.message import Mail
from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.notifications.providers.requests import Result
from tests.fakes.errors import client_error
from tests.samples import NOW

SENDER = MailSettings("status@example.com", "arn:aws:ses:eu-central-1:123456789012:identity/example.com")
MAIL = Mail(("reader@example.org",), "It is broken", "The text.", NOW)


class Ses:
    """SES v2 of one region: every message, or an error."""

    def __init__(self, error=None):
        self.sent, self.error = [], error

    def send_email(self, **sent):
        if self.error:
            raise self.error
        self.sent.append(sent)
        return {"MessageId": "0100"}


def send(ses):
    return Mailer(lambda region: {"eu-central-1": ses}[region], SENDER).send(MAIL)


def test_a_message_goes_to_the_region_of_the_identity_as_a_raw_message():
    ses = Ses()
    answer = send(ses)
    assert (answer.result, answer.text) == (Result.DELIVERED, "SES: 0100")
    (sent,) = ses.sent
    assert sent["FromEmailAddress"] == "status@example.com"
    assert sent["Destination"] == {"ToAddresses": ["reader@example.org"]}
    assert b"Subject: It is broken" in sent["Content"]["Raw"]["Data"]


@pytest.mark.parametrize(
    ("error", "result", "text"),
    [
        (client_error("TooManyRequestsException"), Result.FAILED, "SES: Throttled"),
        (client_error("LimitExceededException"), Result.FAILED, "SES: Throttled"),
        (client_error("InternalFailure", status=500), Result.FAILED, "SES: Unreachable"),
        (ReadTimeoutError(endpoint_url="https://x"), Result.FAILED, "SES: Unreachable"),
        (client_error("MessageRejected", "reader@example.org"), Result.REFUSED, "SES: MessageRejected"),
        (client_error("MailFromDomainNotVerifiedException"), Result.REFUSED, "SES: MailFromDomainNotVerifiedException"),
        (client_error("AccessDeniedException"), Result.REFUSED, "SES: AccessDeniedException"),
    ],
)
def test_what_a_later_attempt_may_repair_is_a_failure_and_the_rest_is_refused(error, result, text):
    answer = send(Ses(error))
    assert answer.result is result
    assert text in answer.text
    assert "reader@example.org" not in answer.text
