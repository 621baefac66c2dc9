from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from orchestrator.aws.lambda_.aliases import READ_AGAIN_SECONDS
from orchestrator.aws.lambda_.versions import Versions
from orchestrator.domain.errors import Refused, Throttled
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted

TOKEN = "ib-oauth-token-test"


@pytest.mark.parametrize(("version", "exists"), [("1", True), ("2", False), ("26", False)])
def test_a_version_exists_or_does_not(lambdas, version, exists):
    assert Versions(lambdas, sleep=lambda _seconds: None).version_exists(TOKEN, version) is exists


@pytest.mark.parametrize("read", ["version_exists", "describe_version"])
@pytest.mark.parametrize(("misses", "exists"), [(1, True), (2, False)])
def test_a_version_that_is_not_there_at_the_first_read_is_read_once_more(lambdas, misses, exists, read):
    answers, pauses = [client_error("ResourceNotFoundException")] * misses, []

    def lag(_operation, _arguments, call):
        if answers:
            raise answers.pop()
        return call()

    versions = Versions(Intercepted(lambdas, lag), sleep=pauses.append)
    if read == "version_exists":
        assert versions.version_exists(TOKEN, "1") is exists
    elif exists:
        assert versions.describe_version(TOKEN, "1").version == "1"
    else:
        with pytest.raises(Refused, match="deploy the service stack first"):
            versions.describe_version(TOKEN, "1")
    assert pauses == [READ_AGAIN_SECONDS]


@pytest.mark.parametrize(("code", "raised"), [("TooManyRequestsException", Throttled), ("AccessDenied", ClientError)])
def test_a_version_that_could_not_be_read_is_not_taken_for_missing(lambdas, code, raised):
    def refuse(_operation, _arguments, _call):
        raise client_error(code)

    with pytest.raises(raised):
        Versions(Intercepted(lambdas, refuse)).version_exists(TOKEN, "1")
