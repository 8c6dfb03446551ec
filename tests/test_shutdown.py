"""The end of a relais that was told to stop: `/ready` says so first, what is in flight finishes, leases are handed back."""

import contextlib
import signal
import socket
import threading
import time

import h2.connection
import pytest
import requests

from harness import configuration, media, raw
from harness.database import Table
from harness.holding import Holding
from harness.process import eventually
from harness.stores import assert_replicas_hold

BUCKET = "media"
ENOUGH_SECONDS = 60


@pytest.fixture
def start(start_relais, tmp_path):
    """Starts a relais over two folders, with `proxy` settings."""

    def start(name="relais", environment=None, **proxy):
        config, folders = configuration.two_folders(
            tmp_path / "replicas", proxy=proxy, **configuration.no_sidecars()
        )
        relais = start_relais(name, config=config, environment=environment)
        relais.folders = folders
        relais.client().create_bucket(Bucket=BUCKET)
        return relais

    return start


@pytest.fixture
def start_held(start_relais, moto_http, tmp_path):
    """Starts a relais over a cloud that can be made to hold back its answers."""
    moto_http.reset()
    with Holding(moto_http) as slow:

        def start(**proxy):
            stores = {"cloud": configuration.full_s3_store(slow)}
            buckets = [configuration.bucket("*", ["cloud"])]
            sections = {"proxy": proxy} | configuration.no_sidecars()
            config = configuration.write_toml(tmp_path / "relais.toml", stores, buckets, **sections)
            relais = start_relais(config=config)
            relais.client().create_bucket(Bucket=BUCKET)
            return relais, slow

        yield start


def tell_to_stop(relais):
    relais.child.send_signal(signal.SIGTERM)


def reasons(relais):
    """Why the relais is not ready; nothing if it is."""
    answer = requests.get(f"{relais.api_url}/ready", timeout=10)
    return answer.json()["reasons"] if answer.status_code == 503 else None


def wait_stopping(relais):
    eventually(lambda: reasons(relais) == ["stopping"], what="/ready says that relais stops")


def takes_connections(relais):
    try:
        socket.create_connection(("127.0.0.1", relais.s3_port), timeout=5).close()
        return True
    except ConnectionRefusedError:
        return False


def assert_ends_well(relais):
    child, relais.child = relais.child, None
    assert child.wait(ENOUGH_SECONDS) == 0, relais.text()[-4000:]


