"""Lambda's quota of concurrent executions, and what functions have reserved of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.aws.clients import code_of, narrowed
from orchestrator.domain.quota import Concurrency


class Quotas:
    """The account's quotas.

    Args:
        client: botocore's Lambda client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def concurrency(self) -> Concurrency:
        """Read the account's quota in this region."""
        with narrowed():
            limit = self._client.get_account_settings()["AccountLimit"]
        return Concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])

    def reserved(self, functions: Mapping[str, str]) -> Mapping[str, int]:
        """Read what functions have reserved; 0 for one that reserves nothing or is not there yet.

        Args:
            functions: short name to Lambda's.
        """
        return {name: self._reserved(function) for name, function in functions.items()}

    def _reserved(self, function_name: str) -> int:
        try:
            with narrowed():
                found = self._client.get_function_concurrency(FunctionName=function_name)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return 0
            raise
        return int(found.get("ReservedConcurrentExecutions", 0))
