"""Addresses "host:port" as an operator writes them."""

from __future__ import annotations

import ipaddress
import re

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):(?P<port>\d{1,5})")


def split_address(address: str) -> tuple[str, int]:
    """Return (host without brackets, port).

    Raises:
        ValueError: it is not "host:port" with a port of 0 to 65535.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"not host:port: {address!r}")
    return match["host"].strip("[]"), int(match["port"])


def address_fault(address: str) -> str:
    """Return what is wrong with an address, in both languages; empty if nothing is."""
    try:
        split_address(address)
    except ValueError:
        return f"{address!r} 应为“主机:端口” must be host:port"
    return ""


def optional_address_fault(address: str) -> str:
    """Return what is wrong with an address that may be empty."""
    return address_fault(address) if address else ""


def addresses_fault(addresses: tuple[str, ...]) -> str:
    """Return what is wrong with a list of addresses that must not be empty."""
    if not addresses:
        return "至少一个地址 at least one address is needed"
    return "; ".join(filter(None, map(address_fault, addresses)))


def is_loopback(address: str) -> bool:
    """Tell whether a listen address can be reached from this machine only; False for a name other than localhost."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(address: str) -> bool:
    """Tell whether a listen address stands for every interface, so that no peer could call it."""
    return split_address(address)[0] in ("0.0.0.0", "::")
