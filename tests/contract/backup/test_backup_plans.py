"""AWS Backup: plans run by their schedules, with copies, and CloudFormation knows their selections.

https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-backup-backupselection.html
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from tests.contract.backup.test_backup_jobs import OTHER, client, role, vault
from tests.contract.dynamodb.test_point_in_time_recovery import put
from tests.contract.tables import described, table
from tests.contract.waiting import eventually

MORE_THAN_A_MINUTE = 90


def next_minute() -> str:
    """A schedule that is due once, in a minute at the latest."""
    at = datetime.now(UTC) + timedelta(minutes=1)
    return f"cron({at.minute} {at.hour} {at.day} {at.month} ? {at.year})"


def test_a_plan_backs_up_its_selection_by_its_schedule_and_copies_what_it_made(cloud):
    backup, there = cloud.client("backup"), client(cloud, OTHER)
    name, stored_in, destination = table(cloud, recovery=False), vault(cloud), vault(cloud, OTHER)
    put(cloud.client("dynamodb"), name, "a", "before")
    arn, assumed = described(cloud, name)["TableArn"], role(cloud)
    away = there.describe_backup_vault(BackupVaultName=destination)["BackupVaultArn"]
    rule = {
        "RuleName": "once",
        "TargetBackupVaultName": stored_in,
        "ScheduleExpression": next_minute(),
        "Lifecycle": {"DeleteAfterDays": 7},
        "CopyActions": [{"DestinationBackupVaultArn": away, "Lifecycle": {"DeleteAfterDays": 30}}],
    }
    never = rule | {"RuleName": "never", "ScheduleExpression": "cron(0 5 1 1 ? 2020)"}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": cloud.name("plan"), "Rules": [rule, never]})
    gone = f"{arn}-gone"
    backup.create_backup_selection(
        BackupPlanId=plan["BackupPlanId"],
        BackupSelection={"SelectionName": "tables", "IamRoleArn": assumed, "Resources": [arn, gone]},
    )

    def copies():
        return there.list_recovery_points_by_backup_vault(BackupVaultName=destination)["RecoveryPoints"]

    eventually(lambda: len(copies()) == 1, MORE_THAN_A_MINUTE)
    (point,) = backup.list_recovery_points_by_backup_vault(BackupVaultName=stored_in)["RecoveryPoints"]
    assert (point["ResourceArn"], point["Lifecycle"]) == (arn, {"DeleteAfterDays": 7})
    (copy,) = copies()
    assert (copy["ResourceArn"], copy["CreationDate"]) == (arn, point["CreationDate"])
    assert copy["Lifecycle"] == {"DeleteAfterDays": 30}
    jobs = [job for job in backup.list_backup_jobs()["BackupJobs"] if job["BackupVaultName"] == stored_in]
    assert [(job["State"], job["CreatedBy"]["BackupPlanId"]) for job in jobs] == [("COMPLETED", plan["BackupPlanId"])]


def test_cloudformation_creates_and_deletes_a_selection(cloud):
    backup, formation = cloud.client("backup"), cloud.client("cloudformation")
    stored_in, assumed = vault(cloud), role(cloud)
    rule = {"RuleName": "daily", "TargetBackupVault": stored_in, "ScheduleExpression": "cron(0 5 * * ? *)"}
    selection = {"SelectionName": "tables", "IamRoleArn": assumed, "Resources": ["arn:aws:dynamodb:x:1:table/t"]}
    template = {
        "Resources": {
            "Plan": {
                "Type": "AWS::Backup::BackupPlan",
                "Properties": {"BackupPlan": {"BackupPlanName": cloud.name("plan"), "BackupPlanRule": [rule]}},
            },
            "Tables": {
                "Type": "AWS::Backup::BackupSelection",
                "Properties": {"BackupPlanId": {"Ref": "Plan"}, "BackupSelection": selection},
            },
        },
        "Outputs": {"Plan": {"Value": {"Ref": "Plan"}}},
    }
    stack = cloud.name("stack")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    described_stack = formation.describe_stacks
    eventually(lambda: described_stack(StackName=stack)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    plan = described_stack(StackName=stack)["Stacks"][0]["Outputs"][0]["OutputValue"]
    (found,) = backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert (found["SelectionName"], found["IamRoleArn"]) == ("tables", assumed)
    formation.delete_stack(StackName=stack)
    eventually(lambda: plan not in {one["BackupPlanId"] for one in backup.list_backup_plans()["BackupPlansList"]})
