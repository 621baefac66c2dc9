"""The keys of evidence: all are published, the newest signs, and one that does not exist says what to do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.ledger.evidence_keys import EvidenceKeys
from orchestrator.domain.errors import Refused
from orchestrator.domain.evidence.es256 import verifies
from orchestrator.environments.evidence import key_alias
from tests.fakes.errors import client_error
from tests.fakes.oauth_service import Keys


class Failing:
    """A KMS client that fails."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_public_key(self, *, KeyId: str) -> None:  # noqa: N803 - botocore's
        raise client_error(self._code, KeyId)


def test_all_keys_are_published_and_the_newest_signs():
    keys = EvidenceKeys(Keys(), ["one", "two"], "test")

    signature = keys.sign(b"entry")

    first, second = keys.published.keys
    assert keys.signing_kid == second.kid != first.kid
    assert verifies(second, b"entry", signature)
    assert not verifies(first, b"entry", signature)


def test_a_key_that_does_not_exist_says_what_to_do():
    with pytest.raises(Refused, match="deploy the orchestrator's stack"):
        EvidenceKeys(Failing("NotFoundException"), [key_alias(1, "test")], "test").published  # noqa: B018


def test_a_key_that_may_not_be_read_is_another_failure():
    with pytest.raises(ClientError, match="AccessDenied"):
        EvidenceKeys(Failing("AccessDeniedException"), ["one"], "test").published  # noqa: B018
