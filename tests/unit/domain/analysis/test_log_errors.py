"""What is an error in the log, and of which kind."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.analysis import log_errors
from orchestrator.domain.analysis.log_errors import LoggedError
from orchestrator.domain.analysis.observations import LogLine
from tests.samples import NOW

STREAM = "2026/11/23/[7]0123456789abcdef"


def error(message, stream=STREAM):
    return log_errors.parse_log_error(LogLine(NOW, stream, message))


@pytest.mark.strategy("Post-deployment Verification: Log inspection")
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("START RequestId: x", None),
        ("{not json", None),
        (json.dumps({"level": "INFO", "message": "request"}), None),
        (json.dumps({"level": "ERROR", "error": "ValueError"}), LoggedError(NOW, "7", "ValueError")),
        (json.dumps({"level": "ERROR", "version": "9", "error": "E", "message": "m"}), LoggedError(NOW, "9", "E: m")),
        (
            json.dumps({"level": "ERROR", "error": "E", "cause": "F", "message": "m"}),
            LoggedError(NOW, "7", "E from F: m"),
        ),
        (json.dumps({"level": "FATAL", "errorType": "E", "errorMessage": "m"}), LoggedError(NOW, "7", "E: m")),
        (json.dumps({"level": "CRITICAL", "exception_name": "E"}), LoggedError(NOW, "7", "E")),
        (json.dumps({"level": "ERROR", "message": "m"}), LoggedError(NOW, "7", "ERROR: m")),
        ("[ERROR] KeyError: 'sub'\nTraceback", LoggedError(NOW, "7", "KeyError: *")),
        ("[ERROR] Runtime.ImportModuleError", LoggedError(NOW, "7", "Runtime.ImportModuleError")),
        ("2026-11-23 x Task timed out after 3.00 seconds", LoggedError(NOW, "7", "Task timed out")),
    ],
)
def test_errors_are_read_from_our_lines_and_from_lambda_s(message, expected):
    assert error(message) == expected


def test_a_stream_without_a_version_names_none():
    assert error("[ERROR] E: m", stream="other") == LoggedError(NOW, "", "E: m")


def test_what_differs_between_occurrences_does_not_make_another_kind():
    one = error("[ERROR] E: request 0b1c2d3e-1111-2222-3333-444455556666 took 31.5 ms at 0x7f00 of 'ada'")
    other = error("[ERROR] E: request 1a2b3c4d-aaaa-bbbb-cccc-ddddeeeeffff took 8 ms at 0xdead of 'grace'")
    assert one == other
    assert one.kind == "E: request * took * ms at * of *"


def test_a_kind_is_short_whatever_the_error_is_called():
    """Kinds are part of the deployment's record, which is limited to 400 KB."""
    found = error(json.dumps({"level": "ERROR", "error": "E" * 1000, "message": "m! " * 1000}))
    assert len(found.kind) <= log_errors.ERROR_LIMIT_CHARACTERS + log_errors.MESSAGE_LIMIT_CHARACTERS + 2


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"error": "E", "message": "\ud800"}, r"E: \ud800"),
        ({"error": "\udfff", "cause": "\ud800"}, r"\udfff from \ud800"),
        ({"error": "E", "message": "one\x1b[2J\ntwo"}, r"E: one\x1b[*J\ntwo"),
        ({"error": ["\ud800"]}, r"['\ud800']"),
    ],
)
def test_an_error_counts_and_can_be_stored_whatever_it_says(entry, kind):
    found = error(json.dumps({"level": "ERROR", **entry}))
    assert found.kind == kind
    assert found.kind.encode()


def test_a_plain_error_can_be_stored_whatever_it_says():
    assert error("[ERROR] E: \ud800").kind == r"E: \ud800"


@pytest.mark.parametrize("line", ['{"level": ' + "[" * 100_000, '{"level": ["ERROR"]}', '{"level": {}}'])
def test_a_line_without_a_readable_level_is_no_error(line):
    assert error(line) is None


def test_kinds_are_counted_by_version():
    lines = [
        LoggedError(NOW, "1", "A"),
        LoggedError(NOW, "2", "B"),
        LoggedError(NOW, "2", "B"),
        LoggedError(NOW, "2", "A"),
    ]
    assert log_errors.count_by_kind(lines, "2") == {"B": 2, "A": 1}
