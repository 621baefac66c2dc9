"""The environment's own checks, ``[[delivery.checks]]``: what each one reads, and what makes a canary worse.

A check counts bad trials among all trials, of each version or of both together. The sources:

| kind            | counts                                                                                        |
|-----------------|-----------------------------------------------------------------------------------------------|
| `cloudwatch`    | two metrics, two expressions, or the values of a metric beyond a line                         |
| `http_json`     | two numbers of a JSON document, or one number that is beyond a line at an evaluation, or not  |
| `logs_insights` | two fields of the first row of a query                                                        |
| `prometheus`    | two instant queries, or one whose value is beyond a line at an evaluation, or not             |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.schema import SettingsReader, read_named
from orchestrator.domain.setting_rules import TextByName

MAX_CHECKS = 10
"""All checks are read within one task, which has 60 s."""

MINIMUM_TRIALS = 50
"""Trials below which counts are inconclusive, if a check does not say otherwise."""

MAX_NUMBER = 1e15
"""The largest line. Counts above 2^53 would not be exact."""

VERSION, START, END, SECONDS = "{version}", "{start}", "{end}", "{seconds}"
"""What a check's texts may contain: the version, the window's ends as Unix times, and its length. Nothing else is
replaced, so the braces of PromQL and of Logs Insights stay as they are."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
NAME_REMEDY = "give a name of up to 32 lower-case letters, digits and hyphens"
_PATH = r"(:[0-9]{1,5})?(/[!-~]*)?"
URL = re.compile(rf"https://[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*{_PATH}|http://(127\.0\.0\.1|localhost){_PATH}")
URL_REMEDY = "give an https address with a host name; http is for 127.0.0.1 on the local cloud only"
MAX_TEXT = 1000
PERIODS_SECONDS = (1, 5, 10, 30, 60)


class CheckKind(StrEnum):
    """Where a check reads its numbers."""

    CLOUDWATCH = "cloudwatch"
    HTTP_JSON = "http_json"
    LOGS_INSIGHTS = "logs_insights"
    PROMETHEUS = "prometheus"


class Direction(StrEnum):
    """Which change of a check's numbers is a fault."""

    HIGHER_IS_WORSE = "higher_is_worse"
    LOWER_IS_WORSE = "lower_is_worse"


@dataclass(frozen=True)
class CustomCheck:
    """One check.

    Attributes:
        margin_percent: percentage points by which the canary may exceed what it is compared with; of a value, the
            percentage of evaluations at which a healthy canary may be beyond the line.
        minimum_trials: trials below which the check is inconclusive.
        dry_run: it is reported and never decides.
        function: the function whose versions `{version}` names; empty if the check reads both versions together.
        count, total: what counts some trials, and all: a metric, an expression, a query, a JSON pointer or a field.
            `count` counts the bad trials if higher is worse, and the good ones if lower is worse.
        value: what gives a value in place of two counts: a metric, a query or a JSON pointer; otherwise empty.
        line: the value beyond which a trial is bad.
        namespace, dimensions: of CloudWatch metrics; without a namespace `count` and `total` are expressions.
        period_seconds: of CloudWatch metrics. Below 60 the metrics must be high-resolution ones.
        url: address of a JSON document, or of a Prometheus server.
        query, log_groups: a Logs Insights query and the log groups that it reads.
    """

    name: str
    kind: CheckKind
    direction: Direction
    margin_percent: float
    minimum_trials: int
    dry_run: bool = False
    function: str = ""
    count: str = ""
    total: str = ""
    value: str = ""
    line: float = 0.0
    namespace: str = ""
    period_seconds: int = 60
    dimensions: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    query: str = ""
    log_groups: tuple[str, ...] = ()

    @property
    def by_version(self) -> bool:
        """Whether the versions are counted separately."""
        return bool(self.function)

    @property
    def one_trial_an_evaluation(self) -> bool:
        """Whether each evaluation is one trial: the source gives a value of this moment, without counts."""
        return bool(self.value) and self.kind is not CheckKind.CLOUDWATCH

    def beyond_line(self, value: float) -> bool:
        """Return whether a value is beyond the line, in the direction that is worse."""
        return value > self.line if self.direction is Direction.HIGHER_IS_WORSE else value < self.line


def read_checks(settings: SettingsReader) -> tuple[CustomCheck, ...]:
    """Read the ``checks`` of a ``[delivery]`` table.

    Raises:
        Refused: a check is wrong. The error names the field, the value and the remedy.
    """
    return read_named(settings, "checks", "check", MAX_CHECKS, _read_check)


