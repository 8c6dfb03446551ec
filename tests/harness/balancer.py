"""One address in front of several servers: connections go to each in turn, and past one that does not answer.

Bytes are passed on as they are, so TLS ends at the servers.
"""

import contextlib
import itertools
import socket
import threading

from .process import free_port

CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 2


class Balancer:
    """Listens on a port of its own while its block lasts. `served` counts the connections of each server."""

    def __init__(self, ports):
        self.ports = list(ports)
        self.port = free_port()
        self.served = dict.fromkeys(self.ports, 0)
        self._turns = itertools.count()
        self._listener = None

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client:
            server = self._connect()
            if server is None:
                return
            with server:
                back = threading.Thread(target=_pass_on, args=[server, client], daemon=True)
                back.start()
                _pass_on(client, server)
                back.join()

    def _connect(self):
        first = next(self._turns)
        for number in range(len(self.ports)):
            port = self.ports[(first + number) % len(self.ports)]
            with contextlib.suppress(OSError):
                server = socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
                server.settimeout(None)
                self.served[port] += 1
                return server
        return None


def _pass_on(source, sink):
    """Copies until the source ends, and passes the end on."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
