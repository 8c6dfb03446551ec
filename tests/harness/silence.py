"""A way to a server that can turn into a black hole: connections are taken, what is sent vanishes, nobody answers."""

import contextlib
import socket
import threading

BLOCK = 65536


class BlackHole:
    """A context manager around a server that runs; its `url` leads there until `swallow` is called."""

    certificate = None

    def __init__(self, server):
        self.server, self.region = server, server.region
        self.access_key, self.secret_key = server.access_key, server.secret_key
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.is_open, self.taken = threading.Event(), []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def swallow(self):
        """From now on, also what comes over connections that are there already."""
        self.is_open.set()

    def __enter__(self):
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Cuts every connection, and takes no more: whoever waits for an answer need not any longer."""
        self.swallow()
        for one in [self.listener, *self.taken]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _take(self):
        with contextlib.suppress(OSError):  # The listener ends.
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.server.port))
                self.taken += [client, server]
                for ends in [(client, server), (server, client)]:
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if not self.is_open.is_set():
                    sink.sendall(block)
            if not self.is_open.is_set():
                sink.shutdown(socket.SHUT_WR)
