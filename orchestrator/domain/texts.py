"""Numbers and long values in messages: two significant digits, and no more text than a reader needs."""

from __future__ import annotations

import re
from datetime import timedelta

SHOWN_CHARACTERS = 200
"""The most characters of a value that a message quotes. A message must fit into every record that carries it."""

MAX_NAME, MAX_REFERENCE, MAX_REASON = 256, 4096, 1024
"""The most characters of a requester or an id, of a checklist item's reference, and of a reason.

A request of the largest values stays far below 256 KB, the limit of Step Functions and of EventBridge, and its record
below 400 KB, the limit of a DynamoDB item.
"""

MAX_ARN = 2048
"""The most characters of an ARN of IAM."""

MAX_CHANGELOG = 1500
"""The most characters of a changelog entry for clients. Slack shows at most 2000 characters of one field."""

NOT_MEASURED = "not measured"

_DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?:[eE][+-]?\d+)?(?!\w|\.\d)")
_STAMP = re.compile(r" \(\d{2}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}\)")
_MINIMUM = re.compile(r"\s*\(minimum \d+ datapoints? for [^)]* transition\)")


def shortened(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a text with at most `limit` characters; a longer one ends with its length."""
    if len(text) <= limit:
        return text
    note = f"… ({len(text)} characters)"
    return text[: limit - len(note)] + note


def two_digits(value: float) -> str:
    """Return a number with two significant digits, without an exponent: 16.67 is ``17``, 0.0312 is ``0.031``."""
    return f"{float(f'{value:.2g}'):.10f}".rstrip("0").rstrip(".")


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent, with two significant digits."""
    return f"{two_digits(100 * share)} %"


def measured_seconds(length: timedelta | float | None) -> str:
    """Return a duration in whole seconds, such as ``22 s``; `NOT_MEASURED` without one. A number is in seconds."""
    if length is None:
        return NOT_MEASURED
    return f"{length.total_seconds() if isinstance(length, timedelta) else length:.0f} s"


def alarm_reason(reason: str) -> str:
    """Return CloudWatch's reason of an alarm's state without time stamps and with two significant digits.

    CloudWatch writes ``Threshold Crossed: 1 out of the last 1 datapoints [16.666666666666668 (28/11/26 20:13:50)] was
    greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition).``
    """
    plain = _MINIMUM.sub("", _STAMP.sub("", reason)).removeprefix("Threshold Crossed: ")
    return _DECIMAL.sub(lambda number: two_digits(float(number.group())), plain).strip().rstrip(".")
