"""Checks of an environment in operation: settings, notifications, alarms, configuration, recovery and releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.domain.deployment.freeze import Freeze
from orchestrator.domain.deployment.record import Deployment
from orchestrator.domain.doctor.result import Result, failed, listed, passed, warned
from orchestrator.domain.names import SERVICE_STACK

BACKUP_AGE = timedelta(hours=36)
"""One backup a day, which starts within an hour and ends within eight (infrastructure/backups/stack.py)."""

ALARM = "ALARM"


@dataclass(frozen=True)
class Subscription:
    """A subscription to a topic. `confirmed`: its owner confirmed it, so it is notified."""

    address: str
    confirmed: bool


@dataclass(frozen=True)
class AlarmReading:
    """An alarm. `actions`: whether they are enabled; without them an alarm has no effect."""

    name: str
    state: str
    actions: bool


def check_settings(examples: Mapping[str, str]) -> Result:
    """Check that no setting still has an example's value.

    Args:
        examples: the settings that have one, with their values.
    """
    if examples:
        found = listed(f"{field} = {value}" for field, value in examples.items())
        return failed(
            f"example values: {found}", "give the values of your own in environments.toml, then npx cdk deploy"
        )
    return passed("no setting has an example's value")


def check_subscriptions(
    contacts: Mapping[str, Sequence[str]], subscriptions: Mapping[str, Sequence[Subscription]], env: str
) -> Result:
    """Check that the contacts of the settings are notified.

    Args:
        contacts: addresses of the settings, by topic.
        subscriptions: those of the topic in the account, by topic.
        env: the environment's name.
    """
    confirmed = {topic: {one.address for one in found if one.confirmed} for topic, found in subscriptions.items()}
    absent = {
        f"{address} ({topic})"
        for topic, addresses in contacts.items()
        for address in addresses
        if address not in {one.address for one in subscriptions.get(topic, ())}
    }
    pending = {
        f"{address} ({topic})"
        for topic, addresses in contacts.items()
        for address in addresses
        if address not in confirmed.get(topic, set())
    }
    if absent:
        return failed(f"not subscribed: {listed(absent)}", f"npx cdk deploy --all -c environment={env}")
    confirm = "open the confirmation that AWS sent; `aws sns subscribe` with the same address sends it again"
    if not confirmed.get("operators"):
        remedy = confirm if pending else f"give an address in [{env}.contacts] operators, then npx cdk deploy"
        return failed("no operator is notified of alarms: the topic has no confirmed subscription", remedy)
    if pending:
        return warned(f"not confirmed: {listed(pending)}", confirm)
    return passed(f"{sum(map(len, confirmed.values()))} confirmed")


def check_alarm_actions(alarms: Sequence[AlarmReading], env: str) -> Result:
    """Check that there are alarms, and that their actions are enabled."""
    if not alarms:
        return failed("there is no alarm", f"npx cdk deploy --all -c environment={env}")
    disabled = [alarm.name for alarm in alarms if not alarm.actions]
    if disabled:
        remedy = f"aws cloudwatch enable-alarm-actions --alarm-names {' '.join(sorted(disabled))}"
        return failed(f"actions are disabled: {listed(disabled)}", remedy)
    return passed(f"enabled for {len(alarms)} alarms")


def check_alarm_states(alarms: Sequence[AlarmReading]) -> Result:
    """Check that no alarm is in ALARM."""
    firing = [alarm.name for alarm in alarms if alarm.state == ALARM]
    if firing:
        return failed(f"in ALARM: {listed(firing)}", "docs/runbooks/alarms.md has a section for each")
    return passed(f"none of {len(alarms)} is in ALARM")


def check_drift(snapshot: str | None, differences: Sequence[str], env: str) -> Result:
    """Check that the configuration is still that of the newest snapshot.

    Args:
        snapshot: id of the newest snapshot; None without one.
        differences: the resources that differ.
        env: the environment's name.
    """
    if snapshot is None:
        return warned("there is no snapshot to compare with", f"orchestrator config backup --env {env}")
    if differences:
        remedy = f"orchestrator config diff --env {env}; if it is wanted, orchestrator config backup --env {env}"
        return warned(f"changed since {snapshot}: {listed(set(differences))}", remedy)
    return passed(f"equal to {snapshot}")


def check_point_in_time(tables: Mapping[str, bool], env: str) -> Result:
    """Check that every table can be restored to a point in time. `tables`: whether it is on, by table."""
    without = [table for table, enabled in tables.items() if not enabled]
    if without:
        return failed(f"off for {listed(without)}", f"npx cdk deploy {SERVICE_STACK}-{env} -c environment={env}")
    return passed(f"on for {len(tables)} tables")


def check_backups(newest: Mapping[str, datetime | None], now: datetime, hour_utc: int) -> Result:
    """Check that every table has a recent backup.

    Args:
        newest: creation of the newest backup by table; None without one.
        now: aware.
        hour_utc: when backups start.
    """
    old = [table for table, at in newest.items() if at is None or now - at > BACKUP_AGE]
    if old:
        remedy = f"wait for the next backups ({hour_utc}:00 UTC), and see docs/runbooks/alarms.md#backup-failed"
        return failed(f"no backup of the last {BACKUP_AGE.total_seconds() / 3600:.0f} h: {listed(old)}", remedy)
    return passed(f"{len(newest)} tables have one of the last {BACKUP_AGE.total_seconds() / 3600:.0f} h")


def check_drill(succeeded_at: datetime | None, within: timedelta, now: datetime, env: str) -> Result:
    """Check that a drill proved in time that the tables can be recovered.

    Args:
        succeeded_at: end of the newest successful drill; None without one.
        within: `success_within_hours` of the settings.
        now: aware.
        env: the environment's name.
    """
    hours, remedy = within.total_seconds() / 3600, f"orchestrator drill --env {env} --watch"
    if succeeded_at is None:
        return failed("no drill has succeeded: nothing proves that the tables can be recovered", remedy)
    age = now - succeeded_at
    if age > within:
        return failed(f"the newest success is {age.total_seconds() / 3600:.0f} h old, of {hours:g} h at most", remedy)
    return passed(f"succeeded at {succeeded_at:%Y-%m-%d %H:%M} UTC, within {hours:g} h")


def check_freeze(freeze: Freeze | None, env: str) -> Result:
    """Check whether deployments are accepted."""
    if freeze is not None and freeze.is_active:
        return warned(freeze.description, f"orchestrator unfreeze --env {env} --reason …")
    return passed("deployments are accepted")


def check_live_state(problems: Sequence[str], env: str) -> Result:
    """Check that the aliases are where the ledger recorded them."""
    if problems:
        return failed("; ".join(problems), f"orchestrator repair --env {env}")
    return passed("the aliases are where the ledger recorded them")


def check_release(stable: Deployment | None, checklist: Sequence[str], env: str) -> Result:
    """Check that a deployment made the live versions stable; before the first one, report what it needs.

    Args:
        stable: the newest deployment after which its release was live; None before the first one.
        checklist: the items that a deployment must bring.
        env: the environment's name.
    """
    if stable is not None and stable.ended_at is not None:
        return passed(f"{stable.id} made its release stable at {stable.ended_at:%Y-%m-%d %H:%M} UTC")
    needs = f"orchestrator deploy --env {env} --watch"
    if checklist:
        needs = (
            f"orchestrator checklist, then orchestrator release promote RELEASE --env {env} --after … "
            "--checklist-file FILE --watch"
        )
    reason = "no deployment is recorded: the versions that npx cdk deploy published are live, and nothing verified them"
    return failed(reason, f"{needs}; then orchestrator verify --env {env} (docs/guides/doctor.md)")
