"""MiniStack's errors in AWS's words."""

import pytest

from orchestrator.local.emulator.error_messages import reword


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("ExecutionDoesNotExist", "Execution arn:x not found", "Execution Does Not Exist: 'arn:x'"),
        (
            "StateMachineAlreadyExists",
            "State machine one already exists",
            "State Machine Already Exists: 'arn:aws:states:us-west-1:1:stateMachine:one'",
        ),
        ("ResourceNotFoundException", "Event bus one not found", "Event bus one does not exist."),
        ("AnotherCode", "Event bus one not found", "Event bus one not found"),
        ("ResourceNotFoundException", "Another message", "Another message"),
    ],
)
def test_a_known_message_is_reworded_and_any_other_kept(code, message, words):
    assert reword(code, message, region="us-west-1", account="1") == words
