from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orchestrator.aws.lambda_.aliases import READ_AGAIN_SECONDS, Alias, Aliases, Routing, owner_tag
from orchestrator.domain.errors import AliasConflict, LockLost, Throttled, Unreachable
from tests.fakes.errors import client_error
from tests.fakes.intercepted import Intercepted

TOKEN = "ib-oauth-token-test"
SIGNATURE = owner_tag(3, "d-1")


def holds_the_lock():
    return None


def lost_the_lock():
    raise LockLost("fencing token 3 lost the environment lock")


@pytest.fixture
def aliases(lambdas):
    lambdas.change(TOKEN, "code-2")
    lambdas.publish_version(FunctionName=TOKEN)
    lambdas.calls.clear()
    return Aliases(lambdas, "live", sleep=lambda _seconds: None)


def around(lambdas, **special):
    """The adapter with some operations in a test's hands: operation -> f(arguments, call)."""

    def intercept(operation, arguments, call):
        return special[operation](arguments, call) if operation in special else call()

    return Aliases(Intercepted(lambdas, intercept), "live", sleep=lambda _seconds: None)


def test_an_alias_is_read_with_its_revision_and_without_a_mark_at_first(aliases):
    assert aliases.read_alias(TOKEN) == Alias(Routing("1"), aliases.read_alias(TOKEN).revision, "")


def test_a_weight_is_read_in_whole_percent(aliases, lambdas):
    for percent in range(1, 100):
        weights = {"2": percent / 100}
        lambdas.update_alias(FunctionName=TOKEN, Name="live", RoutingConfig={"AdditionalVersionWeights": weights})
        assert aliases.read_alias(TOKEN).routing == Routing("1", "2", percent)


def test_an_alias_that_is_not_there_is_reported_as_a_conflict(aliases):
    with pytest.raises(AliasConflict, match="not found"):
        aliases.read_alias("ib-oauth-nothing-test")


def test_a_write_sets_everything_signs_it_and_reads_it_back(aliases, lambdas):
    revision = aliases.read_alias(TOKEN).revision
    lambdas.calls.clear()
    written = aliases.write_alias(TOKEN, Routing("1", "2", 10), SIGNATURE, holds_the_lock, revision)
    assert written == aliases.read_alias(TOKEN)
    assert (written.routing, written.owner_tag) == (Routing("1", "2", 10), "fencing_token=3 deployment=d-1")
    assert lambdas.calls[:2] == [("update_alias", TOKEN), ("get_alias", TOKEN)]


def test_a_write_without_canary_takes_the_weights_off(aliases, lambdas):
    weighted = aliases.write_alias(
        TOKEN, Routing("1", "2", 10), SIGNATURE, holds_the_lock, aliases.read_alias(TOKEN).revision
    )
    aliases.write_alias(TOKEN, Routing("2"), SIGNATURE, holds_the_lock, weighted.revision)
    assert lambdas.routing(TOKEN) == ("2", {})


def test_nothing_is_written_once_the_lock_is_lost(aliases, lambdas):
    revision = aliases.read_alias(TOKEN).revision
    lambdas.log.clear()
    with pytest.raises(LockLost):
        aliases.write_alias(TOKEN, Routing("2"), SIGNATURE, lost_the_lock, revision)
    assert lambdas.log == []


def test_a_stale_revision_writes_nothing_and_is_a_conflict_while_the_lock_is_ours(aliases, lambdas):
    old = aliases.read_alias(TOKEN).revision
    aliases.write_alias(TOKEN, Routing("1", "2", 10), owner_tag(2, "d-0"), holds_the_lock, old)
    with pytest.raises(
        AliasConflict, match=r"weight_percent=10\) by fencing_token=2 deployment=d-0, and should be Routing"
    ):
        aliases.write_alias(TOKEN, Routing("2"), SIGNATURE, holds_the_lock, old)
    assert lambdas.routing(TOKEN) == ("1", {"2": 0.1})


def test_a_stale_revision_is_a_lost_lock_where_another_execution_took_it(aliases):
    old = aliases.read_alias(TOKEN).revision
    aliases.write_alias(TOKEN, Routing("1"), owner_tag(4, "d-1"), holds_the_lock, old)
    answers = iter([holds_the_lock, lost_the_lock])

    def check():
        next(answers)()

    with pytest.raises(LockLost):
        aliases.write_alias(TOKEN, Routing("2"), SIGNATURE, check, old)


