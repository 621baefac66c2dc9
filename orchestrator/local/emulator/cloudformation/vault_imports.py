"""CloudFormation: an existing backup vault can be imported into a stack.

AWS: `AWS::Backup::BackupVault` supports import operations; its identifier is BackupVaultName. Importing a vault that
does not exist fails the change set.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html

Stock MiniStack does not execute a change set that imports a vault.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from orchestrator.local.emulator.options import Options

PINNED = {
    "ministack.services.cloudformation.provisioners._backup_vault_update": "b3173fdc3dc5cd5b",
    "ministack.services.cloudformation.provisioners._import_resource": "0466d8e0cf560238",
    "ministack.services.cloudformation.changesets._import_not_found": "25846c03bcb8e030",
    "ministack.services.backup._vault_arn": "4a03f54fe2ac41ff",
}

_TYPE, _NAME = "AWS::Backup::BackupVault", "BackupVaultName"


def install(options: Options) -> None:
    """Install the patch in this process."""
    del options
    provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
    changesets = importlib.import_module("ministack.services.cloudformation.changesets")
    provisioners._RESOURCE_HANDLERS[_TYPE]["import"] = _adopt
    changesets._IMPORT_LOOKUPS[_TYPE] = ((_NAME,), _problem)


def _adopt(identifier: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    backup, name = importlib.import_module("ministack.services.backup"), identifier[_NAME]
    return name, {"BackupVaultArn": backup._vault_arn(name), "BackupVaultName": name}


def _problem(name: str) -> str | None:
    if name in importlib.import_module("ministack.services.backup")._vaults:
        return None
    return f"Resource of type '{_TYPE}' with identifier '{name}' was not found."
