"""The delivery policy of an environment: how a canary is shifted and judged."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum

from orchestrator.domain.deployment.calendar import Calendar, read_calendar
from orchestrator.domain.deployment.custom_checks import CustomCheck, read_checks
from orchestrator.domain.deployment.hooks import Hook, read_hooks
from orchestrator.domain.errors import Refused
from orchestrator.domain.schema import Observer, SettingsReader
from orchestrator.domain.setting_rules import Choice

CHECKLIST = ("tests", "security_review", "documentation", "performance", "rollback_plan")
"""The pre-deployment checklist of the deployment strategy. Each item needs a reference to its evidence."""

MAX_SECONDS = 604_800
"""A deployment's state machine ends after a week, so no duration is longer."""

PERIODS_SECONDS = (1, 5, 10, 30, 60)
"""The periods of high-resolution metrics, and the shortest one of standard metrics (MetricStat of GetMetricData)."""

SMALLEST_SHARE = 1e-6
"""The smallest share of the false alarms. A share of 0 would make a source's failures invisible."""

LONGEST_PLAIN_POLICY = 2000
"""A longer text is compressed: Lambda allows 4 KB for all variables of a function."""

_LAMBDA_TIMEOUT_MS = 900_000


class WhenInconclusive(StrEnum):
    """What happens when a step has baked for `max_bake` without enough evidence."""

    ROLL_BACK = "ROLL_BACK"
    PAUSE = "PAUSE"
    SYNTHETIC = "SYNTHETIC"  # paired synthetic flows call both versions; PAUSE if they do not decide


