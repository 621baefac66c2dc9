"""A retained backup vault becomes a resource of a new stack; one that does not exist fails the change set."""

import json

from tests.contract.cloudformation.test_failed_creations import Stacks


def import_vault(cloud, name: str) -> dict:
    client, stack = cloud.client("cloudformation"), cloud.name("stack")
    vault = {"Type": "AWS::Backup::BackupVault", "DeletionPolicy": "Retain", "Properties": {"BackupVaultName": name}}
    client.create_change_set(
        StackName=stack,
        ChangeSetName="import",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": {"Vault": vault}}),
        ResourcesToImport=[
            {
                "ResourceType": vault["Type"],
                "LogicalResourceId": "Vault",
                "ResourceIdentifier": {"BackupVaultName": name},
            }
        ],
    )
    return client.describe_change_set(StackName=stack, ChangeSetName="import")


def test_an_existing_vault_is_imported_and_is_not_created_again(cloud):
    name = cloud.name("vault")
    cloud.client("backup").create_backup_vault(BackupVaultName=name)
    described = import_vault(cloud, name)
    assert described["ExecutionStatus"] == "AVAILABLE", described.get("StatusReason")

    client = cloud.client("cloudformation")
    client.execute_change_set(StackName=described["StackName"], ChangeSetName="import")

    assert Stacks(cloud).settled(described["StackName"]) == "IMPORT_COMPLETE"
    (resource,) = client.describe_stack_resources(StackName=described["StackName"])["StackResources"]
    assert resource["PhysicalResourceId"] == name


def test_a_vault_that_does_not_exist_fails_the_change_set(cloud):
    name = cloud.name("vault")
    described = import_vault(cloud, name)
    assert described["Status"] == "FAILED"
    assert name in described["StatusReason"]
