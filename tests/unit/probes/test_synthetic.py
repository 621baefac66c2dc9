"""What an answer to a step of a synthetic flow proves."""

import pytest

from orchestrator.domain.errors import Unreachable
from orchestrator.domain.observation import Answer
from orchestrator.probes.synthetic import Broken, refuse_unexpected

CONFLICT = Answer(409, {}, '{"error": "login_ended"}', 3.0)


def test_what_was_expected_is_taken_however_often_it_was_sent():
    assert refuse_unexpected(Answer(200, {}, "", 3.0, sent=2), 200).status == 200


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (CONFLICT, "answered 409 login_ended instead of 200"),
        (Answer(502, {}, "", 3.0, unhandled="KeyError"), "raised KeyError"),
    ],
)
def test_anything_else_breaks_the_flow(answer, why):
    with pytest.raises(Broken, match=f"^{why}$"):
        refuse_unexpected(answer, 200)


def test_a_step_that_was_sent_twice_and_refused_the_second_time_proves_nothing():
    """A lost answer is sent for again by the client: the first may have been taken, and the second rightly refused for that."""
    with pytest.raises(Unreachable, match="409 login_ended instead of 200, but was sent 2 times"):
        refuse_unexpected(Answer(409, {}, '{"error": "login_ended"}', 3.0, sent=2), 200)
