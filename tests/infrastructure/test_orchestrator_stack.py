"""What the orchestrator's stack and its state machines have in every environment."""

import json

import pytest

from infrastructure.orchestrator.functions import EVENT_HANDLERS
from orchestrator import environments
from orchestrator.domain.recovery.policy import RecoveryPolicy
from orchestrator.local import post_deploy
from tests.infrastructure.templates import changed, named, resources, synthesise, text_of


def rule(one, name: str) -> dict:
    return named(one.orchestrator, "AWS::Events::Rule", "Name", f"ib-oauth-event-{name}-{one.name}")


def test_only_alarms_of_the_service_that_fire_reach_the_alarm_handler(every):
    pattern = rule(every, "alarm-state-change")["EventPattern"]

    assert pattern["source"] == ["aws.cloudwatch"]
    assert pattern["detail"] == {"state": {"value": ["ALARM"]}}
    names = {text_of(arn).rpartition(":")[2] for arn in pattern["resources"]}
    assert names == {alarm["AlarmName"] for alarm in resources(every.service, "AWS::CloudWatch::Alarm").values()}
    assert not any("*" in text_of(arn) for arn in pattern["resources"])


def test_every_bad_ending_of_a_machine_that_has_the_environment_s_lock_is_looked_into(every):
    pattern = rule(every, "execution-status-change")["EventPattern"]

    assert pattern["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert {text_of(arn).rpartition(":")[2] for arn in pattern["detail"]["stateMachineArn"]} == {
        f"ib-oauth-{name}-{every.name}" for name in ("deployment", "rollback", "restore")
    }


def test_after_a_drill_that_ends_badly_is_swept_at_once_and_after_all_every_five_minutes(every):
    pattern = rule(every, "drill-ended")["EventPattern"]

    assert pattern["detail"]["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    assert [text_of(arn).rpartition(":")[2] for arn in pattern["detail"]["stateMachineArn"]] == [
        f"ib-oauth-drill-{every.name}"
    ]
    assert rule(every, "clean-up-drills")["ScheduleExpression"] == "rate(5 minutes)"
    targets = {text_of(rule(every, name)["Targets"][0]["Arn"]) for name in ("drill-ended", "clean-up-drills")}
    assert len(targets) == 1
    assert "EventCleanUpDrills" in targets.pop()


def test_drills_begin_by_schedule_within_a_window_and_receive_the_scheduled_time(every):
    schedules = {one["Name"]: one for one in resources(every.orchestrator, "AWS::Scheduler::Schedule").values()}
    policy = RecoveryPolicy.parse(environments.load(every.name).recovery)

    schedule = schedules.pop(f"ib-oauth-drill-{every.name}")
    schedules.pop(f"ib-oauth-standing-grants-{every.name}")
    assert schedules.keys() == {f"ib-oauth-drill-{kind}-{every.name}" for kind in drill_kinds(every.name)}
    for kind, drill in policy.drills.items():
        of_kind = schedules[f"ib-oauth-drill-{kind}-{every.name}"]
        assert (of_kind["State"], of_kind["ScheduleExpression"]) == ("ENABLED", drill.expression)
        request = {"scheduled": "<aws.scheduler.scheduled-time>", "from": kind, "select": drill.selection}
        assert json.loads(of_kind["Target"]["Input"]) == request
    assert schedule["State"] == ("DISABLED" if every.name == "local" else "ENABLED")
    assert schedule["ScheduleExpression"] == (policy.drill_schedule or "rate(1 day)")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}
    target = schedule["Target"]
    assert json.loads(target["Input"]) == {"scheduled": "<aws.scheduler.scheduled-time>"}
    assert "EventStartDrill" in text_of(target["Arn"])
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLettersBBF8BAAB", "Arn"]}}


