"""CloudWatch's metric math; the examples are those of its user guide where it has some."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.local.emulator.cloudwatch.metric_math.evaluator import compute
from orchestrator.local.emulator.cloudwatch.metric_math.functions import Metrics, as_series_list
from orchestrator.local.emulator.cloudwatch.metric_math.parser import InvalidExpression, names, parse

MISSING = None


def series(*values):
    """A time series by minute, with gaps."""
    return {60 * number: float(value) for number, value in enumerate(values) if value is not MISSING}


def result(expression, length=5, expressions=None, **metrics):
    """What an expression gives for these metrics, as a list with gaps."""
    starts = range(0, 60 * length, 60)
    inputs = Metrics(starts, metrics, expressions or {}, dict.fromkeys(metrics, 60))
    several = as_series_list(compute(parse(expression), inputs))
    if len(several) != 1:
        raise InvalidExpression("several time series")
    return [several[0].get(start, MISSING) for start in starts]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1 + m2", [3, 4, 5]),
        ("m1 - m2 * 2", [-3, 1, 2]),
        ("(m1 - m2) * 2", [-2, 4, 6]),
        ("-m1 ^ 2", [-1, -9, -16]),
        ("2 ^ 3 ^ 2 + m1 * 0", [512, 512, 512]),
        ("100 * m2 / m1", [200, 100 / 3, 25]),
        ("m1 > 2 AND m2 > 0", [0, 1, 1]),
        ("m1 < 2 || m2 < 2", [1, 1, 1]),
        ("m1 == 1 || m1 == 3 && m2 == 7", [1, 0, 0]),
        ("ABS(m1 - m2)", [1, 2, 3]),
        ("FLOOR(m1 / 2)", [0, 1, 2]),
        ("CEIL(m1 / 2)", [1, 2, 2]),
        ("m1 - AVG(m1)", [1 - 8 / 3, 3 - 8 / 3, 4 - 8 / 3]),
        ("m1 / MAX(m1) + MIN(m1) - 1", [0.25, 0.75, 1]),
        ("SUM(METRICS())", [3, 4, 5]),
        ('SUM(METRICS("1"))', [1, 3, 4]),
        ("SUM([m1, m2]) / METRIC_COUNT(METRICS())", [1.5, 2, 2.5]),
        ("MAX([m1, m2])", [2, 3, 4]),
        ("SUM(METRICS() * 10)", [30, 40, 50]),
        ("SUM(100 / [m1, m2])", [150, 100 / 3 + 100, 125]),
        ("DIFF(m1)", [MISSING, 2, 1]),
        ("RATE(m1)", [MISSING, 2 / 60, 1 / 60]),
        ("m1 / PERIOD(m1)", [1 / 60, 3 / 60, 4 / 60]),
        ("TIME_SERIES(7)", [7, 7, 7]),
        ("IF(m1 > 2, m1)", [MISSING, 3, 4]),
        ("IF(m1 > 2, 10, 2)", [2, 10, 10]),
    ],
)
def test_an_expression_is_computed_for_every_period(expression, expected):
    found = result(expression, length=3, m1=series(1, 3, 4), m2=series(2, 1, 1))
    assert found == [value if value is MISSING else pytest.approx(value) for value in expected]


def test_a_value_that_one_of_two_series_lacks_counts_as_0():
    assert result("m1 + m2", m1=series(1, MISSING), m2=series(MISSING, 2), length=2) == [1, 2]


def test_comparisons_treat_a_missing_value_as_0_as_the_guide_shows():
    metrics = {"metric1": series(30, 20, 0, 0), "metric2": series(20, MISSING, 20, MISSING)}
    assert result("metric1 < metric2", length=4, **metrics) == [0, 0, 1, 0]
    assert result("metric1 >= 30", length=4, **metrics) == [1, 0, 0, 0]
    assert result("metric1 > 15 AND metric2 > 15", length=4, **metrics) == [1, 0, 0, 0]


def test_a_period_that_would_divide_by_0_is_dropped():
    assert result("e / r", e=series(1, 1, 0), r=series(2, 0, MISSING), length=3) == [0.5, MISSING, MISSING]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("IF(a, b, c)", [30, 0, 20, MISSING, MISSING]),
        ("IF(a, 5, c)", [5, 5, 20, MISSING, MISSING]),
        ("IF(a, b, 5)", [30, 0, 5, 5, MISSING]),
    ],
)
def test_if_chooses_for_every_period_as_the_guide_shows(expression, expected):
    a, b, c = series(1, 1, 0, 0, MISSING), series(30, MISSING, 0, 0, 30), series(0, 0, 20, MISSING, 20)
    assert result(expression, a=a, b=b, c=c) == expected


def test_a_rate_of_few_requests_is_0_and_of_none_is_missing():
    part, whole = series(5, 5, MISSING), series(20, 5, MISSING)
    assert result("IF(whole >= 10, 100 * part / whole, 0)", part=part, whole=whole, length=3) == [25, 0, MISSING]


@pytest.mark.parametrize(
    ("filler", "expected"),
    [
        ("0", [0, 1, 0, 5, 0]),
        ("REPEAT", [MISSING, 1, 1, 5, 5]),
        ("LINEAR", [MISSING, 1, 3, 5, MISSING]),
        ("MAX(m)", [5, 1, 5, 5, 5]),
        ("other", [9, 1, MISSING, 5, MISSING]),
    ],
)
def test_fill_gives_values_to_periods_that_have_none(filler, expected):
    metrics = {"m": series(MISSING, 1, MISSING, 5, MISSING), "other": series(9, 9)}
    assert result(f"FILL(m, {filler})", **metrics) == expected


def test_fill_fills_a_metric_that_has_no_data_at_all():
    assert result("IF(r > 0, 100 * FILL(e, 0) / r, 0)", e={}, r=series(4, 4), length=2) == [0, 0]


def test_metrics_leaves_expressions_out_but_their_ids_may_be_used():
    assert result("SUM(METRICS()) + e1", m=series(1), expressions={"e1": series(10)}, length=1) == [11]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "m1 +",
        "m1 m2",
        "(m1",
        "SUM(m1",
        "m1 $ 2",
        "[m1,]x",
        "IF(m1)",
        "NONE(m1)",
        "SUM()",
        "METRICS(m1)",
        "PERIOD(1)",
        "1 + 1",
        "1 / 0",
        "SUM(m1)",
        "unknown",
        '"m1"',
        "FILL(m1)",
        "[m1, m2]",
        "m1 = 1",
        "ABS(m1, m1)",
        "TIME_SERIES(m1)",
        "IF(METRICS(), 1, 0)",
        "(" * 200 + "m1" + ")" * 200,
    ],
)
def test_what_is_no_expression_or_no_single_time_series_is_refused(expression):
    with pytest.raises(InvalidExpression):
        result(expression, m1=series(1), m2=series(1))


def test_the_names_of_an_expression_are_those_of_metrics_and_keywords():
    assert set(names(parse("IF(a > 1, -b, [c]) + FILL(d, REPEAT)"))) == {"a", "b", "c", "d", "REPEAT"}


@given(st.text(alphabet="m12 +-*/^()[],<>=&|AVGSUMIF\"'.", max_size=40))
@example("9" * 400)
@example("FLOOR(9^300 * 9^300 * m1)")
@example("9^9^9^9 * m1")
@example("-" * 2000 + "m1")
def test_any_text_is_computed_or_refused_and_nothing_else(text):
    try:
        found = compute(parse(text), Metrics(range(0, 120, 60), {"m1": series(1, 2), "m2": series(0)}))
    except InvalidExpression:
        return
    values = [found] if isinstance(found, float) else [one for each in as_series_list(found) for one in each.values()]
    assert all(map(math.isfinite, values))
