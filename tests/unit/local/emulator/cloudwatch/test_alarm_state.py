"""What state an alarm has: the tables of CloudWatch's user guide, row by row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.local.emulator.cloudwatch.alarm_state import (
    ALARM,
    COMPARISONS,
    INSUFFICIENT_DATA,
    OK,
    TREATMENTS,
    Evaluation,
    Rule,
    evaluate,
    format_timestamp,
    state_reason,
    state_reason_data,
)

KEEPS = None


def rule(datapoints=3, treatment="missing", periods=3, comparison="GreaterThanThreshold"):
    return Rule(periods, datapoints, comparison, 5.0, treatment)


def judged(row, alarm):
    """Judge a row as the guide writes it: the latest datapoint on the right, 0 within the threshold, X over it."""
    starts = range(0, 60 * len(row), 60)
    values = {start: {"0": 0.0, "X": 9.0}[mark] for start, mark in zip(starts, row, strict=True) if mark != "-"}
    return evaluate(alarm, values, starts)


def state(row, alarm):
    found = judged(row, alarm)
    return KEEPS if found is None else found.state


@pytest.mark.parametrize(
    ("row", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", OK, OK, OK, OK),
        ("0----", OK, OK, OK, OK),
        ("-----", INSUFFICIENT_DATA, KEEPS, ALARM, OK),
        ("0XX-X", ALARM, ALARM, ALARM, ALARM),
        ("--X--", ALARM, KEEPS, ALARM, OK),
    ],
)
def test_three_of_three(row, missing, ignore, breaching, not_breaching):
    found = [state(row, rule(3, treatment)) for treatment in TREATMENTS]
    assert found == [missing, ignore, breaching, not_breaching]


@pytest.mark.parametrize(
    ("row", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", ALARM, ALARM, ALARM, ALARM),
        ("00X0X", ALARM, ALARM, ALARM, ALARM),
        ("0-X--", OK, OK, ALARM, OK),
        ("----0", OK, OK, ALARM, OK),
        ("---X-", ALARM, KEEPS, ALARM, OK),
    ],
)
def test_two_of_three(row, missing, ignore, breaching, not_breaching):
    found = [state(row, rule(2, treatment)) for treatment in TREATMENTS]
    assert found == [missing, ignore, breaching, not_breaching]


@pytest.mark.parametrize("row", ["----X", "---X-"])
def test_a_breach_that_is_too_young_does_not_ring_alone(row):
    assert state(row, rule(3, "missing")) == INSUFFICIENT_DATA
    assert state(row, rule(3, "ignore")) is KEEPS


def test_datapoints_before_the_evaluated_ones_do_not_count_where_none_is_missing():
    assert state("XX000", rule(3)) == OK


@given(st.text(alphabet="0X-", min_size=5, max_size=5), st.integers(1, 3), st.sampled_from(TREATMENTS))
def test_an_alarm_fires_whenever_enough_of_three_real_datapoints_breach(row, datapoints, treatment):
    real = row.replace("-", "")[-3:]
    if len(real) == 3:
        expected = ALARM if real.count("X") >= datapoints else OK
        assert state(row, rule(datapoints, treatment)) == expected
    elif "0" not in row and real.count("X") >= datapoints:
        assert state(row, rule(datapoints, treatment)) == ALARM


@pytest.mark.parametrize(("value", "breaches"), [(4.0, "LL="), (5.0, "=="), (6.0, "GG=")])
def test_a_value_on_the_threshold_breaches_only_where_the_comparison_says_so(value, breaches):
    found = {name for name in COMPARISONS if rule(comparison=name).breached_by(value)}
    less, greater = {"LessThanThreshold"}, {"GreaterThanThreshold"}
    less_or_equal, greater_or_equal = {"LessThanOrEqualToThreshold"}, {"GreaterThanOrEqualToThreshold"}
    assert (
        found
        == {"LL=": less | less_or_equal, "==": less_or_equal | greater_or_equal, "GG=": greater | greater_or_equal}[
            breaches
        ]
    )


def test_the_reason_is_worded_as_cloudwatch_words_it():
    one = Rule(1, 1, "GreaterThanThreshold", 50.0, "missing")
    at = 1570035540  # 02/10/19 16:59:00
    fires = Evaluation(ALARM, ((at, 99.50160229693434),))
    assert state_reason(one, fires, OK) == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.50160229693434 (02/10/19 16:59:00)] was greater than the "
        "threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    quiet = Evaluation(OK, ((at, 0.5),))
    assert state_reason(one, quiet, ALARM) == (
        "Threshold Crossed: 1 out of the last 1 datapoints [0.5 (02/10/19 16:59:00)] was not greater than the threshold "
        "(50.0) (minimum 1 datapoint for ALARM -> OK transition)."
    )


def test_the_reason_says_what_was_missing():
    assert state_reason(rule(3), judged("-----", rule(3)), OK) == "Insufficient Data: 3 datapoints were unknown."
    quiet = rule(1, "notBreaching", periods=1)
    assert state_reason(quiet, judged("---", quiet), ALARM) == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching]."
    )


def test_the_reason_names_the_latest_datapoint_first():
    found = state_reason(rule(2), judged("0-X-X", rule(2)), INSUFFICIENT_DATA)
    assert "2 out of the last 3 datapoints [9.0 (01/01/70 00:04:00), 9.0 (01/01/70 00:02:00)] were greater" in found
    assert found.endswith("(minimum 2 datapoints for OK -> ALARM transition).")


def test_the_reason_as_data_has_the_datapoints_and_when_they_were_read():
    found = json.loads(
        state_reason_data(rule(2), judged("0-X-X", rule(2)), queried=300.5, period_seconds=60, statistic="Sum")
    )
    assert found == {
        "version": "1.0",
        "queryDate": "1970-01-01T00:05:00.500+0000",
        "startDate": "1970-01-01T00:00:00.000+0000",
        "statistic": "Sum",
        "period": 60,
        "recentDatapoints": [0.0, 9.0, 9.0],
        "threshold": 5.0,
        "evaluatedDatapoints": [
            {"timestamp": "1970-01-01T00:04:00.000+0000", "value": 9.0},
            {"timestamp": "1970-01-01T00:02:00.000+0000", "value": 9.0},
            {"timestamp": "1970-01-01T00:00:00.000+0000", "value": 0.0},
        ],
    }


def test_milliseconds_are_rounded_into_the_next_second():
    assert format_timestamp(1.9996) == "1970-01-01T00:00:02.000+0000"
