"""Every alarm of every template: it fires when it should and not otherwise, and links its runbook.

Alarms are judged by the local cloud's own evaluator, on the metrics that they watch, in this process and without waiting. What a
scene gives is by the runbook's section, because alarms that mean the same ring for the same reason.
"""

import dataclasses
import importlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aws_cdk import App, Stack
from aws_cdk.aws_sns import Topic
from typer.main import get_command

from infrastructure.monitoring.alarms import create_limit_alarms
from infrastructure.monitoring.stack import alarm_names
from infrastructure.orchestrator.alarms import create_alarms as orchestrator_alarms
from infrastructure.security.cloudtrail_alarms import cloudtrail_alarms
from infrastructure.service.alarms import create_alarms as service_alarms
from orchestrator import environments
from orchestrator.cli.main import app
from orchestrator.local.emulator.cloudwatch import metric_store
from orchestrator.local.emulator.cloudwatch.alarm_config import normalize_metrics, parse_alarm, validate_alarm
from orchestrator.local.emulator.cloudwatch.alarm_state import ALARM, OK, evaluate
from tests.alarm_list import sections_of
from tests.infrastructure.templates import resources

ROOT = Path(environments.settings_file()).parent
RUNBOOK = ROOT / "docs/runbooks/alarms.md"
OF_A_STANDBY_REGION = {"issuing-lease", "failover-plan", "failover-stopped", "evidence-copies"}
"""Sections of alarms that only an environment with a standby region has (test_standby.py)."""
LINK = re.compile(r"Runbook: docs/runbooks/alarms\.md#([a-z0-9-]+)$")
NOW = 1_800_000_000 // 3600 * 3600
ONE, NOTHING, STAYS = 1.0, None, "stays"
PARTS = ["Severity", "Meaning", "Impact", "Diagnosis", "Mitigation", "Escalation"]
SAID_ONCE = {"recovery-drill-failed", "rto-exceeded", "rpo-exceeded"}
"""Of each drill once: between two of them an alarm stays as it is."""


@dataclass(frozen=True)
class Scene:
    """What each metric says a period: when the alarm must ring, and when it must not."""

    ill: dict[str, float | None]
    well: dict[str, float | None]
    also_well: tuple[dict[str, float | None], ...] = field(default=())
    also_ill: tuple[dict[str, float | None], ...] = field(default=())


