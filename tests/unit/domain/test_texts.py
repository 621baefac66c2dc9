from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.texts import (
    NOT_MEASURED,
    SHOWN_CHARACTERS,
    alarm_reason,
    measured_seconds,
    percent,
    shortened,
    two_digits,
)


@given(st.text())
def test_a_shortened_text_is_never_longer_than_its_limit(text):
    assert len(shortened(text)) <= SHOWN_CHARACTERS
    assert len(text) > SHOWN_CHARACTERS or shortened(text) == text


def test_a_shortened_text_says_how_long_it_was():
    text = shortened("x" * 200_000)
    assert text.startswith("xxx")
    assert text.endswith("… (200000 characters)")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (16.666666666666668, "17"),
        (0.0312, "0.031"),
        (5.0, "5"),
        (0, "0"),
        (1234.5, "1200"),
        (99.9, "100"),
        (1e9, "1000000000"),
    ],
)
def test_numbers_have_two_significant_digits_and_no_exponent(value, text):
    assert two_digits(value) == text


def test_a_share_is_shown_in_percent():
    assert percent(1 / 6) == "17 %"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (
            (
                "Threshold Crossed: 1 out of the last 1 datapoints [16.666666666666668 (28/11/26 20:13:50)] was greater than "
                "the threshold (5.0) (minimum 1 datapoint for OK -> ALARM transition)."
            ),
            "1 out of the last 1 datapoints [17] was greater than the threshold (5)",
        ),
        (
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [0.123456 (28/11/26 20:13:50), 7.0 (28/11/26 20:13:40)] were "
                "greater than or equal to the threshold (0.05) (minimum 2 datapoints for OK -> ALARM transition)."
            ),
            "2 out of the last 3 datapoints [0.12, 7] were greater than or equal to the threshold (0.05)",
        ),
        ("set by hand, version 1.2.3", "set by hand, version 1.2.3"),
        ("the share is 0.66666.", "the share is 0.67"),
        ("", ""),
    ],
)
def test_an_alarm_is_shown_with_its_value_and_threshold_and_without_stamps(reason, text):
    assert alarm_reason(reason) == text


@pytest.mark.parametrize(("length", "text"), [(21.6, "22 s"), (timedelta(minutes=2), "120 s"), (None, NOT_MEASURED)])
def test_a_measured_duration_is_in_whole_seconds(length, text):
    assert measured_seconds(length) == text
