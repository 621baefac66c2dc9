"""Lambda's provisioned concurrency, on versions only.

https://docs.aws.amazon.com/lambda/latest/api/API_PutProvisionedConcurrencyConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.warmth import Warmth

_BUSY = "ResourceConflictException"


class ProvisionedConcurrency:
    """Provisioned concurrency of any function's versions. Who writes reads back later: it takes minutes.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def of(self, function_name: str) -> Mapping[str, Warmth]:
        """Return what each version has. What sits on an alias is somebody else's, and left out."""
        with narrowed():
            pages = self._client.get_paginator("list_provisioned_concurrency_configs").paginate(
                FunctionName=function_name
            )
            found = [one for page in pages for one in page["ProvisionedConcurrencyConfigs"]]
        by_qualifier = {one["FunctionArn"].rpartition(":")[2]: one for one in found}
        return {
            version: Warmth(
                requested=one["RequestedProvisionedConcurrentExecutions"],
                available=one.get("AvailableProvisionedConcurrentExecutions", 0),
                state=one["Status"],
                reason=one.get("StatusReason", ""),
            )
            for version, one in by_qualifier.items()
            if version.isdecimal()
        }

    def warm(self, function_name: str, version: str, count: int) -> None:
        """Ask for `count` environments. A version that is busy is asked again at the next look."""
        self._change(
            "put_provisioned_concurrency_config",
            FunctionName=function_name,
            Qualifier=version,
            ProvisionedConcurrentExecutions=count,
        )

    def cool(self, function_name: str, version: str) -> None:
        """Give them back; a version that has none, or that is gone, is as it should be."""
        self._change("delete_provisioned_concurrency_config", FunctionName=function_name, Qualifier=version)

    def _change(self, operation: str, **arguments: Any) -> None:
        try:
            with narrowed():
                getattr(self._client, operation)(**arguments)
        except ClientError as error:
            gone = operation.startswith("delete") and code_of(error) == "ResourceNotFoundException"
            if code_of(error) != _BUSY and not gone:
                raise