SHARE = ({"Errors": 0, "Invocations": 0}, {"Errors": 9, "Invocations": 9})
"""No requests; too few requests for a rate to say anything."""
SCENES = {
    "server-errors": Scene(
        {"ServerErrors": 20, "Requests": 100},
        {"ServerErrors": 2, "Requests": 100},
        ({"ServerErrors": 9, "Requests": 9},),
    ),
    "latency": Scene({"Latency": 5000}, {"Latency": 150}),
    "errors": Scene({"Errors": 20, "Invocations": 100}, {"Errors": 2, "Invocations": 100}, SHARE),
    "throttles": Scene(
        {"Throttles": 20, "Invocations": 100},
        {"Throttles": 0, "Invocations": 100},
        ({"Throttles": 5, "Invocations": 4}, {"Invocations": 100}, {}),
        # Lambda counts no invocation where it throttles all of them.
        ({"Throttles": 20, "Invocations": NOTHING},),
    ),
    "upstream-errors": Scene(
        {"UpstreamErrors": 20, "Requests": 100},
        {"UpstreamErrors": 2, "Requests": 100},
        ({"UpstreamErrors": 9, "Requests": 9}, {"Requests": 100}),
    ),
    "refused-grants": Scene(
        {"RefusedGrants": 80, "KnownGrants": 100},
        {"RefusedGrants": 10, "KnownGrants": 100},
        ({"RefusedGrants": 9, "KnownGrants": 9}, {}),
    ),
    "api-server-errors": Scene(
        {"5XXError": 20, "Count": 100, "Throttles": NOTHING, "UpstreamErrors": NOTHING},
        {"5XXError": 2, "Count": 100, "Throttles": 0, "UpstreamErrors": 0},
        # A flood and an identity provider are not the release's: each of the functions throttles five, say.
        ({"5XXError": 40, "Count": 100, "Throttles": 5, "UpstreamErrors": 25},),
    ),
    "rollback-failed": Scene(
        dict.fromkeys(("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"), ONE),
        dict.fromkeys(("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"), 0),
    ),
    "deployment-failed": Scene({"ExecutionsTimedOut": 1}, {"ExecutionsTimedOut": 0}),
    "event-handler-errors": Scene({"Errors": 1}, {"Errors": 0}),
    "dead-letters": Scene({"ApproximateNumberOfMessagesVisible": 1}, {"ApproximateNumberOfMessagesVisible": 0}),
    "api-throttle-near-limit": Scene({"Count": 1_000_000}, {"Count": 600}),
    "concurrency-near-limit": Scene({"ConcurrentExecutions": 900}, {"ConcurrentExecutions": 20}),
    "duration-near-timeout": Scene({"Duration": 14_500}, {"Duration": 300}),
    "table-throttled": Scene(
        {"ReadThrottleEvents": 1, "WriteThrottleEvents": NOTHING},
        {"ReadThrottleEvents": NOTHING, "WriteThrottleEvents": NOTHING},
        ({"ReadThrottleEvents": 0, "WriteThrottleEvents": 0},),
    ),
    "table-errors": Scene({"SystemErrors": 1}, {"SystemErrors": NOTHING}),
    "log-volume": Scene({"IncomingBytes": 400_000_000}, {"IncomingBytes": 1_000_000}),
    "notification-delivery-failed": Scene({"NumberOfNotificationsFailed": 1}, {"NumberOfNotificationsFailed": 0}),
    **{
        alarm.name: Scene({alarm.metric: alarm.threshold + 1}, {alarm.metric: alarm.threshold or NOTHING})
        for alarm in cloudtrail_alarms(environments.load("prod"))
    },
    "waf-blocked-requests": Scene({"BlockedRequests": 600}, {"BlockedRequests": 100}),
    "recovery-drill-failed": Scene({"DrillSucceeded": 0}, {"DrillSucceeded": 1}),
    "rto-exceeded": Scene({"RecoverySeconds": 1_000_000}, {"RecoverySeconds": 60}),
    "rpo-exceeded": Scene({"DataLossSeconds": 1_000_000}, {"DataLossSeconds": 1}),
    "recovery-drill-overdue": Scene({"SecondsSinceSuccessfulDrill": 10_000_000}, {"SecondsSinceSuccessfulDrill": 3600}),
    "restored-tables-unused": Scene(
        {"UnusedRestoredTableSeconds": 15 * 86_400}, {"UnusedRestoredTableSeconds": 13 * 86_400}
    ),
    "backup-failed": Scene(
        {"NumberOfBackupJobsFailed": NOTHING, "NumberOfBackupJobsExpired": 1, "NumberOfBackupJobsAborted": NOTHING},
        dict.fromkeys(("NumberOfBackupJobsFailed", "NumberOfBackupJobsExpired", "NumberOfBackupJobsAborted"), NOTHING),
        (dict.fromkeys(("NumberOfBackupJobsFailed", "NumberOfBackupJobsExpired", "NumberOfBackupJobsAborted"), 0),),
    ),
    "backup-copy-failed": Scene({"NumberOfCopyJobsFailed": 1}, {"NumberOfCopyJobsFailed": NOTHING}),
    "backup-overdue": Scene({"NumberOfBackupJobsCompleted": NOTHING}, {"NumberOfBackupJobsCompleted": 4}),
    "reconciler-not-running": Scene({"Invocations": NOTHING}, {"Invocations": 1}),
    "live-state": Scene({"LiveStateProblems": 1}, {"LiveStateProblems": 0}),
}


NOT_EVALUATED_HERE = {"latency-anomaly"}
"""Bands that CloudWatch learns in two weeks; the local cloud stores such an alarm. `tests/infrastructure/test_monitoring.py` holds its text."""


def alarms(one) -> list[dict]:
    found = [alarm for template in one.all for alarm in resources(template, "AWS::CloudWatch::Alarm").values()]
    assert len({alarm["AlarmName"] for alarm in found}) == len(found)
    return found


def alarms_of(template: dict) -> list[dict]:
    return list(resources(template, "AWS::CloudWatch::Alarm").values())


def section_of(alarm: dict) -> str:
    link = LINK.search(alarm["AlarmDescription"])
    assert link, f"{alarm['AlarmName']} says no runbook: {alarm['AlarmDescription']}"
    return link[1]


