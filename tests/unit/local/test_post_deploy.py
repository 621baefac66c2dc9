"""The mail identity of a lost region does not stop a deployment in another one."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from orchestrator.local import post_deploy

ENVIRON = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-2",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}


class AlreadyExists(ClientError):
    """The identity is there."""


def answer(status, kind=ClientError):
    return kind({"Error": {"Code": "any"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "CreateEmailIdentity")


def verify(monkeypatch, error):
    requests = []

    def create_email_identity(EmailIdentity):  # noqa: N803 - the parameter of AWS
        requests.append(EmailIdentity)
        if error:
            raise error

    ses = SimpleNamespace(
        create_email_identity=create_email_identity,
        exceptions=SimpleNamespace(AlreadyExistsException=AlreadyExists),
    )
    monkeypatch.setattr(post_deploy, "_session", lambda _: SimpleNamespace(client=lambda *_, **__: ses))
    post_deploy.verify_identity("example.com", "us-west-1", ENVIRON)
    return requests


@pytest.mark.parametrize("error", [None, answer(400, AlreadyExists), answer(503)], ids=["new", "there", "lost region"])
def test_an_identity_that_is_new_or_there_or_in_a_lost_region_stops_nothing(monkeypatch, error):
    assert verify(monkeypatch, error) == ["example.com"]


def test_another_answer_stops_the_deployment(monkeypatch):
    with pytest.raises(ClientError):
        verify(monkeypatch, answer(400))
