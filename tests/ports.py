"""Ports for the servers that the tests start."""

from __future__ import annotations

import random
import socket

# Below the range that systems take the ports of outgoing connections from: nobody is given one
# of these by chance between the moment it is found free and the moment the server binds it.
_FIRST, _LAST = 12_000, 32_000
_random = random.SystemRandom()  # another one in each process, whatever a test seeds


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    while True:
        port = _random.randrange(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
