"""The settings that a copy is to have: its source's, or, where that is gone, what the stack declares."""

from __future__ import annotations

import msgspec

from orchestrator.aws.cloud import Cloud
from orchestrator.domain.recovery import TableRecovery
from orchestrator.domain.table_settings import Declared, TableSettings, wanted_without_source


def wanted_settings(table: TableRecovery, cloud: Cloud) -> TableSettings:
    """Read them."""
    if not table.gone:
        return cloud.table_settings.read(table.source)
    declared = msgspec.json.decode(cloud.settings["DECLARED"], type=Declared)
    return wanted_without_source(cloud.table_settings.read(table.target), declared)
