"""The limits of PutEvents and PutTargets that the local cloud enforces, at their edges."""

import pytest

from orchestrator.local.emulator.eventbridge.requests import entry_bytes, entry_error, target_error

EVENT = {"Source": "a", "DetailType": "b", "Detail": "{}"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"Source": ""}, "InvalidArgument"),
        ({"DetailType": None}, "InvalidArgument"),
        ({"Detail": ""}, "InvalidArgument"),
        ({"Detail": "[]"}, "MalformedDetail"),
        ({"Detail": "{"}, "MalformedDetail"),
    ],
)
def test_an_entry_fails_by_itself(change, code):
    error = entry_error(EVENT | change)
    assert (error and error[0]) == code


def test_an_entry_is_as_large_as_its_texts_in_utf_8_and_its_time():
    assert entry_bytes({"Source": "ä", "DetailType": "b", "Detail": "{}", "Resources": ["xyz"], "Time": 1}) == 22


@pytest.mark.parametrize(
    ("identities", "existing", "code"),
    [
        (["x" * 64], set(), None),
        (["x" * 65], set(), "ValidationException"),
        (["a b"], set(), "ValidationException"),
        ([""], set(), "ValidationException"),
        (list("abcde"), set(), None),
        (["e"], set("abcd"), None),
        (["e"], set("abcde"), None),
        (["f"], set("abcde"), "LimitExceededException"),
    ],
)
def test_a_rule_has_at_most_five_targets_with_valid_ids(identities, existing, code):
    error = target_error([{"Id": identity} for identity in identities], existing)
    assert (error and error[0]) == code
