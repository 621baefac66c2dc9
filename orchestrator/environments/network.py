"""Settings of the VPC of the service's functions."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from orchestrator.domain.schema import EnvironmentRefused, SettingsReader

PREFIX_BITS = (16, 24)
"""Allowed prefix lengths. A VPC allows 16 to 28, but two zones with three subnets each need a larger block than 25."""


@dataclass(frozen=True)
class NetworkSettings:
    """A VPC for the service's functions, in two availability zones; `cidr` is its addresses."""

    cidr: str


def read_network(table: SettingsReader) -> NetworkSettings:
    """Read the table ``[….network]``."""
    network = NetworkSettings(_cidr(table))
    table.refuse_unknown_keys()
    return network


def _cidr(table: SettingsReader) -> str:
    low, high = PREFIX_BITS
    text = table.text("cidr")
    remedy = f"give a private IPv4 block with a prefix of {low} to {high} bits, such as 10.20.0.0/20"
    try:
        block = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise EnvironmentRefused(table.field("cidr"), text, remedy) from error
    if not block.is_private or not low <= block.prefixlen <= high:
        raise EnvironmentRefused(table.field("cidr"), text, remedy)
    return text
