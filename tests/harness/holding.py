"""A server that can be made to wait: it passes connections on to another one, and holds back one direction when told.

Bytes that are held back are passed on later, also when whoever sent them is gone by then: as by a network that is slow.
"""

import contextlib
import socket
import threading

from .process import free_port

CHUNK_BYTES = 64 * 1024


class Holding:
    """Listens on a port of its own while its block lasts; a context manager. `requests` and `answers` are gates: each is
    open until `hold_requests` or `hold_answers`."""

    def __init__(self, server):
        self.server = server
        self.port = free_port()
        self.requests, self.answers = threading.Event(), threading.Event()
        self.held = threading.Event()  # Set once something was held back.
        self._listener = None
        self.release()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def __getattr__(self, name):
        return getattr(self.server, name)  # The account and its keys are those of the server.

    def hold_requests(self):
        self.held.clear()
        self.requests.clear()

    def hold_answers(self):
        self.held.clear()
        self.answers.clear()

    def release(self):
        self.requests.set()
        self.answers.set()

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.release()
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(("127.0.0.1", self.server.port)) as server:
            back = threading.Thread(target=self._pass_on, args=[server, client, self.answers], daemon=True)
            back.start()
            self._pass_on(client, server, self.requests)
            back.join()

    def _pass_on(self, source, target, gate):
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                if not gate.is_set():
                    self.held.set()
                    gate.wait()
                target.sendall(chunk)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
