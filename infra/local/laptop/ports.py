"""Free ports on 127.0.0.1."""

import random
import socket

# Below the range from which systems take ports for outgoing connections: those come and go at any time.
_RANGE = range(20_000, 32_000)


def find() -> int:
    """A port that is free now. Two stacks may be given the same one at the same moment; the component that is late exits, and is started again."""
    for port in random.sample(_RANGE, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port on 127.0.0.1")


def listen() -> socket.socket:
    """A listening socket, to be handed to a child: nobody else can get its port in between."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(128)
    server.set_inheritable(True)
    return server
