"""Every day: what is the environment configured as? A bundle of it goes into the archive, beside those that deployments take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.aws.cloud import Cloud
from orchestrator.intake import intake


def record_configuration(_event: Mapping[str, Any], cloud: Cloud) -> str:
    """Take a bundle and keep it. A second delivery takes a second one: they are equal."""
    before = cloud.archive.configurations(1)
    taken = cloud.archive.keep_configuration(cloud.configuration("schedule"))
    changed = (
        "the first"
        if not before
        else "unchanged"
        if before[0].digest == taken.digest
        else f"changed since {before[0].id}"
    )
    return f"{taken.id}: {taken.parts} parts, {changed}"


handler = intake(record_configuration)
