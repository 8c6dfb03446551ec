"""A TCP proxy that breaks connections on demand: one gate stands between two programs.

Each gate has at most one fault at a time; a fault meets a connection with a likelihood, drawn from the gate's own generator. What
a fault has met is counted, so that a run can say which faults really happened.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass

CHUNK_BYTES = 64 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST and drops what was not sent yet.

REFUSE = "refuse"  # New connections are reset.
CUT = "cut"  # All connections are reset, once.
CUT_UP = "cut request"  # A connection is reset after some bytes towards the server.
CUT_DOWN = "cut answer"  # A connection is reset after some bytes of an answer.
HALF_CLOSE_UP = "half-close request"  # The server hears the end of the stream after some bytes.
HALF_CLOSE_DOWN = "half-close answer"  # The client hears the end of the stream after some bytes.
DELAY = "delay"  # Every chunk waits.
SLOW = "slow"  # So many bytes a second.
BLACK_HOLE = "black hole"  # Bytes vanish; nobody hears of it.
SAY_500 = "answer 500"  # The gate answers itself; the server hears nothing.
SAY_503 = "answer 503"
LIE_500 = "done, but answer 500"  # The server has done it; the client hears 500.

ANYWHERE = (REFUSE, CUT, CUT_UP, CUT_DOWN, HALF_CLOSE_UP, HALF_CLOSE_DOWN, DELAY, SLOW, BLACK_HOLE)
OF_HTTP = (SAY_500, SAY_503, LIE_500)


@dataclass(frozen=True)
class Fault:
    """What a gate does to connections; `amount` is bytes, seconds or bytes a second, as the kind has it."""

    kind: str
    amount: float = 0
    likelihood: float = 1.0


class Loop:
    """One event loop in a thread of its own, for all gates of a process."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True, name="gates").start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)


class Gate:
    """Listens on `port` and passes on to a port of this machine."""

    def __init__(self, loop, name, target, seed=0):
        self.name, self.target = name, target
        self.met = Counter()
        self.random = random.Random(f"{seed}/{name}")
        self._loop, self._fault, self._connections = loop, None, set()
        self._server = loop.call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]

    def set(self, fault):
        """From now on; `None` heals. Connections that a black hole has swallowed bytes of do not come back to life."""
        self._loop.call(self._set(fault))

    def heal(self):
        self.set(None)

    def close(self):
        self._loop.call(self._close())

    async def _set(self, fault):
        self._fault = fault
        for connection in list(self._connections):
            if fault is None and (connection.dead or connection.ended):
                connection.reset()
            elif fault and fault.kind in (CUT, REFUSE):
                self.met[fault.kind] += 1
                connection.reset()

    async def _close(self):
        self._server.close()
        for connection in list(self._connections):
            connection.reset()

    async def _serve(self, reader, writer):
        if self._fault and self._fault.kind == REFUSE:
            self.met[REFUSE] += 1
            _reset(writer)
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        connection = Connection(self, (reader, writer), server)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)

    def fault_for(self, connection):
        """The fault that this connection meets now."""
        fault = self._fault
        if fault is None or fault.kind in (CUT, REFUSE):
            return None
        if connection.drawn is not fault:
            connection.drawn, connection.passed = fault, Counter()
            connection.meets = self.random.random() < fault.likelihood
        if not connection.meets:
            return None
        return fault

    def count(self, connection, fault):
        """Once for each connection and fault."""
        if connection.counted is not fault:
            connection.counted = fault
            self.met[fault.kind] += 1


class Connection:
    """One connection through a gate: two streams, and how far the present fault has come with it."""

    def __init__(self, gate, client, server):
        self.gate, self.client, self.server = gate, client, server
        self.drawn, self.counted, self.meets, self.passed = None, None, False, Counter()
        self.dead = self.answered = False
        self.ended = set()  # Directions whose end was told though more came.

    async def run(self):
        up = asyncio.ensure_future(self._pump(self.client[0], self.server[1], True))
        down = asyncio.ensure_future(self._pump(self.server[0], self.client[1], False))
        try:
            await asyncio.gather(up, down)
        except (OSError, asyncio.IncompleteReadError):
            self.reset()
        finally:
            up.cancel(), down.cancel()
            for _, writer in (self.client, self.server):
                writer.close()

    def reset(self):
        for _, writer in (self.client, self.server):
            _reset(writer)

    async def _pump(self, source, sink, upwards):
        while chunk := await source.read(CHUNK_BYTES):
            chunk = await self._through(chunk, upwards)
            if chunk:
                sink.write(chunk)
                await sink.drain()
        if not self.dead and sink.can_write_eof():
            sink.write_eof()

    async def _through(self, chunk, upwards):
        """What of a chunk gets through; raises where the connection breaks."""
        if self.dead or upwards in self.ended:
            return b""
        if self.answered:
            if upwards:
                return b""
            raise ConnectionResetError
        fault = self.gate.fault_for(self)
        if fault is None:
            return chunk
        before = self.passed[upwards]
        self.passed[upwards] += len(chunk)
        act = ACTS[fault.kind]
        return await act(self, fault, chunk, upwards, before)

    async def _cut(self, fault, chunk, upwards, before):
        if upwards != (fault.kind == CUT_UP):
            return chunk
        return await self._until(fault, chunk, before, upwards, self._break)

    async def _half_close(self, fault, chunk, upwards, before):
        if upwards != (fault.kind == HALF_CLOSE_UP):
            return chunk
        return await self._until(fault, chunk, before, upwards, self._end)

    async def _until(self, fault, chunk, before, upwards, then):
        """Lets `amount` bytes through, then does that."""
        left = int(fault.amount) - before
        if len(chunk) <= left:
            return chunk
        self.gate.count(self, fault)
        sink = (self.server if upwards else self.client)[1]
        if left > 0:
            sink.write(chunk[:left])
            await sink.drain()
        return then(sink, upwards)

    def _break(self, _sink, _upwards):
        raise ConnectionResetError

    def _end(self, sink, upwards):
        if sink.can_write_eof() and not sink.transport.is_closing():
            sink.write_eof()
        self.ended.add(upwards)
        return b""

    async def _delay(self, fault, chunk, upwards, before):
        self.gate.count(self, fault)
        await asyncio.sleep(fault.amount)
        return chunk

    async def _slow(self, fault, chunk, upwards, before):
        self.gate.count(self, fault)
        await asyncio.sleep(min(len(chunk) / fault.amount, 2))
        return chunk

    async def _swallow(self, fault, chunk, upwards, before):
        self.gate.count(self, fault)
        self.dead = True
        return b""

    async def _say(self, fault, chunk, upwards, before):
        """Answers for the server: at once, or where it lies, when the server has answered."""
        if upwards == (fault.kind == LIE_500):
            return chunk
        self.gate.count(self, fault)
        self.answered = True
        status = {SAY_503: "503 Slow Down"}.get(fault.kind, "500 Internal Server Error")
        writer = self.client[1]
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.write_eof()
        return b""


ACTS = {
    CUT_UP: Connection._cut,
    CUT_DOWN: Connection._cut,
    HALF_CLOSE_UP: Connection._half_close,
    HALF_CLOSE_DOWN: Connection._half_close,
    DELAY: Connection._delay,
    SLOW: Connection._slow,
    BLACK_HOLE: Connection._swallow,
    SAY_500: Connection._say,
    SAY_503: Connection._say,
    LIE_500: Connection._say,
}


def _reset(writer):
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
