"""Names under which a server may be called."""

from __future__ import annotations

import ipaddress
import socket

LOOPBACK = ('localhost', '127.0.0.1', '::1')


def is_wildcard(host: str) -> bool:
    """Whether it stands for all addresses of the machine."""
    return host in ('0.0.0.0', '::')


def is_own_name(host: str, served: str) -> bool:
    """Whether a browser may call a server so. A foreign name that points here is an attack (DNS rebinding).

    Args:
        host: what the browser calls it.
        served: name or address that it listens on.
    """
    if host == served or (host in LOOPBACK and served in LOOPBACK):
        return True
    if not is_wildcard(served):
        return False
    if host in ('localhost', socket.gethostname().lower()):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
