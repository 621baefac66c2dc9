"""Run the upkeep checks of an environment: read, then judge. A reading that fails is a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from orchestrator import environments
from orchestrator.application.prices import load_prices
from orchestrator.aws.account_readings import AccountReadings
from orchestrator.aws.configuration import readers
from orchestrator.aws.lambda_.account_limits import AccountLimits
from orchestrator.aws.upkeep.account import AccountHistory, tracking_start
from orchestrator.aws.upkeep.usage import Consumed, Usage
from orchestrator.cli.actions.checks.environment_checks import SOURCES, Checks
from orchestrator.cli.actions.checks.examine import examine
from orchestrator.cli.actions.upkeep.lock_files import read_advisory_files, read_locks
from orchestrator.cli.context import Context, clients_of
from orchestrator.domain.doctor.result import Result, passed
from orchestrator.domain.errors import Refused
from orchestrator.domain.names import PREFIX
from orchestrator.domain.upkeep import alarm_history, dependencies, expiry, resources, runtimes, trends
from orchestrator.domain.upkeep.recommendations import concurrency, log_retention, memory, table_capacity, throttles
from orchestrator.domain.upkeep.result import CheckResult, not_applicable, not_checked, result_of_doctor
from orchestrator.domain.verdict import Window

OF_DOCTOR = ("backups", "point-in-time", "drill", "quotas")
"""The checks of `orchestrator doctor` that upkeep repeats: what was in order once can expire."""
WEEK = timedelta(days=7)
WEEKS_PER_MONTH = 730 / (7 * 24)
NOT_LOCALLY: Mapping[str, str] = {
    resources.PERMISSIONS: "the local cloud has no access advisor",
    trends.COST: "the local cloud has no bill; `orchestrator cost` estimates one",
    memory.MEMORY: "the local cloud runs functions without a memory limit, and writes no REPORT lines",
    resources.HEADROOM: "the local cloud has no quota of concurrent executions",
    table_capacity.CAPACITY: "the local cloud counts no consumed units",
}
ON_DEMAND = (1, None)
"""The least and the most units of a table on demand, if it were provisioned."""
_BACKUP_ALARMS = f"{PREFIX}backup-"
_DEAD_LETTERS = "dead-letters"
_LOG_PREFIX = "/aws/lambda/"


@dataclass(frozen=True)
class Gathering:
    """The checks of an environment.

    Attributes:
        advisories: files of advisories; without any, vulnerabilities are not checked.
        note: reports which check is running.
    """

    context: Context
    advisories: Sequence[Path]
    note: Callable[[str], None]

    def results(self) -> Iterator[CheckResult]:
        """Yield the result of each check.

        Raises:
            Refused: a file of advisories cannot be read.
        """
        files = read_advisory_files(self.advisories)
        locks, why_unknown = read_locks(SOURCES)
        yield dependencies.check_vulnerabilities(locks, files, self._now)
        yield dependencies.check_locks(locks, self._now, why_unknown)
        judges = dict(Checks(self.context, partial(clients_of, self._environment)).all())
        for name in OF_DOCTOR:
            self.note(name)
            yield result_of_doctor(name, examine(name, judges[name], self.context.name).result)
        for name, judge in {
            runtimes.RUNTIMES: self._runtimes,
            expiry.KEYS: self._keys,
            expiry.CERTIFICATES: self._certificates,
            resources.HEADROOM: self._headroom,
            resources.PERMISSIONS: self._permissions,
            alarm_history.ALARMS: self._alarms,
            resources.DEAD_LETTERS: self._dead_letters,
            trends.PERFORMANCE: self._performance,
            trends.COST: self._cost,
            memory.MEMORY: self._memory,
            concurrency.CONCURRENCY: self._concurrency,
            table_capacity.CAPACITY: self._capacity,
            log_retention.LOGS: self._logs,
            throttles.THROTTLES: self._throttles,
        }.items():
            self.note(name)
            if self._environment.local and name in NOT_LOCALLY:
                yield not_applicable(name, NOT_LOCALLY[name])
            else:
                yield complete(name, judge, self.context.name)

    @cached_property
    def _now(self) -> datetime:
        return self.context.cloud.now()

    @property
    def _environment(self) -> environments.Environment:
        return self.context.environment

    @property
    def _clients(self) -> Callable[[str], Any]:
        return self.context.clients

    @property
    def _week(self) -> Window:
        return Window(self._now - WEEK, self._now)

    @property
    def _functions(self) -> Mapping[str, str]:
        return {name: self.context.function_name(name) for name in environments.FUNCTIONS}

    @cached_property
    def _names(self) -> readers.Names:
        settings = self.context.cloud.settings
        return readers.Names(self.context.name, settings["EVIDENCE_BUCKET"], self._environment.region)

    @cached_property
    def _usage(self) -> Usage:
        return Usage(self._clients, self.context.name, self.context.cloud.sleep)

    @cached_property
    def _account(self) -> AccountHistory:
        return AccountHistory(self._clients, self.context.cloud.sleep)

    @cached_property
    def _peaks(self) -> Mapping[str, float]:
        return self._usage.read_peak_concurrency(self._functions, self._week)

    def _runtimes(self) -> CheckResult:
        pages = self._clients("lambda").get_paginator("list_functions").paginate()
        found = {
            str(one["FunctionName"]): str(one["Runtime"])
            for page in pages
            for one in page["Functions"]
            if self._names.is_ours(one["FunctionName"]) and "Runtime" in one
        }
        return runtimes.check_runtimes(found, self._now)

    def _keys(self) -> CheckResult:
        ring, days = self.context.cloud.key_ring.read_ring(), self._environment.key_rotation_days
        return expiry.check_keys(ring, timedelta(days=days), self._now, self.context.name)

    def _certificates(self) -> CheckResult:
        domain = self._environment.api.domain
        name = domain.name if domain else None
        found = self._account.read_certificates(name) if name else ()
        return expiry.check_certificates(found, name, self._now)

    def _headroom(self) -> CheckResult:
        quota = AccountLimits(self._clients("lambda")).read_concurrency()
        return resources.check_headroom(quota, self._peaks.get(""), self._environment.monitoring.used_percent)

    def _permissions(self) -> CheckResult:
        # Not the snapshot's reader of roles: that also reads each role's policies, four calls a role.
        pages = self._clients("iam").get_paginator("list_roles").paginate()
        every = {str(role["RoleName"]): role for page in pages for role in page["Roles"]}
        found = {name: role for name, role in every.items() if self._names.is_our_role(name)}
        uses = self._account.read_permission_uses({name: str(role["Arn"]) for name, role in found.items()})
        created = {name: role["CreateDate"] for name, role in found.items()}
        return resources.check_permissions(uses, created, self._now, tracking_start(self._now))

    def _alarms(self) -> CheckResult:
        every = AccountReadings(self._clients, partial(clients_of, self._environment)).read_alarms(self.context.name)
        # The local cloud makes no backups, so the alarms that miss them say nothing.
        alarms = [one for one in every if not (self._environment.local and one.name.startswith(_BACKUP_ALARMS))]
        history = self._account.read_alarm_history(self._now - alarm_history.HISTORY, self._now)
        names = {alarm.name for alarm in alarms}
        fired = {name: times for name, times in history.items() if name in names}
        return alarm_history.check_alarm_history(alarms, fired, self._now)

    def _dead_letters(self) -> CheckResult:
        messages = {
            name: int(queue["ApproximateNumberOfMessages"])
            for name, queue in readers.queues(self._clients, self._names)
            if _DEAD_LETTERS in name
        }
        return resources.check_dead_letters(messages, self.context.name)

    def _performance(self) -> CheckResult:
        midnight = datetime.combine(self._now.date(), time(), self._now.tzinfo)
        this_week = self._usage.read_latency(environments.FUNCTIONS, Window(midnight - WEEK, midnight))
        last_week = self._usage.read_latency(environments.FUNCTIONS, Window(midnight - 2 * WEEK, midnight - WEEK))
        return trends.check_performance(this_week, last_week, self.context.name)

    def _cost(self) -> CheckResult:
        today = self._now.date()
        since = min(today.replace(day=1), today - 2 * WEEK)
        by_day = self._account.read_daily_cost(self.context.name, since, today)
        return trends.check_cost(by_day, self._environment.budget.monthly_usd, today, self.context.name)

    def _memory(self) -> CheckResult:
        prices, service = load_prices(self._environment.region), self._environment.service
        uses = [
            memory.MemoryUse(
                name,
                service.functions[name].memory_mb,
                reports.most_used_mb,
                reports.invocations * WEEKS_PER_MONTH,
                reports.billed_ms,
                reports.p99_ms,
                service.alarms.p99_latency_ms,
            )
            for name, function in self._functions.items()
            if (reports := self._usage.read_reports(f"{_LOG_PREFIX}{function}", self._week)) is not None
        ]
        return memory.recommend_memory(
            uses, environments.FUNCTIONS, prices, self.context.name, weeks_per_month=WEEKS_PER_MONTH
        )

    def _concurrency(self) -> CheckResult:
        settings = self._environment.service.functions
        limited = any(one.reserved_concurrency or one.provisioned_concurrency for one in settings.values())
        peaks = self._peaks if limited else {}
        uses = [
            concurrency.ConcurrencyUse(
                name, one.memory_mb, one.reserved_concurrency, one.provisioned_concurrency, peaks.get(name)
            )
            for name, one in settings.items()
        ]
        return concurrency.recommend_concurrency(uses, load_prices(self._environment.region), self.context.name)

    def _capacity(self) -> CheckResult:
        service, stores = self._environment.service, self._environment.stores
        consumed = self._usage.read_consumed({"state": service.state_table, "tokens": service.tokens_table}, self._week)
        uses = []
        for table, kinds in consumed.items():
            limits = stores.units[table] if stores.units else None
            of_reads = (limits.least_reads, limits.most_reads) if limits else ON_DEMAND
            of_writes = (limits.least_writes, limits.most_writes) if limits else ON_DEMAND
            reads, writes = _units(kinds["reads"], *of_reads), _units(kinds["writes"], *of_writes)
            uses.append(table_capacity.TableUse(table, reads, writes))
        return table_capacity.recommend_capacity(
            uses,
            load_prices(self._environment.region),
            self.context.name,
            provisioned=stores.provisioned,
            target_percent=stores.target_utilisation_percent,
        )

    def _logs(self) -> CheckResult:
        groups = [
            log_retention.LogGroup(name, int(group.get("storedBytes", 0)), group.get("retentionInDays"))
            for name, group in readers.logs(self._clients, self._names)
        ]
        return log_retention.recommend_retention(groups, load_prices(self._environment.region), self.context.name)

    def _throttles(self) -> CheckResult:
        peak = self._usage.read_peak_requests_per_second(environments.FUNCTIONS, self._week)
        return throttles.recommend_throttle(
            peak, self._environment.service.throttle_requests_per_second, self.context.name
        )


def complete(check: str, judge: Callable[[], CheckResult], env: str) -> CheckResult:
    """Return the result of a check, also of one whose reading fails or is denied.

    Args:
        check: its name.
        judge: reads what it needs, and returns the result.
        env: the environment's name, for the remedy.
    """
    results: list[CheckResult] = []

    def judged() -> Result:
        try:
            results.append(judge())
        except Refused as error:  # such as a region without prices
            results.append(not_checked(check, f"{error.field}: {error.value}", error.remedy))
        return passed("")

    named = examine(check, judged, env)
    return results[0] if results else result_of_doctor(check, named.result)


def _units(consumed: Consumed, least: int, most: int | None) -> table_capacity.UnitsUse:
    per_second = consumed.total / WEEK.total_seconds()
    return table_capacity.UnitsUse(
        consumed.total * WEEKS_PER_MONTH, consumed.busiest_minute / 60, per_second, most, least
    )