def test_standing_grants_are_kept_every_hour_by_the_function_that_starts_drills_and_without_a_window(every):
    schedules = {one["Name"]: one for one in resources(every.orchestrator, "AWS::Scheduler::Schedule").values()}
    schedule = schedules[f"ib-oauth-standing-grants-{every.name}"]
    # AWS begins a rate at the deployment of the stacks: no release is live at the first one, and the event would fail.
    expression = "rate(1 hour)" if every.name == "local" else "cron(0 * * * ? *)"
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", expression)
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    request = {"scheduled": "<aws.scheduler.scheduled-time>", "keep": "standing-grants"}
    assert json.loads(schedule["Target"]["Input"]) == request
    assert schedule["Target"]["Arn"] == schedules[f"ib-oauth-drill-{every.name}"]["Target"]["Arn"]


def test_the_lock_is_looked_after_every_minute(every):
    assert rule(every, "reconcile")["ScheduleExpression"] == "rate(1 minute)"


def test_the_key_ring_is_looked_at_four_times_an_hour(every):
    function = named(
        every.orchestrator,
        "AWS::Lambda::Function",
        "Handler",
        "orchestrator.event_handlers.rotate_signing_keys.handler",
    )
    variables = function["Environment"]["Variables"]

    assert rule(every, "rotate-signing-keys")["ScheduleExpression"] == "rate(15 minutes)"
    assert (variables["KEYS_TABLE"], variables["KEY_ROTATION_DAYS"]) == (f"ib-oauth-keys-{every.name}", "90")


def bucket_of(template, name):
    """Logical id of a bucket by the beginning of its name, and what it is."""
    return next(
        (key, one)
        for key, one in resources(template, "AWS::S3::Bucket").items()
        if text_of(one["BucketName"]).startswith(f"ib-oauth-{name}-")
    )


def denials_of(template, bucket):
    """Conditions of what a bucket's policy denies."""
    policy = next(
        one for one in resources(template, "AWS::S3::BucketPolicy").values() if one["Bucket"] == {"Ref": bucket}
    )
    return [found["Condition"] for found in policy["PolicyDocument"]["Statement"] if found["Effect"] == "Deny"]


