"""Each fault of a gate does what it says: or the runs would break nothing."""

import socket
import threading
import time

import pytest

from . import gate
from .gate import Fault, Gate, Loop

BYTES = 10_000


@pytest.fixture(scope="module")
def loop():
    return Loop()


@pytest.fixture
def server():
    """Answers every `BYTES` bytes with as many; `heard` is all that it got, `ended` is set when a client has no more to say."""

    class Server:
        def __init__(self):
            self.heard, self.ended = bytearray(), threading.Event()
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            threading.Thread(target=self.accept, daemon=True).start()

        def accept(self):
            while True:
                try:
                    connection, _ = self.listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

        def serve(self, connection):
            got = 0
            try:
                while data := connection.recv(65536):
                    self.heard += data
                    got += len(data)
                    while got >= BYTES:
                        got -= BYTES
                        connection.sendall(b"a" * BYTES)
            except OSError:
                return
            self.ended.set()

    one = Server()
    yield one
    one.listener.close()


@pytest.fixture
def door(loop, server):
    one = Gate(loop, "gate", server.port)
    yield one
    one.close()


def connect(door):
    connection = socket.create_connection(("127.0.0.1", door.port), 5)
    connection.settimeout(5)
    return connection


def ask(connection):
    connection.sendall(b"q" * BYTES)
    return answer(connection)


def answer(connection):
    """What comes until the answer is whole or the connection ends, and whether it ended with a reset."""
    got = bytearray()
    try:
        while len(got) < BYTES and (data := connection.recv(65536)):
            got += data
    except ConnectionResetError:
        return bytes(got), True
    return bytes(got), False


def test_a_healthy_gate_lets_everything_through(door):
    with connect(door) as connection:
        assert [ask(connection), ask(connection)] == [(b"a" * BYTES, False)] * 2
    assert not door.met


@pytest.mark.parametrize("kind", [gate.CUT, gate.REFUSE])
def test_open_connections_are_reset(door, kind):
    with connect(door) as connection:
        ask(connection)
        door.set(Fault(kind))
        assert answer(connection) == (b"", True)
    assert door.met[kind] == 1


def test_new_connections_are_refused_until_the_gate_heals(door):
    door.set(Fault(gate.REFUSE))
    with pytest.raises(ConnectionError), connect(door) as connection:
        connection.sendall(b"q")
        assert not connection.recv(1)
        raise ConnectionResetError
    door.heal()
    with connect(door) as connection:
        assert ask(connection) == (b"a" * BYTES, False)


def test_a_request_is_cut_at_a_byte(door, server):
    door.set(Fault(gate.CUT_UP, 700))
    with connect(door) as connection:
        assert ask(connection) == (b"", True)
    assert len(server.heard) <= 700 and door.met[gate.CUT_UP] == 1


def test_an_answer_is_cut_at_a_byte(door, server):
    door.set(Fault(gate.CUT_DOWN, 700))
    with connect(door) as connection:
        got, was_reset = ask(connection)
    assert len(got) <= 700 and was_reset and len(server.heard) == BYTES


def test_a_half_closed_request_ends_early_for_the_server(door, server):
    door.set(Fault(gate.HALF_CLOSE_UP, 700))
    with connect(door) as connection:
        connection.sendall(b"q" * BYTES)
        assert server.ended.wait(5)
    assert len(server.heard) == 700


def test_a_half_closed_answer_ends_early_for_the_client(door):
    door.set(Fault(gate.HALF_CLOSE_DOWN, 700))
    with connect(door) as connection:
        assert ask(connection) == (b"a" * 700, False)


def test_a_black_hole_swallows_and_does_not_come_back(door, server):
    with connect(door) as connection:
        door.set(Fault(gate.BLACK_HOLE))
        connection.sendall(b"q" * BYTES)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert not server.heard
        connection.settimeout(5)
        door.heal()
        assert answer(connection) == (b"", True)


def test_a_delay_delays(door):
    door.set(Fault(gate.DELAY, 0.2))
    begun = time.monotonic()
    with connect(door) as connection:
        assert ask(connection) == (b"a" * BYTES, False)
    assert time.monotonic() - begun >= 0.4  # Both ways.


def test_a_slow_gate_is_slow(door):
    door.set(Fault(gate.SLOW, 40_000))
    begun = time.monotonic()
    with connect(door) as connection:
        assert ask(connection) == (b"a" * BYTES, False)
    assert time.monotonic() - begun >= 0.4


@pytest.mark.parametrize(("kind", "status"), [(gate.SAY_500, b"500"), (gate.SAY_503, b"503")])
def test_the_gate_answers_and_the_server_hears_nothing(door, server, kind, status):
    door.set(Fault(kind))
    with connect(door) as connection:
        assert ask(connection)[0].split()[1] == status
    assert not server.heard


def test_a_lie_is_told_after_the_server_has_done_it(door, server):
    door.set(Fault(gate.LIE_500))
    with connect(door) as connection:
        assert ask(connection)[0].split()[1] == b"500"
    assert len(server.heard) == BYTES


def test_a_fault_meets_some_connections_only(door):
    door.set(Fault(gate.SAY_503, likelihood=0.5))
    met = 0
    for _ in range(30):
        with connect(door) as connection:
            met += ask(connection)[0].startswith(b"HTTP")
    assert 5 < met < 25 and door.met[gate.SAY_503] == met
