"""JSON of another system: whatever it is, it is decoded or it is no JSON."""

import pytest

from orchestrator.domain.texts import SHOWN_CHARACTERS
from orchestrator.domain.untrusted_json import TOO_DEEP, decode_untrusted, quoted, text_of

DEEP = 100_000


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff", "[" * DEEP, b"[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP, "9" * DEEP]
)
def test_whatever_is_no_json_or_too_deep_for_us_is_a_value_error(content):
    with pytest.raises(ValueError):  # noqa: PT011 - the messages are Python's
        decode_untrusted(content)


def test_json_is_decoded():
    assert decode_untrusted(b'{"a": [1, "b"]}') == {"a": [1, "b"]}


def test_a_value_is_written_and_quoted_at_any_depth():
    nested: list[object] = []
    for _ in range(DEEP):
        nested = [nested]
    assert (text_of("a"), text_of([1]), text_of(nested)) == ("a", "[1]", TOO_DEEP)
    assert (quoted("\ud800"), quoted(nested)) == (r"'\ud800'", TOO_DEEP)
    assert len(quoted("a" * 1000)) == SHOWN_CHARACTERS