def test_exports_lie_in_a_closed_bucket_that_nothing_outlives_by_a_day(every):
    logical, bucket = bucket_of(every.orchestrator, "exports")
    assert text_of(bucket["BucketName"]) == f"ib-oauth-exports-{every.name}-<AWS::AccountId>"
    (rule_of,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule_of["ExpirationInDays"], rule_of["Status"]) == (1, "Enabled")
    assert rule_of["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert "VersioningConfiguration" not in bucket
    assert "ObjectLockConfiguration" not in bucket
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    managed = environments.load(every.name).customer_managed_keys
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == ("aws:kms" if managed else "AES256")
    assert {"Bool": {"aws:SecureTransport": "false"}} in denials_of(every.orchestrator, logical)


def test_heartbeats_are_written_every_minute_and_locally_from_the_deployment_on(every):
    names = post_deploy.minutely_functions(every.orchestrator)
    assert names == [f"ib-oauth-event-{name}-{every.name}" for name in ("reconcile", "write-heartbeats")]


@pytest.mark.strategy("Backup Strategy: Configuration backups")
def test_the_configuration_is_looked_at_every_day(every):
    function = named(
        every.orchestrator,
        "AWS::Lambda::Function",
        "Handler",
        "orchestrator.event_handlers.take_configuration_snapshot.handler",
    )
    bucket, _ = bucket_of(every.orchestrator, "evidence")

    assert rule(every, "take-configuration-snapshot")["ScheduleExpression"] == "rate(1 day)"
    assert function["Environment"]["Variables"]["EVIDENCE_BUCKET"] == {"Ref": bucket}


def test_what_is_archived_is_kept_closed_and_never_replaced_unseen(every):
    logical, bucket = bucket_of(every.orchestrator, "evidence")
    (rule_of,) = bucket["LifecycleConfiguration"]["Rules"]
    settings = environments.load(every.name).evidence

    assert text_of(bucket["BucketName"]) == f"ib-oauth-evidence-{every.name}-<AWS::AccountId>"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert rule_of["ExpirationInDays"] == rule_of["NoncurrentVersionExpiration"]["NoncurrentDays"] == settings.keep_days
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    by_default = encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert by_default == ("aws:kms" if environments.load(every.name).customer_managed_keys else "AES256")
    assert {"Bool": {"aws:SecureTransport": "false"}} in denials_of(every.orchestrator, logical)


@pytest.mark.parametrize(("lock", "mode"), [("none", None), ("governance", "GOVERNANCE"), ("compliance", "COMPLIANCE")])
def test_how_the_archive_is_locked_is_a_setting(tmp_path, lock, mode):
    import dataclasses

    dev = environments.load("dev")
    environment = dataclasses.replace(dev, evidence=dataclasses.replace(dev.evidence, lock=lock, lock_days=7))

    _, bucket = bucket_of(synthesise(tmp_path, environment).orchestrator, "evidence")

    retention = {"DefaultRetention": {"Mode": mode, "Days": 7}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": retention} if mode else None
    assert bucket.get("ObjectLockConfiguration") == wanted


def test_releases_are_announced_on_our_own_bus(every):
    assert rule(every, "release-ready")["EventBusName"] == {"Ref": "BusEA82B648"}
    assert every.orchestrator["Resources"]["BusEA82B648"]["Properties"]["Name"] == f"ib-oauth-{every.name}"


def test_an_event_that_cannot_be_taken_in_is_kept(every):
    queue = {"Fn::GetAtt": ["DeadLettersBBF8BAAB", "Arn"]}
    for found in resources(every.orchestrator, "AWS::Events::Rule").values():
        (target,) = found["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": queue}
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 3600
    for name in EVENT_HANDLERS:
        function = named(
            every.orchestrator, "AWS::Lambda::Function", "Handler", f"orchestrator.event_handlers.{name}.handler"
        )
        assert function["DeadLetterConfig"] == {"TargetArn": queue}


@pytest.mark.parametrize("announcers", [(), ("arn:aws:iam::123456789012:role/pipeline",)])
def test_no_role_but_the_announcers_may_say_that_a_release_is_ready(tmp_path, announcers):
    import dataclasses

    environment = dataclasses.replace(environments.load("dev"), announcers=announcers)

    (policy,) = resources(synthesise(tmp_path, environment).orchestrator, "AWS::Events::EventBusPolicy").values()

    statement = policy["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == (
        "Deny",
        "events:PutEvents",
        {"AWS": "*"},
    )
    assert statement["Condition"]["StringEquals"] == {"events:detail-type": "ReleaseReady"}
    assert statement["Condition"].get("ArnNotEquals", {}) == (
        {"aws:PrincipalArn": list(announcers)} if announcers else {}
    )


def test_the_ledger_is_recoverable(every):
    ledger = named(every.orchestrator, "AWS::DynamoDB::Table", "TableName", f"ib-oauth-ledger-{every.name}")

    assert [key["AttributeName"] for key in ledger["KeySchema"]] == ["pk", "sk"]
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def drill_kinds(name: str) -> set[str]:
    """The kinds of backup whose drills have a schedule of their own."""
    return set(RecoveryPolicy.parse(environments.load(name).recovery).drills)


def test_alarms_on_the_orchestrator_tell_the_operators(every):
    alarms = {alarm["AlarmName"]: alarm for alarm in resources(every.orchestrator, "AWS::CloudWatch::Alarm").values()}
    prefix = "ib-oauth-orchestrator"

    assert alarms.keys() == {
        f"{prefix}-{what}-{every.name}"
        for what in (
            "rollback-executionsfailed",
            "rollback-executionstimedout",
            "rollback-executionsaborted",
            "deployment-executionstimedout",
            *(f"event-{name.replace('_', '-')}-errors" for name in EVENT_HANDLERS),
            "dead-letters",
            "reconciler-not-running",
            "live-state",
            "recovery-drill-failed",
            "rto-exceeded",
            "rpo-exceeded",
            "recovery-drill-overdue",
            "restored-tables-unused",
            *(f"recovery-drill-{state}-{kind}" for state in ("failed", "overdue") for kind in drill_kinds(every.name)),
        )
    }
    assert all(alarm["AlarmActions"] == [{"Ref": "OperatorsTopicD08CFE60"}] for alarm in alarms.values())


def test_the_alarm_of_a_silent_reconciler_fires_without_any_data(every):
    alarm = named(
        every.orchestrator,
        "AWS::CloudWatch::Alarm",
        "AlarmName",
        f"ib-oauth-orchestrator-reconciler-not-running-{every.name}",
    )

    assert alarm["TreatMissingData"] == "breaching"
    assert alarm["ComparisonOperator"] == "LessThanThreshold"


def test_cloudwatch_may_publish_to_the_operators_through_their_key(every):
    key = named(
        every.orchestrator,
        "AWS::KMS::Key",
        "Description",
        f"Encrypts notifications to operators and clients ({every.name})",
    )
    services = [found["Principal"].get("Service") for found in key["KeyPolicy"]["Statement"]]
    topics = resources(every.orchestrator, "AWS::SNS::Topic").values()

    assert "cloudwatch.amazonaws.com" in services
    assert all(topic["KmsMasterKeyId"] == {"Fn::GetAtt": ["TopicsKeyF5117125", "Arn"]} for topic in topics)


def test_log_level_reaches_the_tasks(tmp_path):
    one = synthesise(tmp_path, changed(environments.load("staging"), log_level="ERROR"))

    assert {
        function["Environment"]["Variables"]["LOG_LEVEL"]
        for function in resources(one.orchestrator, "AWS::Lambda::Function").values()
    } == {"ERROR"}


PIPELINE = "arn:aws:iam::210987654321:role/pipeline"


def test_a_pipeline_that_promotes_assumes_a_role_that_announces_releases_and_does_nothing_else(tmp_path):
    import dataclasses

    environment = dataclasses.replace(environments.load("dev"), promoters=(PIPELINE,), account="123456789012")

    one = synthesise(tmp_path, environment)

    role = named(one.orchestrator, "AWS::IAM::Role", "RoleName", "ib-oauth-promotion-dev")
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    (policy,) = role["Policies"]
    (may,) = policy["PolicyDocument"]["Statement"]
    (bus,) = resources(one.orchestrator, "AWS::Events::EventBusPolicy").values()
    assert trusted["Principal"] == {"AWS": PIPELINE}
    assert may["Action"] == "events:PutEvents"
    assert may["Condition"] == {"StringEquals": {"events:detail-type": "ReleaseReady"}}
    assert [text_of(arn) for arn in bus["Statement"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]] == [
        "arn:<AWS::Partition>:iam::123456789012:role/ib-oauth-promotion-dev"
    ]


def test_no_role_promotes_until_one_is_named(every):
    roles = resources(every.orchestrator, "AWS::IAM::Role").values()

    assert not [role for role in roles if role.get("RoleName") == f"ib-oauth-promotion-{every.name}"]


def test_stacks_of_an_account_are_deployed_there_and_nowhere_else(tmp_path):
    import dataclasses

    one = synthesise(tmp_path, dataclasses.replace(environments.load("dev"), account="123456789012"))

    manifest = json.loads((one.folder / "manifest.json").read_bytes())
    stacks = [found for found in manifest["artifacts"].values() if found["type"] == "aws:cloudformation:stack"]
    assert {found["environment"] for found in stacks} == {"aws://123456789012/us-west-1"}


@pytest.mark.strategy("Manual Intervention: Client notification", "Contact Information: Client contacts")
def test_contacts_are_notified_by_mail(tmp_path):
    import dataclasses

    contacts = {
        **environments.load("dev").contacts,
        "operators": ("on-call@example.com",),
        "clients": ("news@example.com",),
    }
    one = synthesise(tmp_path, dataclasses.replace(environments.load("dev"), contacts=contacts))

    subscriptions = {
        (found["Protocol"], found["Endpoint"], found["TopicArn"]["Ref"][:9])
        for found in resources(one.orchestrator, "AWS::SNS::Subscription").values()
    }
    assert subscriptions == {
        ("email", "on-call@example.com", "Operators"),
        ("email", "news@example.com", "ClientsTo"),
    }
