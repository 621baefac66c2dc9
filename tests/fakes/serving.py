"""What a drill may make beside tables, and who finds things by their tags: Lambda, IAM, Logs and the tagging API in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.errors import client_error
from tests.fakes.restorable_tables import RestorableTables


class FakeServing:
    """Clients of four services. Things are simply there when a test adds their names."""

    def __init__(self, tables: RestorableTables) -> None:
        self._tables = tables
        self.functions: set[str] = set()
        self.roles: set[str] = set()
        self.log_groups: set[str] = set()

    def delete_function(self, *, FunctionName: str) -> None:  # noqa: N803 - botocore's
        self._take(self.functions, FunctionName, "ResourceNotFoundException")

    def list_role_policies(self, *, RoleName: str) -> dict[str, Any]:  # noqa: N803
        if RoleName not in self.roles:
            raise client_error("NoSuchEntity", RoleName, status=404)
        return {"PolicyNames": ["access"]}

    def delete_role_policy(self, *, RoleName: str, PolicyName: str) -> None:  # noqa: N803
        assert (RoleName in self.roles, PolicyName) == (True, "access")

    def delete_role(self, *, RoleName: str) -> None:  # noqa: N803
        self._take(self.roles, RoleName, "NoSuchEntity")

    def delete_log_group(self, *, logGroupName: str) -> None:  # noqa: N803
        self._take(self.log_groups, logGroupName, "ResourceNotFoundException")

    def get_paginator(self, operation: str) -> Any:
        assert operation == "get_resources"
        return self

    def paginate(self, *, TagFilters: Sequence[dict[str, Any]], ResourceTypeFilters: Sequence[str]) -> list[Any]:  # noqa: N803
        assert "dynamodb:table" in ResourceTypeFilters
        (wanted,) = TagFilters
        found = [
            {
                "ResourceARN": table.description["TableArn"],
                "Tags": [{"Key": key, "Value": value} for key, value in table.tags.items()],
            }
            for table in self._tables.tables.values()
            if wanted["Key"] in table.tags
        ]
        return [{"ResourceTagMappingList": found}]

    @staticmethod
    def _take(among: set[str], name: str, missing: str) -> None:
        if name not in among:
            raise client_error(missing, name, status=404)
        among.remove(name)