def test_a_write_whose_response_was_lost_is_recognised_by_its_mark_when_the_client_tries_again(aliases, lambdas):
    def answered_late(_arguments, call):
        call()
        return call()  # the client's own retry: the same revision, which the first try has used up

    retrying = around(lambdas, update_alias=answered_late)
    written = retrying.write_alias(
        TOKEN, Routing("1", "2", 10), SIGNATURE, holds_the_lock, aliases.read_alias(TOKEN).revision
    )
    assert (written.routing, written.owner_tag) == (Routing("1", "2", 10), SIGNATURE)


def test_the_same_routing_by_another_hand_is_no_lost_response_of_ours(aliases):
    old = aliases.read_alias(TOKEN).revision
    aliases.write_alias(TOKEN, Routing("1"), owner_tag(2, "d-0"), holds_the_lock, old)
    with pytest.raises(AliasConflict):
        aliases.write_alias(TOKEN, Routing("1"), SIGNATURE, holds_the_lock, old)


def test_an_alias_that_reads_back_otherwise_is_a_conflict(aliases, lambdas):
    def overruled(_arguments, call):
        call()
        return lambdas.update_alias(FunctionName=TOKEN, Name="live", FunctionVersion="1", RoutingConfig={})

    with pytest.raises(AliasConflict, match="and should be Routing"):
        around(lambdas, update_alias=overruled).write_alias(
            TOKEN, Routing("2"), SIGNATURE, holds_the_lock, aliases.read_alias(TOKEN).revision
        )


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (client_error("TooManyRequestsException"), Throttled),
        (client_error("ResourceNotFoundException"), AliasConflict),
        (client_error("InvalidParameterValueException"), ClientError),
        (EndpointConnectionError(endpoint_url="https://lambda.invalid"), Unreachable),
    ],
)
def test_a_failed_update_is_reported_by_its_kind(aliases, lambdas, error, raised):
    def fail(_arguments, _call):
        raise error

    with pytest.raises(raised):
        around(lambdas, update_alias=fail).write_alias(
            TOKEN, Routing("2"), SIGNATURE, holds_the_lock, aliases.read_alias(TOKEN).revision
        )


def first(times, response):
    """Return an interceptor that gives another response to the first calls."""
    left = [times]

    def intercept(_arguments, call):
        if not left[0]:
            return call()
        left[0] -= 1
        if isinstance(response, Exception):
            raise response
        return response

    return intercept


GONE = client_error("ResourceNotFoundException", "Alias not found")


def test_an_alias_that_is_not_there_at_the_first_read_is_read_once_more(aliases, lambdas):
    pauses = []
    reading = Aliases(
        Intercepted(lambdas, lambda operation, arguments, call: not_there(arguments, call)), "live", sleep=pauses.append
    )
    not_there = first(1, GONE)
    assert reading.read_alias(TOKEN) == aliases.read_alias(TOKEN)
    assert pauses == [READ_AGAIN_SECONDS]


def test_an_alias_that_is_not_there_twice_does_not_exist(lambdas):
    with pytest.raises(AliasConflict):
        around(lambdas, get_alias=first(2, GONE)).read_alias(TOKEN)


@pytest.mark.parametrize("answer", ["gone", "old"])
def test_our_own_write_that_the_read_does_not_see_yet_is_no_other_s_move(aliases, lambdas, answer):
    before = lambdas.get_alias(FunctionName=TOKEN, Name="live")
    late = around(lambdas, get_alias=first(1, GONE if answer == "gone" else before))
    written = late.write_alias(TOKEN, Routing("1", "2", 10), SIGNATURE, holds_the_lock, before["RevisionId"])
    assert (written.routing, written.owner_tag) == (Routing("1", "2", 10), SIGNATURE)
    assert written.revision != before["RevisionId"]


@pytest.mark.parametrize("answer", ["gone", "old"])
def test_what_two_reads_say_is_believed(lambdas, answer):
    before = lambdas.get_alias(FunctionName=TOKEN, Name="live")
    late = around(lambdas, get_alias=first(2, GONE if answer == "gone" else before))
    with pytest.raises(AliasConflict):
        late.write_alias(TOKEN, Routing("1", "2", 10), SIGNATURE, holds_the_lock, before["RevisionId"])
