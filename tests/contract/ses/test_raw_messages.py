"""Raw messages of SES v2.

https://docs.aws.amazon.com/ses/latest/dg/send-email-raw.html
"""

import base64
import json
import urllib.request
from email import message_from_bytes
from email.policy import default

import pytest
from botocore.exceptions import ClientError

RAW = (
    b"From: status@mail.example.com\r\nTo: reader@example.org\r\nSubject: It is broken\r\n"
    b"List-Unsubscribe: <https://status.example.com/unsubscribe?token=x>\r\n\r\nThe text.\r\n"
)


def send(cloud, sender="status@mail.example.com"):
    return cloud.client("sesv2").send_email(
        FromEmailAddress=sender, Destination={"ToAddresses": ["reader@example.org"]}, Content={"Raw": {"Data": RAW}}
    )["MessageId"]


def test_a_raw_message_keeps_its_headers(cloud):
    cloud.client("sesv2").create_email_identity(EmailIdentity="mail.example.com")
    message_id = send(cloud)
    with urllib.request.urlopen(f"{cloud.endpoint_url}/_ministack/ses/messages", timeout=10) as answer:
        listed = json.loads(answer.read())["messages"]
    (sent,) = [one for messages in listed.values() for one in messages if one["MessageId"] == message_id]
    message = message_from_bytes(base64.b64decode(sent["Raw"]), policy=default)
    assert message["List-Unsubscribe"] == "<https://status.example.com/unsubscribe?token=x>"
    assert message.get_content().strip() == "The text."


@pytest.mark.both
def test_an_address_of_no_verified_identity_may_not_send(cloud):
    with pytest.raises(ClientError) as refused:
        send(cloud, "status@unverified.example.org")
    assert refused.value.response["Error"]["Code"] == "MessageRejected"