@dataclass(frozen=True)
class FalseAlarmShares:
    """How the sources of a failure divide `Thresholds.false_alarm_percent` among themselves. The sum is at most 1.

    A share that is not used is not lost to safety: the probability is only smaller. Evidence grows exponentially with
    the number of requests, so a small share delays a source little; the largest one goes to the request metrics, whose
    evidence is scarce when traffic is thin.

    Attributes:
        request_metrics: errors and refused grants by version.
        latency: latency by version.
        logs: kinds of errors that only canary logs.
        checks: synthetic checks and flows, before traffic, during the shift and after the promotion.
        alarms: pooled alarms, during the deployment and in its rollback window.
        custom_checks: the environment's own `[[delivery.checks]]`.
    """

    request_metrics: float
    latency: float
    logs: float
    checks: float
    alarms: float
    custom_checks: float


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the probes.

    Attributes:
        minimum_requests: canary requests below which a rate is inconclusive.
        false_alarm_percent: the probability, in percent, that a deployment whose canary is no worse than stable is
            rolled back, by whatever source, until the end of its rollback window.
        false_alarm_shares: how the sources divide it.
        max_error_percent: 5xx share that fails a canary whatever the stable version's share is.
        tolerated_increase_percent: percentage points of 5xx or refused grants by which canary may exceed stable.
        max_latency_ratio: the ratio by which canary may be slower than stable, at every percentile.
        latency_floor_ms: the difference by which it may be slower, if that is more.
        max_p99_ms: latency that canary may exceed in at most 1 % more of its requests than stable does.
        catastrophic_error_percent: share of failures in the newest minute with which an alarm rolls back without
            further proof (`orchestrator.domain.rollback.alarm_evaluation`).
    """

    minimum_requests: int
    false_alarm_percent: float
    false_alarm_shares: FalseAlarmShares
    max_error_percent: float
    tolerated_increase_percent: float
    max_latency_ratio: float
    latency_floor_ms: float
    max_p99_ms: float
    catastrophic_error_percent: float = 50.0

    def false_alarm_probability(self, source: str) -> float:
        """Return the probability, from 0 to 1, with which a source may fail a healthy canary in a whole deployment.

        Args:
            source: the name of a field of `FalseAlarmShares`.
        """
        share: float = getattr(self.false_alarm_shares, source)
        return self.false_alarm_percent / 100 * share


@dataclass(frozen=True)
class DeliveryLimits:
    """The timing and the thresholds of a deployment.

    Attributes:
        evaluation_interval: time between two evaluations within a bake.
        metric_delay: the longest delay of metrics and logs; evaluation windows end this much before now.
        period: resolution of the metrics that are judged.
        max_bake: the longest bake of a step whose evidence stays inconclusive.
        after_bake: time from the promotion to the last evaluation.
        pause_deadline: how long a paused deployment waits for the operator.
        rollback_window: how long after its end an alarm still rolls back a deployment.
        alarm_max_age: older alarm events are ignored.
    """

    evaluation_interval: timedelta
    metric_delay: timedelta
    period: timedelta
    max_bake: timedelta
    after_bake: timedelta
    pause_deadline: timedelta
    rollback_window: timedelta
    alarm_max_age: timedelta
    when_inconclusive: WhenInconclusive
    thresholds: Thresholds


@dataclass(frozen=True)
class DeliveryPolicy:
    """The ``[delivery]`` and ``[strategies]`` tables of environments.toml, checked.

    Attributes:
        default_strategy: a name in `strategies`.
        limits: timing and thresholds of every deployment.
        checklist: items whose evidence a deployment must bring, such as ``tests``.
        strategies: name to its raw table, which `orchestrator.domain.deployment.strategy` reads.
        checks: the environment's own checks.
        hooks: servers and functions that deployments ask before they continue.
        calendar: when deployments may start; None for always.
    """

    default_strategy: str
    limits: DeliveryLimits
    checklist: tuple[str, ...]
    strategies: Mapping[str, Mapping[str, object]]
    checks: tuple[CustomCheck, ...] = ()
    hooks: tuple[Hook, ...] = ()
    calendar: Calendar | None = None

    @classmethod
    def parse(cls, table: Mapping[str, object], observer: Observer | None = None) -> DeliveryPolicy:
        """Read the environment's table.

        Args:
            table: with the strategies in it.
            observer: of the table.

        Raises:
            Refused: a key is missing, unknown or out of range. The error names the key, the value and the remedy.
        """
        settings = SettingsReader("delivery", table, Refused, observer)
        strategies = _strategies(settings)
        default = settings.text("default_strategy", remedy="give the name of a strategy")
        if default not in strategies:
            raise settings.refused("default_strategy", default, f"name one of {', '.join(sorted(strategies))}")
        checks, hooks = read_checks(settings), read_hooks(settings)
        calendar = read_calendar(settings.table("calendar")) if "calendar" in settings else None
        policy = cls(default, _limits(settings), _checklist(settings), strategies, checks, hooks, calendar)
        settings.refuse_unknown_keys()
        return policy


def encode_policy(table: Mapping[str, object]) -> str:
    """Return a ``[delivery]`` table as the text of an environment variable: JSON, compressed if it is long."""
    text = json.dumps(table, separators=(",", ":"), allow_nan=False)
    return text if len(text) <= LONGEST_PLAIN_POLICY else b64encode(zlib.compress(text.encode(), 9)).decode()


def decode_policy(text: str) -> Mapping[str, object]:
    """Return the table that `encode_policy` encoded."""
    table: Mapping[str, object] = json.loads(text if text.startswith("{") else zlib.decompress(b64decode(text)))
    return table


def _strategies(settings: SettingsReader) -> Mapping[str, Mapping[str, object]]:
    strategies = settings.take("strategies")
    if not isinstance(strategies, Mapping):
        raise settings.refused("strategies", strategies, "give a table of strategies")
    for name, strategy in strategies.items():
        if not isinstance(strategy, Mapping):
            raise settings.refused(f"strategies.{name}", strategy, "give a table with a type")
    return strategies


def _limits(settings: SettingsReader) -> DeliveryLimits:
    def duration(key: str, low: int = 1) -> timedelta:
        # Whole, because the Wait states and the deadlines that follow from them count whole seconds.
        return timedelta(seconds=settings.whole_number(f"{key}_seconds", low, MAX_SECONDS))

    return DeliveryLimits(
        evaluation_interval=duration("evaluation"),
        metric_delay=duration("metric_delay", low=0),
        period=timedelta(seconds=settings.whole_number_of("period_seconds", PERIODS_SECONDS)),
        max_bake=duration("max_bake"),
        after_bake=duration("after_bake", low=0),
        pause_deadline=duration("pause_deadline"),
        rollback_window=duration("rollback_window"),
        alarm_max_age=duration("alarm_max_age"),
        when_inconclusive=WhenInconclusive(settings.choice("when_inconclusive", tuple(WhenInconclusive))),
        thresholds=_thresholds(settings.table("thresholds")),
    )


def _thresholds(settings: SettingsReader) -> Thresholds:
    thresholds = Thresholds(
        minimum_requests=settings.whole_number("minimum_requests", 1, 1_000_000_000),
        false_alarm_percent=settings.number("false_alarm_percent", 0.0001, 99.9999),
        false_alarm_shares=_false_alarm_shares(settings),
        max_error_percent=settings.number("max_error_percent", 0, 100),
        tolerated_increase_percent=settings.number("tolerated_increase_percent", 0, 100),
        # A ratio below 1 would fail a canary that is as fast as stable.
        max_latency_ratio=settings.number("max_latency_ratio", 1, 1000),
        latency_floor_ms=settings.number("latency_floor_ms", 0, _LAMBDA_TIMEOUT_MS),
        max_p99_ms=settings.number("max_p99_ms", 1, _LAMBDA_TIMEOUT_MS),
        catastrophic_error_percent=settings.number("catastrophic_error_percent", 10, 100),
    )
    settings.refuse_unknown_keys()
    return thresholds


def _false_alarm_shares(thresholds: SettingsReader) -> FalseAlarmShares:
    settings = thresholds.table("false_alarm_shares")
    shares = {field.name: settings.number(field.name, SMALLEST_SHARE, 1) for field in fields(FalseAlarmShares)}
    settings.refuse_unknown_keys()
    total = sum(shares.values())
    if total > 1 + SMALLEST_SHARE:
        remedy = "give shares whose sum is at most 1, because together they make up false_alarm_percent"
        raise thresholds.refused("false_alarm_shares", f"a sum of {total:g}", remedy)
    return FalseAlarmShares(**shares)


def _checklist(settings: SettingsReader) -> tuple[str, ...]:
    items = settings.texts("checklist", described_by=Choice(CHECKLIST))
    if not all(item in CHECKLIST for item in items):
        raise settings.refused("checklist", list(items), f"give a list out of {', '.join(CHECKLIST)}")
    return items
