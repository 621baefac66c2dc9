"""Lambda's quota of concurrent executions, and how much of it functions have reserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import error_code, translate_errors
from orchestrator.domain.capacity.account_concurrency import Concurrency


class AccountLimits:
    """The account's concurrency quota.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read_concurrency(self) -> Concurrency:
        """Read the account's quota in this region."""
        with translate_errors():
            limit = self._client.get_account_settings()["AccountLimit"]
        return Concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])

    def read_reserved(self, functions: Mapping[str, str]) -> Mapping[str, int]:
        """Return the reserved concurrency of functions; 0 for one that reserves nothing or does not exist yet.

        Args:
            functions: short name to Lambda name.
        """
        return {name: self._reserved(function) for name, function in functions.items()}

    def _reserved(self, function_name: str) -> int:
        try:
            with translate_errors():
                response = self._client.get_function_concurrency(FunctionName=function_name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return 0
            raise
        return int(response.get("ReservedConcurrentExecutions", 0))
