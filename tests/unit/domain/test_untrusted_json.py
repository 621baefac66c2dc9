"""JSON of another system: whatever it is, it is decoded or it is no JSON."""

import pytest

from orchestrator.domain.texts import SHOWN_CHARACTERS
from orchestrator.domain.untrusted_json import TOO_DEEP, decode_untrusted, problem_of, quoted, text_of

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


def problem(read) -> str:
    try:
        read()
    except Exception as error:  # noqa: BLE001 - each kind has its sentence
        return problem_of(error)
    raise AssertionError("nothing was raised")


OTHER = "a field is missing, is unknown, or has a value of another type"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: {}["keys"], "it has no field 'keys'"),
        (lambda: {}["\x1b[1A"], r"it has no field '\x1b[1A'"),
        (lambda: [][0:1]["keys"], OTHER),
        (lambda: None.keys, OTHER),
        (lambda: decode_untrusted("{"), "it is no JSON (Expecting property name"),
        (lambda: decode_untrusted(b"\xff"), "it is no JSON, because it is not UTF-8"),
        (lambda: decode_untrusted("[" * DEEP), TOO_DEEP),
        (lambda: int("three"), "invalid literal for int() with base 10: 'three'"),
    ],
)
def test_a_reader_s_error_is_said_in_words(read, said):
    assert problem(read).startswith(said)


def test_the_other_errors_of_a_reader_have_words_too():
    assert problem_of(KeyError()) == OTHER
    assert problem_of(RecursionError("maximum recursion depth exceeded")) == TOO_DEEP
    assert len(problem_of(ValueError("x" * 1000))) == SHOWN_CHARACTERS