def half_a_put(relais, stream, key, body):
    """Sends the head of a PUT and the first half of its body."""
    stream.sendall(raw.head(relais, "PUT", f"/{BUCKET}/{key}", {"Content-Length": str(len(body))}))
    stream.sendall(body[: len(body) // 2])


def test_requests_are_taken_for_a_while_after_ready_says_stopping(start):
    relais = start(shutdown_delay_seconds=8)
    s3 = relais.client()
    tell_to_stop(relais)
    wait_stopping(relais)
    s3.put_object(Bucket=BUCKET, Key="late", Body=b"late")
    relais.client().head_object(Bucket=BUCKET, Key="late")  # By a new connection.
    eventually(lambda: not takes_connections(relais), ENOUGH_SECONDS, what="no connection is taken any more")
    assert_ends_well(relais)
    assert_replicas_hold(relais.folders, BUCKET, "late", b"late")


def test_a_request_in_flight_is_finished_and_its_connection_told_to_close(start):
    relais, body = start(), media.random_bytes(2_000_000)
    with raw.connection(relais) as stream, raw.connection(relais) as idle:
        half_a_put(relais, stream, "k", body)
        tell_to_stop(relais)
        wait_stopping(relais)
        eventually(lambda: not takes_connections(relais), what="no connection is taken any more")
        assert raw.read_to_end(idle)[0] == b""
        assert requests.get(f"{relais.api_url}/health", timeout=10).status_code == 200
        assert reasons(relais) == ["stopping"]
        assert relais.child.poll() is None
        stream.sendall(body[len(body) // 2 :])
        answer, _ = raw.read_to_end(stream)
    head = answer.split(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200"), answer
    assert b"connection: close" in head
    assert_ends_well(relais)
    assert_replicas_hold(relais.folders, BUCKET, "k", body)


DATA, HEADERS, PING, GOAWAY = 0, 1, 6, 7  # RFC 9113, section 6.


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def frames(stream):
    """Kind, flags and payload of each frame until the server closes; h2 takes none after GOAWAY."""
    with stream.makefile("rb") as file, contextlib.suppress(ConnectionError):
        while len(head := file.read(9)) == 9:
            yield head[3], head[4], file.read(int.from_bytes(head[:3]))


def test_http2_connections_are_told_to_go_away(start):
    relais = start()
    url = relais.client().generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "k"})
    http2 = h2.connection.H2Connection()
    http2.initiate_connection()
    head = {"method": "PUT", "scheme": "http", "authority": url.split("/")[2], "path": url.removeprefix(relais.url)}
    http2.send_headers(1, [*((f":{name}", value) for name, value in head.items()), ("content-length", "10")])
    http2.send_data(1, b"01234")
    with raw.connection(relais) as stream:
        stream.sendall(http2.data_to_send())
        eventually(lambda: Table(relais).value("SELECT COUNT(*) FROM journal") == 1, what="the PUT is under way")
        tell_to_stop(relais)
        kinds = []
        for kind, flags, payload in frames(stream):
            kinds.append(kind)
            if kind == PING and not flags:
                stream.sendall(frame(PING, 1, 0, payload))
            if kind == GOAWAY and kinds.count(GOAWAY) == 1:
                stream.sendall(frame(DATA, 1, 1, b"56789"))  # What was under way goes on.
        assert GOAWAY in kinds
        assert kinds.index(GOAWAY) < kinds.index(HEADERS), "the answer comes after the word to go away"
    assert_ends_well(relais)
    assert_replicas_hold(relais.folders, BUCKET, "k", b"0123456789")


def test_a_write_whose_client_is_gone_is_waited_for(start_held):
    relais, slow = start_held()
    slow.hold_answers()
    with raw.connection(relais) as stream:
        half_a_put(relais, stream, "k", b"whole")
        stream.sendall(b"whole"[2:])
        assert slow.held.wait(20)
    tell_to_stop(relais)
    wait_stopping(relais)
    eventually(lambda: not takes_connections(relais), what="no connection is taken any more")
    assert relais.child.poll() is None
    slow.release()
    assert_ends_well(relais)
    assert Table(relais).value("SELECT COUNT(*) FROM journal WHERE sequencer IS NULL") == 0
    assert Table(relais).value("SELECT size FROM objects WHERE key = ?", "k") == 5


def test_a_second_signal_ends_relais_at_once(start_held):
    relais, slow = start_held()
    slow.hold_answers()
    with raw.connection(relais) as stream:
        half_a_put(relais, stream, "k", b"whole")
        stream.sendall(b"whole"[2:])
        assert slow.held.wait(20)
        tell_to_stop(relais)
        wait_stopping(relais)
        tell_to_stop(relais)
        child, relais.child = relais.child, None
        assert child.wait(15) == 1  # Less than the 30 s that requests may take.
    assert Table(relais).value("SELECT COUNT(*) FROM journal WHERE sequencer IS NULL") == 1


def test_what_does_not_finish_is_cut_off_and_left_to_recovery(start_held):
    relais, slow = start_held(drain_timeout_seconds=1)
    slow.hold_answers()
    with raw.connection(relais) as stream:
        half_a_put(relais, stream, "k", b"whole")
        stream.sendall(b"whole"[2:])
        assert slow.held.wait(20)
        begun = time.monotonic()
        tell_to_stop(relais)
        assert_ends_well(relais)
    assert time.monotonic() - begun < ENOUGH_SECONDS / 2
    # A store may still be at it: nobody looks before the lease is over.
    assert Table(relais).value("SELECT COUNT(*) FROM instances") == 1
    slow.release()
    relais.start()
    table = Table(relais)
    eventually(lambda: table.value("SELECT COUNT(*) FROM objects WHERE size = 5") == 1, ENOUGH_SECONDS)


def test_an_instance_that_stops_hands_its_leases_back(start, postgres, redis_server):
    environment = {"DATABASE_URL": postgres.new_database("handover"), "REDIS_URL": redis_server.url}
    one = start("one", environment)
    eventually(lambda: Table(one).value("SELECT COUNT(*) FROM leases") == 1, what="somebody leads")
    one.stop()
    assert [Table(one).value(f"SELECT COUNT(*) FROM {table}") for table in ("instances", "leases")] == [0, 0]


def test_it_stops_while_clients_write(start):
    """Every write that was acknowledged is there, and nobody hears anything but a clean answer or a closed connection."""
    relais = start()
    acknowledged, strange = [], []

    def write(number):
        s3 = relais.client()
        with contextlib.suppress(requests.RequestException):
            for count in range(10_000):
                key = f"{number}/{count}"
                url = s3.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": key})
                status = requests.put(url, data=key.encode(), timeout=20).status_code
                (acknowledged if status == 200 else strange).append(key)

    writers = [threading.Thread(target=write, args=[number], daemon=True) for number in range(4)]
    for writer in writers:
        writer.start()
    eventually(lambda: len(acknowledged) > 40, ENOUGH_SECONDS, what="writing goes on")
    tell_to_stop(relais)
    assert_ends_well(relais)
    for writer in writers:
        writer.join(20)
    assert strange == []
    for key in acknowledged:
        assert_replicas_hold(relais.folders, BUCKET, key, key.encode())
    table = Table(relais)
    assert table.value("SELECT COUNT(*) FROM journal WHERE sequencer IS NULL") == 0
    assert table.value("SELECT COUNT(*) FROM instances") == 0
    assert table.value("SELECT COUNT(*) FROM journal") >= len(acknowledged)
