"""Proxies whose word is taken on for whom they ask; what others say of that is passed over."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from mlship.errors import UsageError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST_HOPS = 32


class Proxies:
    """Networks of trusted proxies.

    Args:
        networks: The networks, such as `10.0.0.0/8`, or single addresses.

    Raises:
        UsageError: One of them is none.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = tuple(_network(text) for text in networks)
        self._is_trusted = lru_cache(maxsize=1024)(self._looked_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def apply(self, environ: dict[str, Any]) -> None:
        """Put the client in the place of the proxy, in address and scheme, when a trusted one asks for it."""
        peer = _address(environ["REMOTE_ADDR"])
        if peer is None or not self._is_trusted(peer):
            return
        # Each proxy adds at the right whom it was asked by; what stands left of the first stranger may be a lie.
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", _MOST_HOPS)
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = _address(hop.strip())
            if address is None:
                break
            peer = address
            if not self._is_trusted(address):
                break
        environ["REMOTE_ADDR"] = str(peer)
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme

    def _looked_up(self, address: _Address) -> bool:
        return any(address in network for network in self._networks)


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(
            f"--trusted-proxy is '{text}'; it takes an address, or a network as CIDR: {error}.",
            hint="--trusted-proxy 10.0.0.0/8",
        ) from None


def _address(text: str) -> _Address | None:
    """Read an address, which some proxies write with a port; IPv4 in the form of IPv6 is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