def _read_check(table: SettingsReader) -> CustomCheck:
    kind = CheckKind(table.choice("kind", tuple(CheckKind), decides=True))
    gives_value = "value" in table
    one_trial = gives_value and kind is not CheckKind.CLOUDWATCH
    check = CustomCheck(
        name=table.text("name", matching=NAME, remedy=NAME_REMEDY),
        kind=kind,
        direction=Direction(table.choice("direction", tuple(Direction))),
        # Without a margin a value that is once beyond its line would be a proof.
        margin_percent=table.number("margin_percent", 1 if one_trial else 0, 50),
        minimum_trials=_minimum_trials(
            table, 1 if gives_value and kind is not CheckKind.CLOUDWATCH else MINIMUM_TRIALS
        ),
        dry_run=table.flag("dry_run", default=False),
        function=table.text("function") if "function" in table else "",
        count="" if gives_value else _text(table, "count"),
        total="" if gives_value else _text(table, "total"),
        value=_text(table, "value") if gives_value else "",
        line=table.number("line", -MAX_NUMBER, MAX_NUMBER) if gives_value else 0.0,
        namespace=_text(table, "namespace") if kind is CheckKind.CLOUDWATCH and "namespace" in table else "",
        period_seconds=_period_seconds(table) if kind is CheckKind.CLOUDWATCH else 60,
        dimensions=_dimensions(table) if kind is CheckKind.CLOUDWATCH else {},
        url=_url(table) if kind in {CheckKind.HTTP_JSON, CheckKind.PROMETHEUS} else "",
        query=_text(table, "query") if kind is CheckKind.LOGS_INSIGHTS else "",
        log_groups=table.texts("log_groups", at_least=1) if kind is CheckKind.LOGS_INSIGHTS else (),
    )
    table.refuse_unknown_keys()
    _refuse_contradictions(table, check)
    return check


def _refuse_contradictions(table: SettingsReader, check: CustomCheck) -> None:
    _refuse_unnamed_versions(table, check)
    if check.kind is CheckKind.CLOUDWATCH and not check.namespace and (check.value or check.dimensions):
        raise table.refused("namespace", "", "give the namespace of the metric")
    if check.kind is CheckKind.LOGS_INSIGHTS and check.value:
        raise table.refused("value", check.value, "give `count` and `total`, two fields of the query's first row")
    if check.kind is CheckKind.HTTP_JSON:
        _refuse_other_pointers(table, check)
    if check.kind is CheckKind.PROMETHEUS:
        for key, query in {"count": check.count, "total": check.total}.items():
            if query and SECONDS not in query:
                remedy = f"count within the window, such as sum(increase(errors_total[{SECONDS}s]))"
                raise table.refused(key, query, remedy)


def _refuse_unnamed_versions(table: SettingsReader, check: CustomCheck) -> None:
    texts = (
        check.count,
        check.total,
        check.value,
        check.url,
        check.query,
        *check.dimensions.values(),
    )
    named = any(VERSION in text for text in texts)
    if named and not check.function:
        raise table.refused("function", "", f"name the function whose versions {VERSION} stands for")
    if check.function and not named:
        remedy = f"put {VERSION} where the source names the version, or omit the function"
        raise table.refused("function", check.function, remedy)


def _refuse_other_pointers(table: SettingsReader, check: CustomCheck) -> None:
    pointers = {"value": check.value} if check.value else {"count": check.count, "total": check.total}
    for key, pointer in pointers.items():
        if not pointer.startswith("/"):
            raise table.refused(key, pointer, "give a JSON pointer (RFC 6901), such as /errors/count")
    if check.count and not (START in check.url and END in check.url):
        raise table.refused("url", check.url, f"put {START} and {END} into it: the counts must be of the window")


def _minimum_trials(table: SettingsReader, default: int) -> int:
    return table.whole_number("minimum_trials", 1, 1_000_000_000) if "minimum_trials" in table else default


def _period_seconds(table: SettingsReader) -> int:
    return table.whole_number_of("period_seconds", PERIODS_SECONDS) if "period_seconds" in table else 60


def _text(table: SettingsReader, key: str) -> str:
    return table.text(key, remedy=f"give a text; docs/guides/gates.md shows `{key}` for each kind", at_most=MAX_TEXT)


def _url(table: SettingsReader) -> str:
    return table.text("url", matching=URL, remedy=URL_REMEDY, at_most=MAX_TEXT)


def _dimensions(table: SettingsReader) -> Mapping[str, str]:
    value = table.take("dimensions", {}, described_by=(TextByName(),))
    if not isinstance(value, Mapping):
        raise table.refused("dimensions", value, "give a table of dimensions")
    for name, text in value.items():
        if not isinstance(text, str) or not text.strip():
            raise table.refused(f"dimensions.{name}", text, "give a text")
    return value