def sections() -> list[str]:
    return re.findall(r"^### ([a-z0-9-]+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)


def metrics_of(alarm: dict) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of what an alarm watches."""
    watched = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
    return [
        (one["Namespace"], one["MetricName"], {pair["Name"]: pair["Value"] for pair in one.get("Dimensions", [])})
        for one in watched
    ]


def plain(value):
    """A template's value with a name in the place of what is only known when it is deployed."""
    if (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub"}
    ):
        return str(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def state(alarm: dict, says: dict[str, float | None]) -> str:
    """The state of an alarm whose metrics say the same in every period; a metric that is not named says nothing."""
    if "Metrics" in alarm:
        alarm = alarm | {"Metrics": normalize_metrics(alarm["Metrics"])}
    validate_alarm(alarm)  # AWS would take it
    watch = parse_alarm(alarm)
    assert watch, f"{alarm['AlarmName']} cannot be evaluated here"
    store = importlib.import_module("ministack.services.cloudwatch")._metrics
    store.clear()
    periods = [NOW - watch.period_seconds * age for age in range(watch.rule.range_periods, 0, -1)]
    for namespace, name, dimensions in metrics_of(alarm):
        if says.get(name) is not None:
            for start in periods:
                metric_store.put_metric(namespace, name, dimensions, says[name], at=start, resolution_seconds=1)
    judged = evaluate(watch.rule, watch.read_datapoints(periods), periods)
    store.clear()
    return judged.state if judged else STAYS


@pytest.mark.strategy("Monitoring: Alarm configuration")
def test_every_alarm_fires_when_it_should_and_only_then(every):
    judged = [alarm for alarm in map(plain, alarms(every)) if section_of(alarm) not in NOT_EVALUATED_HERE]
    assert len(judged) > len(SCENES)
    for alarm in judged:
        scene = SCENES[section_of(alarm)]
        known = {name for _, name, _ in metrics_of(alarm)}
        assert known <= scene.ill.keys(), f"{alarm['AlarmName']} watches {known}"
        for ill in (scene.ill, *scene.also_ill):
            assert state(alarm, ill) == ALARM, (alarm["AlarmName"], ill)
        for quiet in (scene.well, *scene.also_well):
            assert state(alarm, quiet) == OK, (alarm["AlarmName"], quiet)


@pytest.mark.strategy("Monitoring & Alerts: Resource utilization")
def test_every_alarm_names_a_section_of_the_runbook_and_every_section_an_alarm(every):
    composites = [
        one for template in every.all for one in resources(template, "AWS::CloudWatch::CompositeAlarm").values()
    ]
    named = {section_of(alarm) for alarm in (*alarms(every), *composites)}

    assert named <= set(sections()), "write the section in docs/runbooks/alarms.md"
    if every.name == "prod":
        assert named | OF_A_STANDBY_REGION == set(sections())
    assert len(sections()) == len(set(sections()))


def test_every_section_has_a_severity_five_parts_and_a_first_command():
    _, *parts = re.split(r"^### .+$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert parts
    for name, text in zip(sections(), parts, strict=True):
        section, _, _ = text.partition("\n## ")
        assert re.findall(r"^- \*\*(\w+):\*\*", section, re.MULTILINE) == PARTS, name
        assert re.search(r"^- \*\*Severity:\*\* SEV[123]\. Opens", section, re.MULTILINE), name
        assert re.search(r"^- \*\*Diagnosis:\*\*\n  ```sh\n  (orchestrator|aws) \w+", section, re.MULTILINE), name


def test_every_orchestrator_command_of_the_runbook_exists():
    known = get_command(app).commands
    named = set(
        re.findall(r"(?:`|^ *)orchestrator ([a-z][a-z-]+)\b", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    )

    assert named
    assert named <= known.keys()


def test_every_alarm_takes_missing_data_for_something(every):
    # Left to itself CloudWatch keeps such an alarm in INSUFFICIENT_DATA, which notifies nowhere.
    for alarm in alarms(every):
        # While the lock changes hands the reconciler emits nothing, which is no news of the live state.
        kept = section_of(alarm) in SAID_ONCE or section_of(alarm) == "live-state"
        taken_for = {"ignore"} if kept else {"breaching", "notBreaching"}
        assert alarm["TreatMissingData"] in taken_for, alarm["AlarmName"]


def test_the_runbook_names_the_alarms_that_fire_in_a_new_environment(every):
    (paragraph,) = re.findall(
        r"^\*\*A new environment\*\* .+?\n\n", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    named = set(re.findall(r"`([a-z-]+)`", paragraph)) - {"event-handler-errors"}
    assert named == {section_of(alarm) for alarm in alarms(every) if alarm["TreatMissingData"] == "breaching"}
    for alarm in map(plain, alarms(every)):
        if section_of(alarm) not in NOT_EVALUATED_HERE:
            assert (state(alarm, {}) == ALARM) is (section_of(alarm) in named), alarm["AlarmName"]


def test_every_alarm_evaluates_what_is_late(each):
    delay = environments.load(each.name).service.alarms.metric_delay_seconds
    evaluated = [alarm for alarm in map(plain, alarms(each)) if section_of(alarm) not in NOT_EVALUATED_HERE]
    assert len(evaluated) > 30
    for alarm in evaluated:
        watch = parse_alarm(alarm | ({"Metrics": normalize_metrics(alarm["Metrics"])} if "Metrics" in alarm else {}))
        assert watch
        late = watch.rule.evaluation_periods - watch.rule.datapoints_to_alarm
        if alarm["TreatMissingData"] == "breaching":
            # An alarm on silence: what is late is silent, so all of its periods must be, and more than can only be late.
            assert late == 0, alarm["AlarmName"]
            assert watch.rule.evaluation_periods * watch.period_seconds > delay, alarm["AlarmName"]
        else:
            assert late * watch.period_seconds >= delay, alarm["AlarmName"]


def test_the_stacks_with_alarms_are_checked(home, standby, everything_on):
    """Those of the tables, of backups and of copies have none: they have alarms of the monitoring stack."""
    with_alarms = {
        file.name.removeprefix("ib-oauth-").rpartition("-")[0]
        for one in (home, standby, everything_on)
        for template, file in zip(one.all, one.files, strict=True)
        if alarms_of(template)
    }
    assert with_alarms == {"stack", "orchestrator", "monitoring", "security", "status"}


@pytest.mark.parametrize("name", ["state", "event", "change", "lock", "rollback", "oauth", "alarm-state"])
def test_an_environment_is_named_at_the_end_of_its_alarms_names_and_nowhere_else(name):
    def names(environment: str) -> list[str]:
        stack = Stack(App(), "alarms")
        renamed = dataclasses.replace(environments.load("prod"), name=environment)
        topic = Topic(stack, "Topic")
        machines = {"rollback_machine": "rollback", "deployment_machine": "deployment"}
        queues = {"dead_letter_queue": "dead-letters", "notification_dead_letters": "notification-dead-letters"}
        handlers = ("event-alarm-state-change", "event-reconcile")
        orchestrator_alarms(stack, renamed, topic, handlers, **machines, **queues)
        create_limit_alarms(stack, renamed, topic)
        service_alarms(stack, renamed, "IbOauth")
        return alarm_names(stack)

    assert names(name) == [f"{one.removesuffix('-prod')}-{name}" for one in names("prod")]


def test_an_alarm_that_subtracts_needs_more_periods_than_can_lack_what_it_subtracts(every):
    delay = environments.load(every.name).service.alarms.metric_delay_seconds
    (alarm,) = [one for one in alarms_of(every.service) if section_of(one) == "api-server-errors"]
    watch = parse_alarm(plain(alarm) | {"Metrics": normalize_metrics(plain(alarm)["Metrics"])})
    assert (watch.rule.datapoints_to_alarm - 1) * watch.period_seconds >= delay


def test_what_the_last_drill_said_holds_until_the_next_one(every):
    found = {section_of(alarm): plain(alarm) for alarm in alarms(every) if section_of(alarm) in SAID_ONCE}
    assert found.keys() == SAID_ONCE
    for alarm in found.values():
        assert state(alarm, {}) == STAYS


def test_every_alarm_is_in_the_runbook_s_list_by_its_name_with_its_section(each):
    listed = {}
    for template in each.all:
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            for alarm in resources(template, kind).values():
                name = alarm["AlarmName"].removeprefix("ib-oauth-").removesuffix(f"-{each.name}")
                listed[name] = (sections_of(name), {LINK.search(alarm["AlarmDescription"])[1]})
    assert len(listed) > 40
    assert {name: found for name, found in listed.items() if found[0] != found[1]} == {}
