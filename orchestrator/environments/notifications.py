"""Settings of destinations of notifications: ``[[….notifications]]``."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.domain.mail.settings import MailSettings
from orchestrator.domain.notifications.destinations import (
    LARGEST_SETTINGS_BYTES,
    Destination,
    DestinationKind,
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


def refuse_missing_sender(destinations: Sequence[Destination], mail: MailSettings | None, environment: str) -> None:
    """Refuse destinations of e-mail in an environment that has no sender.

    Args:
        destinations: of the environment.
        mail: its sender.
        environment: its name.

    Raises:
        EnvironmentRefused: a destination is e-mail, and there is no sender.
    """
    named = next((one.name for one in destinations if one.kind is DestinationKind.EMAIL), None)
    if named is not None and mail is None:
        remedy = f"e-mail needs a sender: give {environment}.mail with sender and identity_arn"
        raise EnvironmentRefused(f"{environment}.notifications", named, remedy)
