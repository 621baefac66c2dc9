"""The recovery policy of an environment: when drills run, what they may cost, and which objectives hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.domain.errors import Refused
from orchestrator.domain.objectives.scenarios import read_scenarios
from orchestrator.domain.recovery.backups.kinds import BackupKind, Selection
from orchestrator.domain.recovery.backups.schedules import MAX_HOURS, DrillSchedule, read_drills, read_expression
from orchestrator.domain.recovery.read_pace import SHARE_PERCENT
from orchestrator.domain.recovery.record import Objectives
from orchestrator.domain.recovery.token_sanitization import RotatedPolicy
from orchestrator.domain.schema import Observer, SettingsReader

RESTORES_AT_ONCE = 50
"""DynamoDB restores at most this many tables of an account concurrently (quotas of DynamoDB)."""

MAX_WHOLE_ITEMS = 300_000
"""A function that compares two tables has memory for this many small items of each."""

FIRST_POLLS = 10
LONGEST_POLL = timedelta(minutes=5)

_MAX_MINUTES = 10_080
_MAX_DAYS = 366


@dataclass(frozen=True)
class RecoveryPolicy:
    """The ``[recovery]`` table of environments.toml, checked.

    Attributes:
        drill_schedule: EventBridge Scheduler expression in UTC; empty if only operators start drills.
        drill_window: flexible time window of the schedule; 0 for none.
        drill_point: the recovery point of scheduled drills of point-in-time recovery: the latest or a random one.
        drill_point_window: how far back a random recovery point may be.
        standing_grants: EventBridge Scheduler expression in UTC, by which standing grants are given; empty for none. None if
            the settings do not state it, as those of functions.
        objectives: RTO and RPO.
        drills: schedules of drills of other kinds of backup.
        max_monthly_usd: settings whose scheduled drills cost more in a month are refused by `orchestrator lint`.
        success_within: age of the last successful drill above which an alarm fires.
        max_cost_usd: recoveries with a higher expected cost are refused.
        max_tables: services with more tables are refused.
        expiry: how long a drill may keep its resources.
        unused_tables: age above which an alarm reports a restored table that the service does not use.
        restores_at_once: how many restores a recovery starts before it waits.
        poll: time between the first status checks of a restore.
        inject_faults: whether drills in this environment may inject a fault.
        whole_items: tables up to this many items are compared by one task, larger ones in segments.
        by_export: compare with an export at the point; otherwise use the stream, and an export if it is inconclusive.
        read_share_percent: share of the read capacity of a table in use that a recovery may consume.
        stream_delay: the longest delay between a write and its record in the table's stream.
        block_hold: how long a table must refuse all probes over new connections before it counts as blocked.
        heartbeats: whether a heartbeat row is written every second, with which a recovery measures its data loss.
        rotated_tokens: disposition of refresh tokens that were, or may have been, rotated after the recovery point.
        scenarios: objectives by scenario (orchestrator/domain/objectives); `objectives` hold for all others.
    """

    drill_schedule: str
    drill_window: timedelta
    drill_point: Selection
    drill_point_window: timedelta
    standing_grants: str | None
    objectives: Objectives
    drills: Mapping[BackupKind, DrillSchedule]
    max_monthly_usd: float
    success_within: timedelta
    max_cost_usd: float
    max_tables: int
    expiry: timedelta
    unused_tables: timedelta
    restores_at_once: int
    poll: timedelta
    inject_faults: bool
    whole_items: int
    by_export: bool
    read_share_percent: float
    stream_delay: timedelta
    block_hold: timedelta
    heartbeats: bool
    rotated_tokens: RotatedPolicy
    scenarios: Mapping[str, Objectives]

    @property
    def schedules(self) -> tuple[DrillSchedule, ...]:
        """The schedules of all kinds, that of point-in-time recovery first."""
        point = DrillSchedule(BackupKind.PITR, self.drill_schedule, self.drill_point, self.success_within)
        return (*((point,) if self.drill_schedule else ()), *self.drills.values())

    def objectives_of(self, scenario: str) -> Objectives:
        """Return the objectives of a scenario."""
        return self.scenarios.get(scenario, self.objectives)

    @classmethod
    def parse(cls, table: Mapping[str, object], observer: Observer | None = None) -> RecoveryPolicy:
        """Read the environment's table; `observer` is the table's.

        Raises:
            Refused: a key is missing, unknown or out of range. The error names the key, the value and the remedy.
        """
        settings = SettingsReader("recovery", table, Refused, observer)
        policy = cls(
            drill_schedule=read_expression(settings, "drill_schedule", may_be_empty=True),
            drill_window=timedelta(minutes=settings.whole_number("drill_window_minutes", 0, 1440)),
            drill_point=_drill_point(settings),
            drill_point_window=timedelta(days=settings.whole_number("drill_point_days", 1, 35, default=35)),
            standing_grants=_standing_grants(settings),
            drills=read_drills(settings.table("drills")),
            max_monthly_usd=settings.number("max_monthly_usd", 0, 100_000),
            objectives=Objectives(
                recovery_time=timedelta(minutes=settings.number("rto_minutes", 1, _MAX_MINUTES)),
                data_loss=timedelta(minutes=settings.number("rpo_minutes", 1, _MAX_MINUTES)),
            ),
            success_within=timedelta(hours=settings.number("success_within_hours", 1, MAX_HOURS)),
            max_cost_usd=settings.number("max_cost_usd", 0, 10_000),
            max_tables=settings.whole_number("max_tables", 1, RESTORES_AT_ONCE),
            # The state machine times out after a day: resources expire before that.
            expiry=timedelta(hours=settings.number("expiry_hours", 0.1, 23)),
            unused_tables=timedelta(days=settings.number("unused_tables_days", 0.1, _MAX_DAYS)),
            restores_at_once=settings.whole_number("restores_at_once", 1, RESTORES_AT_ONCE),
            poll=timedelta(seconds=settings.whole_number("poll_seconds", 1, 300)),
            inject_faults=settings.flag("inject_faults"),
            whole_items=settings.whole_number("whole_items", 0, MAX_WHOLE_ITEMS),
            by_export=settings.choice("source_at_point", ("stream", "export")) == "export",
            read_share_percent=settings.number("read_share_percent", *SHARE_PERCENT),
            stream_delay=timedelta(seconds=settings.number("stream_delay_seconds", 0, 30)),
            # The task that waits has 60 s, and waits up to 10 s for the first refusal.
            block_hold=timedelta(seconds=settings.whole_number("block_hold_seconds", 1, 40)),
            heartbeats=settings.flag("heartbeats"),
            rotated_tokens=RotatedPolicy(settings.choice("rotated_tokens", tuple(RotatedPolicy))),
            scenarios=read_scenarios(settings.table("scenarios")),
        )
        if policy.drill_point is Selection.RANDOM and not policy.standing_grants:
            remedy = 'set standing_grants, such as "cron(0 * * * ? *)": they are what a drill of an older point tries'
            settings.observer.refused(settings.refused("drill_point", policy.drill_point.value, remedy), None)
        settings.refuse_unknown_keys()
        return policy


def seconds_before_poll(policy: RecoveryPolicy, attempt: int) -> int:
    """Return the seconds before the next status check: constant at first, then growing to five minutes."""
    grown = policy.poll.total_seconds() * 1.5 ** max(0, attempt - FIRST_POLLS)
    return round(min(grown, max(LONGEST_POLL, policy.poll).total_seconds()))


def _drill_point(settings: SettingsReader) -> Selection:
    if "drill_point" not in settings:
        return Selection.LATEST
    return Selection(settings.choice("drill_point", (Selection.LATEST.value, Selection.RANDOM.value)))


def _standing_grants(settings: SettingsReader) -> str | None:
    return read_expression(settings, "standing_grants", may_be_empty=True) if "standing_grants" in settings else None
