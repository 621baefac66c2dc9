"""The environment's own checks as settings: what is accepted, and what is refused by field, value and remedy."""

from typing import Any

import pytest

from orchestrator.domain.deployment.custom_checks import MAX_CHECKS, CheckKind, CustomCheck, Direction
from orchestrator.domain.errors import Refused
from tests.samples import policy

CLOUDWATCH = {
    "name": "orders",
    "kind": "cloudwatch",
    "direction": "higher_is_worse",
    "margin_percent": 0.5,
    "function": "token",
    "namespace": "Shop",
    "count": "Failed",
    "total": "Orders",
    "dimensions": {"Version": "{version}"},
}
LINE = {key: value for key, value in CLOUDWATCH.items() if key not in {"count", "total"}} | {"value": "Ms", "line": 500}
EXPRESSION = {
    "name": "logins",
    "kind": "cloudwatch",
    "direction": "lower_is_worse",
    "margin_percent": 1,
    "count": "SELECT SUM(Ok) FROM Shop",
    "total": "SELECT SUM(Tried) FROM Shop",
}
DOCUMENT = {
    "name": "payments",
    "kind": "http_json",
    "direction": "higher_is_worse",
    "margin_percent": 1,
    "url": "https://api.example.com/stats?from={start}&to={end}",
    "count": "/failed",
    "total": "/all",
}
GAUGE = {
    "name": "queue",
    "kind": "http_json",
    "direction": "higher_is_worse",
    "margin_percent": 5,
    "url": "http://127.0.0.1:8080/queue",
    "value": "/depth",
    "line": 100,
}
LOGS = {
    "name": "denials",
    "kind": "logs_insights",
    "direction": "higher_is_worse",
    "margin_percent": 1,
    "log_groups": ["/aws/lambda/shop"],
    "query": "stats sum(denied) as bad, count(*) as total",
    "count": "bad",
    "total": "total",
}
PROMETHEUS = {
    "name": "carts",
    "kind": "prometheus",
    "direction": "higher_is_worse",
    "margin_percent": 1,
    "url": "https://prometheus.example.com:9090",
    "count": 'sum(increase(failed_total{job="carts"}[{seconds}s]))',
    "total": "sum(increase(all_total[{seconds}s]))",
    "dry_run": True,
    "minimum_trials": 200,
}


def parse(*checks: Any) -> tuple[CustomCheck, ...]:
    return policy(checks=list(checks)).checks


@pytest.mark.parametrize("check", [CLOUDWATCH, LINE, EXPRESSION, DOCUMENT, GAUGE, LOGS, PROMETHEUS])
def test_a_check_of_each_kind_has_what_its_table_says(check):
    (read,) = parse(check)
    assert (read.name, read.kind, read.direction) == (check["name"], check["kind"], check["direction"])
    assert (read.margin_percent, read.dry_run) == (check["margin_percent"], check.get("dry_run", False))
    assert (read.count, read.total, read.value) == tuple(check.get(key, "") for key in ("count", "total", "value"))
    assert read.by_version is ("function" in check)


def test_without_checks_there_are_none():
    assert policy().checks == ()


def test_counts_need_fifty_trials_and_a_value_one_unless_the_check_says_otherwise():
    assert [one.minimum_trials for one in parse(CLOUDWATCH, GAUGE, PROMETHEUS)] == [50, 1, 200]


def test_the_values_of_a_cloudwatch_metric_are_counts_and_those_of_other_sources_are_one_trial_an_evaluation():
    assert [one.one_trial_an_evaluation for one in parse(LINE | {"name": "a"}, GAUGE, PROMETHEUS)] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(("direction", "beyond"), [(Direction.HIGHER_IS_WORSE, 6), (Direction.LOWER_IS_WORSE, 4)])
def test_a_value_is_beyond_its_line_in_the_direction_that_is_worse(direction, beyond):
    check = CustomCheck("a", CheckKind.HTTP_JSON, direction, 5, 1, value="/a", line=5)
    assert [check.beyond_line(value) for value in (beyond, 5, 10 - beyond)] == [True, False, False]


@pytest.mark.parametrize(
    ("check", "field"),
    [
        (CLOUDWATCH | {"name": "Orders"}, "name"),
        (CLOUDWATCH | {"kind": "datadog"}, "kind"),
        (CLOUDWATCH | {"direction": "up"}, "direction"),
        (CLOUDWATCH | {"margin_percent": 51}, "margin_percent"),
        (CLOUDWATCH | {"margin_percent": -1}, "margin_percent"),
        (GAUGE | {"margin_percent": 0.5}, "margin_percent"),
        (GAUGE | {"line": "100"}, "line"),
        (CLOUDWATCH | {"minimum_trials": 0}, "minimum_trials"),
        (CLOUDWATCH | {"period_seconds": 7}, "period_seconds"),
        (CLOUDWATCH | {"dimensions": ["Version"]}, "dimensions"),
        (CLOUDWATCH | {"dimensions": {"Version": 5}}, "dimensions.Version"),
        (CLOUDWATCH | {"dimensions": {"Version": "5"}}, "function"),
        ({key: value for key, value in CLOUDWATCH.items() if key != "function"}, "function"),
        ({key: value for key, value in CLOUDWATCH.items() if key != "namespace"}, "namespace"),
        (
            {key: value for key, value in LINE.items() if key not in {"namespace", "dimensions", "function"}},
            "namespace",
        ),
        (CLOUDWATCH | {"line": 5}, "line"),
        (CLOUDWATCH | {"url": "https://a.example/"}, "url"),
        (DOCUMENT | {"count": "failed"}, "count"),
        (DOCUMENT | {"url": "https://api.example.com/stats"}, "url"),
        (DOCUMENT | {"url": "http://api.example.com/{start}{end}"}, "url"),
        (DOCUMENT | {"url": "https://10.0.0.1/{start}{end}"}, "url"),
        (DOCUMENT | {"url": "https://user@api.example.com/{start}{end}"}, "url"),
        (GAUGE | {"value": "depth"}, "value"),
        (LOGS | {"log_groups": []}, "log_groups"),
        (
            {key: value for key, value in LOGS.items() if key not in {"count", "total"}} | {"value": "a", "line": 1},
            "value",
        ),
        (PROMETHEUS | {"count": "sum(failed_total)"}, "count"),
        (PROMETHEUS | {"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_check_is_refused_by_the_field_that_is_wrong(check, field):
    with pytest.raises(Refused) as refused:
        parse(check)
    assert refused.value.field == f"delivery.checks[0].{field}"
    assert refused.value.remedy


def test_two_checks_of_one_name_and_too_many_checks_are_refused():
    with pytest.raises(Refused, match="a name of its own"):
        parse(CLOUDWATCH, CLOUDWATCH)
    with pytest.raises(Refused, match=f"at most {MAX_CHECKS}"):
        parse(*(GAUGE | {"name": f"queue-{number}"} for number in range(MAX_CHECKS + 1)))
