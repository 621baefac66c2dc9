"""Lambda's provisioned concurrency, of versions only.

https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.capacity.provisioned_concurrency import ProvisionedState

_BUSY = "ResourceConflictException"


class ProvisionedConcurrency:
    """Provisioned concurrency of functions' versions. Changes take minutes, so the caller reads the state back later.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_state(self, function_name: str) -> Mapping[str, ProvisionedState]:
        """Return the state by version. Provisioned concurrency of an alias is not ours, and is left out."""
        with translate_errors():
            pages = self._client.get_paginator("list_provisioned_concurrency_configs").paginate(
                FunctionName=function_name
            )
            configs = [config for page in pages for config in page["ProvisionedConcurrencyConfigs"]]
        by_qualifier = {config["FunctionArn"].rpartition(":")[2]: config for config in configs}
        return {
            version: ProvisionedState(
                requested=config["RequestedProvisionedConcurrentExecutions"],
                available=config.get("AvailableProvisionedConcurrentExecutions", 0),
                state=config["Status"],
                reason=config.get("StatusReason", ""),
            )
            for version, config in by_qualifier.items()
            if version.isdecimal()
        }

    def provision(self, function_name: str, version: str, count: int) -> None:
        """Request `count` execution environments. A version that is being changed is skipped until the next check."""
        self._change(
            "put_provisioned_concurrency_config",
            FunctionName=function_name,
            Qualifier=version,
            ProvisionedConcurrentExecutions=count,
        )

    def remove(self, function_name: str, version: str) -> None:
        """Remove a version's provisioned concurrency; a version that has none, or does not exist, needs no change."""
        self._change("delete_provisioned_concurrency_config", FunctionName=function_name, Qualifier=version)

    def _change(self, operation: str, **params: Any) -> None:
        try:
            with translate_errors():
                getattr(self._client, operation)(**params)
        except ClientError as error:
            absent = operation.startswith("delete") and error_code(error) == "ResourceNotFoundException"
            if error_code(error) != _BUSY and not absent:
                raise
