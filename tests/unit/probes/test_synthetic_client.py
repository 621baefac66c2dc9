"""What a response to a step of a synthetic flow proves."""

import pytest

from orchestrator.domain.analysis.observations import HttpResponse
from orchestrator.domain.errors import Unreachable
from orchestrator.probes.synthetic_client import FlowFailed, refuse_unexpected

CONFLICT = HttpResponse(409, {}, '{"error": "login_ended"}', 3.0)


def test_what_was_expected_is_taken_however_often_it_was_sent():
    assert refuse_unexpected(HttpResponse(200, {}, "", 3.0, attempts=2), 200).status == 200


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (CONFLICT, "returned 409 login_ended instead of 200"),
        (HttpResponse(502, {}, "", 3.0, unhandled="KeyError"), "raised KeyError"),
    ],
)
def test_anything_else_breaks_the_flow(response, problem):
    with pytest.raises(FlowFailed, match=f"^{problem}$"):
        refuse_unexpected(response, 200)


def test_a_step_that_was_sent_twice_and_refused_the_second_time_proves_nothing():
    """The client retries a lost response: if the first attempt succeeded, the second is rightly refused."""
    with pytest.raises(Unreachable, match="409 login_ended instead of 200, but was sent 2 times"):
        refuse_unexpected(HttpResponse(409, {}, '{"error": "login_ended"}', 3.0, attempts=2), 200)
