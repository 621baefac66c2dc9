"""What could not be read is skipped, with the reason, and never passes."""

from orchestrator.domain.doctor import result
from orchestrator.domain.doctor.result import Level, Named


def test_a_denied_reading_names_the_action_and_is_no_pass():
    found = result.denied("sns:ListSubscriptionsByTopic")
    assert (found.level, found.unreachable) == (Level.SKIPPED, False)
    assert "sns:ListSubscriptionsByTopic" in found.reason
    assert "sns:ListSubscriptionsByTopic" in found.remedy


def test_an_unanswered_reading_makes_the_results_incomplete():
    unread, fine = Named("a", result.unread("no answer")), Named("b", result.passed("fine"))
    assert unread.result.level is Level.SKIPPED
    assert result.is_incomplete([fine, unread])
    assert not result.is_incomplete([fine, Named("c", result.skipped("not here"))])


def test_one_failure_fails_the_environment():
    failed, warned = Named("a", result.failed("x", "do y")), Named("b", result.warned("x", "do y"))
    assert result.has_failed([warned, failed])
    assert not result.has_failed([warned, Named("c", result.denied("a:B")), Named("d", result.passed("x"))])
