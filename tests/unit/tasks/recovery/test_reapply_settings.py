"""A setting that AWS rejects does not end the task: the difference is left to the comparison of settings."""

from __future__ import annotations

from types import SimpleNamespace

from orchestrator.domain.errors import Refused
from orchestrator.domain.recovery.table_settings import TableSettings
from orchestrator.tasks.recovery import reapply_settings
from tests.samples import recovery

WANTED = TableSettings(keys=[["pk", "S", "HASH"]], time_to_live="delete_at", recovery=35, tags={"team": "identity"})


class Settings:
    """A restored table that rejects one setting."""

    def __init__(self) -> None:
        self.applied: list[str] = []

    def read_settings(self, table: str) -> TableSettings:
        return WANTED if table == "ib-oauth-state-test" else TableSettings(keys=WANTED.keys)

    def apply(self, name: str, table: str, _wanted, _found) -> bool:
        if name == "time_to_live":
            raise Refused(f"settings.{table}.{name}", "delete_at", "AWS rejects it")
        self.applied.append(name)
        return True


def test_a_setting_that_is_rejected_keeps_no_other_from_being_applied():
    settings = Settings()
    cloud = SimpleNamespace(table_settings=settings)
    table = recovery().tables[0]
    found = reapply_settings._apply_settings(table, cloud=cloud, skipped="", with_capacity=False)
    assert found == ("tags", "time_to_live", "recovery")
    assert settings.applied == ["tags", "recovery"]
