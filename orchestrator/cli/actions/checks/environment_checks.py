"""What `orchestrator doctor` checks: each check reads what it needs, and judges it."""

from __future__ import annotations

import json as json_text
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator import environments
from orchestrator.application.cloud import now as present
from orchestrator.application.live_state import read_live_state
from orchestrator.aws.account_readings import AccountReadings
from orchestrator.aws.lambda_.account_limits import AccountLimits
from orchestrator.aws.oauth_tables.managed_clients import ClientItems
from orchestrator.cli.context import Context
from orchestrator.domain.capacity.account_concurrency import Reservation
from orchestrator.domain.clients.consistency import check_clients
from orchestrator.domain.configuration.snapshot import snapshot_differences
from orchestrator.domain.deployment.release import STABLE_OUTCOMES
from orchestrator.domain.doctor import account, operation, stacks
from orchestrator.domain.doctor.examples import example_values
from orchestrator.domain.doctor.result import Result, skipped
from orchestrator.domain.incidents import coverage
from orchestrator.domain.names import PREFIX, global_name, resource_name
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.domain.recovery.record import RecoveryOutcome, Role
from orchestrator.environments.settings_document import SettingsFile

TOPICS = ("operators", "clients", "security")
SOURCES = Path(__file__).resolve().parents[4]
"""The folder of the packages, in a clone and where the wheel is installed."""

_GITHUB = "token.actions.githubusercontent.com"
_POLICIES = {"stack": "infrastructure/service", "orchestrator": "infrastructure/orchestrator"}


