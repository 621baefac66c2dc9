"""Settings of destinations of notifications: ``[[….notifications]]``."""

from __future__ import annotations

from orchestrator.domain.notifications.destinations import (
    LARGEST_SETTINGS_BYTES,
    Destination,
    encode_destinations,
    read_destinations,
)
from orchestrator.domain.schema import EnvironmentRefused, SettingsReader


def read_notifications(table: SettingsReader, *, local: bool) -> tuple[Destination, ...]:
    """Read the destinations of an environment.

    Args:
        table: the environment's table.
        local: whether it is on the local cloud, where an API may have an http address of this machine.

    Raises:
        EnvironmentRefused: a destination is wrong, or all of them together are too long for a function's variables.
    """
    destinations = read_destinations(table)
    for number, destination in enumerate(destinations):
        if destination.address.startswith("http:") and not local:
            # In a function's own environment, loopback is Lambda's runtime interface.
            field = table.field(f"notifications[{number}].address")
            raise EnvironmentRefused(
                field, destination.address, "give an https address; http is for the local cloud only"
            )
    size = len(encode_destinations(destinations))
    if size > LARGEST_SETTINGS_BYTES:
        remedy = f"give fewer or shorter ones: as a variable of a function they may have {LARGEST_SETTINGS_BYTES}"
        raise EnvironmentRefused(table.field("notifications"), f"{size} bytes", remedy)
    return destinations
