"""The wire between relais and a store: a TCP proxy that refuses, swallows, delays and cuts."""

import contextlib
import socket
import struct
import threading
import time

from .process import free_port

CHUNK_BYTES = 16 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing then resets the connection.


class Wire:
    """Passes bytes on to a server, until told otherwise, while its block lasts."""

    def __init__(self, server):
        self.server = server
        self.port = free_port()
        self.region, self.access_key, self.secret_key = server.region, server.access_key, server.secret_key
        self.certificate = None
        self.heal()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def heal(self):
        self.refuses, self.swallows, self.delay_seconds, self.bytes_max = False, False, 0, None

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.break_off()

    def refuse(self):
        """From now on connections are reset, those that are open too."""
        self.refuses = True
        self.break_off()

    def swallow(self):
        """From now on nothing comes back."""
        self.swallows = True

    def break_off(self):
        for one in list(self._open):
            _reset(one)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                _reset(client)
            else:
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.server.port)) as server:
            ends = {client, server}
            self._open |= ends
            back = threading.Thread(target=self._answer, args=[server, client], daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(CHUNK_BYTES):
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)
            back.join()
            self._open -= ends

    def _answer(self, server, client):
        passed = 0
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                time.sleep(self.delay_seconds)
                while self.swallows:
                    time.sleep(0.05)
                passed += len(data)
                if self.bytes_max is not None and passed > self.bytes_max:
                    _reset(client)
                    return
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


def _reset(connection):
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