@dataclass(frozen=True)
class Checks:
    """The checks of an environment, in the order in which an operator would solve their problems.

    Attributes:
        clients_in: returns botocore clients by service for another region than the environment's.
    """

    context: Context
    clients_in: Callable[[str], Callable[[str], Any]]

    def all(self) -> Iterator[tuple[str, Callable[[], Result]]]:
        """Yield the name of each check, and what reads and judges."""
        elsewhere = {
            "settings": "has no clients but those of this machine",
            "bootstrap": "is bootstrapped by its launcher",
            "cost-tags": "has no bill",
            "subscriptions": "sends no e-mail",
            "backups": "is seldom old enough for a daily backup",
            "on-call": "pages no person",
            "pagers": "pages no person",
        }
        for name, judge in {
            "settings": self._settings,
            "credentials": self._credentials,
            "bootstrap": self._bootstrap,
            "quotas": self._quotas,
            "cost-tags": self._cost_tags,
            "pipeline": self._pipeline,
            "stacks": self._stacks,
            "stack-policies": self._stack_policies,
            "subscriptions": self._subscriptions,
            "on-call": self._on_call,
            "pagers": self._pagers,
            "clients": self._managed_clients,
            "alarm-actions": self._alarm_actions,
            "alarms": self._alarms,
            "configuration": self._configuration,
            "point-in-time": self._point_in_time,
            "backups": self._backups,
            "drill": self._drill,
            "freeze": self._freeze,
            "live-state": self._live_state,
            "release": self._release,
        }.items():
            if self._environment.local and name in elsewhere:
                yield name, _not_local(elsewhere[name])
            else:
                yield name, judge

    @cached_property
    def caller(self) -> tuple[str, str]:
        """The ARN of the credentials, and its account."""
        return self._readings.read_caller()

    @property
    def _environment(self) -> environments.Environment:
        return self.context.environment

    @cached_property
    def _readings(self) -> AccountReadings:
        def clients_in(region: str) -> Callable[[str], Any]:
            return self.context.clients if region == self._environment.region else self.clients_in(region)

        return AccountReadings(self.context.clients, clients_in)

    @property
    def _other_regions(self) -> tuple[str, ...]:
        copy = self._environment.backups.copy_region
        return tuple(dict.fromkeys([*([copy] if copy else []), *self._environment.stores.replicas]))

    def _name(self, name: str) -> str:
        return resource_name(name, self.context.name)

    def _settings(self) -> Result:
        tables = SettingsFile.read(environments.settings_file()).merged(self.context.name)
        return operation.check_settings(example_values(tables, self.context.name))

    def _credentials(self) -> Result:
        arn, account_id = self.caller
        return account.check_account(arn, account_id, self._environment.account, local=self._environment.local)

    def _bootstrap(self) -> Result:
        versions = self._readings.read_bootstrap((self._environment.region, *self._other_regions))
        return account.check_bootstrap(versions, self.context.account)

    def _quotas(self) -> Result:
        limits, functions = AccountLimits(self.context.clients("lambda")), self._environment.service.functions
        wanted = {name: function.reserved_concurrency or 0 for name, function in functions.items()}
        current = limits.read_reserved({name: self.context.function_name(name) for name in functions})
        return account.check_quotas(limits.read_concurrency(), Reservation(wanted, current))

    def _cost_tags(self) -> Result:
        return account.check_cost_tags(self._readings.read_cost_tags(account.COST_TAGS))

    def _pipeline(self) -> Result:
        pipeline = self._environment.pipeline
        if pipeline is None:
            return account.no_pipeline()
        provider = pipeline.provider or f"arn:aws:iam::{self.context.account}:oidc-provider/{_GITHUB}"
        role = global_name(self._name("pipeline"), self.context.name, self._environment.region_in_names)
        return account.check_pipeline(
            self._readings.find_provider(provider), self._readings.find_role(role), provider, role, self.context.name
        )

    def _stacks(self) -> Result:
        names = {self._name(f"copy-{region}"): region for region in self._other_regions}
        own = ("security", "stack", "orchestrator", "backups", "monitoring")
        names |= {self._name(name): self._environment.region for name in own}
        return stacks.check_stacks(list(names), self._readings.read_stacks(names), self.context.name)

    def _stack_policies(self) -> Result:
        files = {self._name(name): f"{folder}/stack_policy.json" for name, folder in _POLICIES.items()}
        wanted = {stack: json_text.loads((SOURCES / file).read_bytes()) for stack, file in files.items()}
        return stacks.check_stack_policies(self._readings.read_stack_policies(list(files)), wanted, files)

    def _subscriptions(self) -> Result:
        prefix = f"arn:aws:sns:{self._environment.region}:{self.context.account}"
        found = self._readings.read_subscriptions({topic: f"{prefix}:{self._name(topic)}" for topic in TOPICS})
        contacts = {topic: self._environment.contacts[topic] for topic in TOPICS}
        return operation.check_subscriptions(contacts, found, self.context.name)

    def _on_call(self) -> Result:
        return coverage.check_on_call(self._environment.incidents.rota, present(), self.context.name)

    def _pagers(self) -> Result:
        pagers = [one for one in self._environment.notifications if one.pages]
        found = self._readings.read_secrets({one.name: one.secret for one in pagers})
        return coverage.check_pagers(self._environment.incidents, pagers, found, self.context.name)

    def _managed_clients(self) -> Result:
        service = self._environment.service
        clients = self.context.cloud.client_records.list_clients()
        items = ClientItems(self.context.clients("dynamodb"), self.context.live_tables[Role.TOKENS])
        stored = {client.client_id: items.read_revision(client.client_id) for client in clients}
        configured = {client.client_id for client in service.clients}
        return check_clients(clients, stored, configured, switched_on=service.managed_clients, env=self.context.name)

    @cached_property
    def _alarm_readings(self) -> tuple[operation.AlarmReading, ...]:
        return self._readings.read_alarms(self.context.name)

    def _alarm_actions(self) -> Result:
        return operation.check_alarm_actions(self._alarm_readings, self.context.name)

    def _alarms(self) -> Result:
        # The local cloud makes no backups, so the alarms that miss them say nothing.
        local = self._environment.local
        alarms = [one for one in self._alarm_readings if not (local and one.name.startswith(f"{PREFIX}backup-"))]
        return operation.check_alarm_states(alarms)

    def _configuration(self) -> Result:
        cloud = self.context.cloud
        record = next(iter(cloud.artifacts.list_snapshots(1)), None)
        if record is None:
            return operation.check_drift(None, (), self.context.name)
        changes = snapshot_differences(cloud.artifacts.read_snapshot(record), cloud.configuration("doctor"))
        return operation.check_drift(record.id, [f"{one.kind} {one.name}" for one in changes], self.context.name)

    @property
    def _tables(self) -> tuple[str, ...]:
        service = self._environment.service
        return (service.state_table, service.tokens_table, self._name("revocations"), self._name("ledger"))

    def _point_in_time(self) -> Result:
        recovery = self.context.cloud.point_in_time_recovery
        return operation.check_point_in_time(
            {table: recovery.is_enabled(table) for table in self._tables}, self.context.name
        )

    def _backups(self) -> Result:
        now = self.context.cloud.now()
        newest = self._readings.read_newest_backups(self._name("backups"), self._tables, now, operation.BACKUP_AGE)
        return operation.check_backups(newest, now, self._environment.backups.hour_utc)

    def _drill(self) -> Result:
        newest = self.context.cloud.drills.find_newest(lambda drill: drill.outcome is RecoveryOutcome.SUCCEEDED)
        policy = RecoveryPolicy.parse(self._environment.recovery)
        ended = newest.ended_at if newest else None
        return operation.check_drill(ended, policy.success_within, self.context.cloud.now(), self.context.name)

    def _freeze(self) -> Result:
        return operation.check_freeze(self.context.cloud.freezes.read_freeze(), self.context.name)

    def _live_state(self) -> Result:
        functions = {name: self.context.function_name(name) for name in environments.FUNCTIONS}
        state = read_live_state(functions, self.context.cloud.ledger.read_lock(), self.context.cloud)
        return operation.check_live_state(state.problems, self.context.name)

    def _release(self) -> Result:
        stable = self.context.cloud.ledger.find_newest(lambda record: record.outcome in STABLE_OUTCOMES)
        return operation.check_release(stable, self.context.policy.checklist, self.context.name)


def _not_local(reason: str) -> Callable[[], Result]:
    return lambda: skipped(f"the local cloud {reason}")
