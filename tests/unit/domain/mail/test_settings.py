"""The sender of e-mail: an address of a verified identity."""

from __future__ import annotations

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.mail.settings import decode_mail, encode_mail, is_of_identity, read_mail
from orchestrator.domain.schema import SettingsReader

ARN = "arn:aws:ses:eu-central-1:123456789012:identity/example.com"
GOOD = {"sender": "status@example.com", "identity_arn": ARN, "name": "Example status"}


def read(**changes):
    table = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return read_mail(SettingsReader("prod", {"mail": table}))


def test_a_sender_is_read_and_can_be_passed_to_a_function():
    mail = read()
    assert (mail.sender, mail.name, mail.region, mail.identity) == (
        "status@example.com",
        "Example status",
        "eu-central-1",
        "example.com",
    )
    assert decode_mail(encode_mail(mail)) == mail
    nameless = read(name=None)
    assert decode_mail(encode_mail(nameless)) == nameless


def test_without_the_table_there_is_no_sender():
    assert read_mail(SettingsReader("prod", {})) is None
    assert decode_mail(encode_mail(None)) is None


@pytest.mark.parametrize(
    ("address", "identity", "is_of"),
    [
        ("status@example.com", "example.com", True),
        ("status@mail.example.com", "example.com", True),
        ("status@example.com", "status@example.com", True),
        ("other@example.com", "status@example.com", False),
        ("status@notexample.com", "example.com", False),
        ("status@example.com", "mail.example.com", False),
    ],
)
def test_an_identity_sends_for_itself_and_what_is_below_its_domain(address, identity, is_of):
    assert is_of_identity(address, identity) is is_of


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sender": "Status <status@example.com>"}, "prod.mail.sender: 'Status <status@example.com>' is refused: give an e-mail address"),
        ({"sender": "status@other.com"}, "prod.mail.sender: 'status@other.com' is refused: give an address of the identity example.com"),
        ({"identity_arn": "example.com"}, "prod.mail.identity_arn: 'example.com' is refused: give the ARN of a verified identity"),
        ({"name": "a\nBcc: x@example.com"}, "prod.mail.name"),
        ({"from": "x"}, "prod.mail.from: 'x' is refused: remove it"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_its_field_value_and_remedy(changes, said):
    with pytest.raises(Refused) as refused:
        read(**changes)
    assert said in str(refused.value)
