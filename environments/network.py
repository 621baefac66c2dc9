"""Whether the functions are in a network of their own."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from environments.tables import EnvironmentRefused, Table

PREFIX_BITS = (16, 24)
"""What a VPC takes is 16 to 28; cut into two zones with three subnets each, a smaller block leaves no room for functions."""


@dataclass(frozen=True)
class NetworkSettings:
    """A VPC for the service's functions, in two availability zones; `cidr` is its addresses."""

    cidr: str


def read_network(table: Table) -> NetworkSettings:
    """Take what is said of the network."""
    network = NetworkSettings(_cidr(table))
    table.end()
    return network


def _cidr(table: Table) -> str:
    low, high = PREFIX_BITS
    text = table.text("cidr")
    remedy = f"give a private block of addresses with {low} to {high} bits in front, such as 10.20.0.0/20"
    try:
        block = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise EnvironmentRefused(table.field("cidr"), text, remedy) from error
    if not block.is_private or not low <= block.prefixlen <= high:
        raise EnvironmentRefused(table.field("cidr"), text, remedy)
    return text
