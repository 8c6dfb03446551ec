"""What a client may take of relais: rate, time, connections and the size of a head. Each limit is set low here."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import requests

from harness import configuration, media, raw
from harness.clients import refused
from harness.process import eventually
from harness.stores import everything_in

BODY = media.random_bytes(media.MIB)


@pytest.fixture(scope="module")
def start_limited(start_shared_relais, tmp_path_factory):
    """Starts a relais with these limits, and a bucket `box`."""

    def start(name, rates=None, **limits):
        folder = tmp_path_factory.mktemp(name)
        tables = {f"proxy__rates__{who}": rate for who, rate in (rates or {}).items()}
        sections = {"proxy": limits} | tables | configuration.no_sidecars()
        config, folders = configuration.two_folders(folder, **sections)
        relais = start_shared_relais(name, config=config)
        relais.folders = folders
        client = relais.client(retries={"mode": "standard", "total_max_attempts": 10})
        client.create_bucket(Bucket="box")
        client.close()  # Its connection would count.
        return relais

    return start


@pytest.fixture(scope="module")
def impatient(start_limited):
    return start_limited(
        "impatient", head_timeout_seconds=2, body_idle_timeout_seconds=2, write_idle_timeout_seconds=2
    )


@pytest.fixture(scope="module")
def strict(start_limited):
    return start_limited("strict")


def test_an_address_that_makes_too_many_requests_is_told_to_slow_down(start_limited):
    relais = start_limited("address", {"address": {"requests_per_second_max": 5}})
    time.sleep(1.2)
    answers = [requests.get(f"{relais.url}/box/none", timeout=20) for _ in range(12)]
    slowed = [answer for answer in answers if answer.status_code == 503]
    assert 5 <= len(slowed) <= 7, [answer.status_code for answer in answers]
    for answer in slowed:
        assert "<Code>SlowDown</Code>" in answer.text
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["x-amz-request-id"]
    time.sleep(int(slowed[0].headers["Retry-After"]))
    assert requests.get(f"{relais.url}/box/none", timeout=20).status_code == 403


def test_an_identity_that_makes_too_many_requests_is_told_to_slow_down_and_others_are_not(start_limited):
    relais = start_limited("identity", {"identity": {"requests_per_second_max": 3}})
    time.sleep(1.2)
    urls = [relais.client().generate_presigned_url("get_object", {"Bucket": "box", "Key": "none"})] * 9
    answers = [requests.get(url, timeout=20) for url in urls]
    slowed = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {404, 503} and 4 <= len(slowed) <= 6
    for answer in slowed:
        assert "<Code>SlowDown</Code>" in answer.text and int(answer.headers["Retry-After"]) >= 1
    assert {requests.get(f"{relais.url}/box/none", timeout=20).status_code for _ in range(9)} == {403}


def test_bytes_of_an_identity_are_paced(start_limited):
    relais = start_limited("paced-identity", {"identity": {"bytes_per_second_max": "1MiB"}})
    time.sleep(1)
    begun = time.monotonic()
    relais.client().put_object(Bucket="box", Key="k", Body=BODY * 3)
    assert 1.8 < time.monotonic() - begun < 6


def test_sdks_come_back_by_themselves(start_limited):
    relais = start_limited("patient", {"address": {"requests_per_second_max": 5}})
    s3 = relais.client(retries={"mode": "standard", "total_max_attempts": 10})
    for number in range(15):
        s3.put_object(Bucket="box", Key=f"k{number}", Body=b"x")
    time.sleep(1.2)
    assert s3.list_objects_v2(Bucket="box")["KeyCount"] == 15


def test_bytes_of_an_address_are_paced_in_both_directions(start_limited):
    relais = start_limited("paced", {"address": {"bytes_per_second_max": "1MiB"}})
    s3 = relais.client()
    time.sleep(1)
    begun = time.monotonic()
    s3.put_object(Bucket="box", Key="k", Body=BODY * 3)
    put = time.monotonic() - begun
    got = s3.get_object(Bucket="box", Key="k")["Body"].read()
    both = time.monotonic() - begun
    assert got == BODY * 3
    assert 1.8 < put < 6, put  # The first of the three had gathered.
    assert 4.5 < both < 12, both


def test_requests_in_flight_count_until_the_answer_was_taken(start_limited):
    relais = start_limited("busy", requests_in_flight_max=1)
    s3 = relais.client()
    s3.put_object(Bucket="box", Key="large", Body=BODY * 32)
    get = raw.head(relais, "GET", "/box/large")
    with raw.connection(relais) as slow:
        slow.sendall(get)
        assert slow.recv(15).startswith(b"HTTP/1.1 200")
        time.sleep(0.5)
        assert refused(s3.head_object, Bucket="box", Key="large") == (503, "503")
        answer = requests.get(f"{relais.url}/box/large", timeout=20)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    url = s3.generate_presigned_url("head_object", {"Bucket": "box", "Key": "large"})
    is_free = lambda: requests.head(url, timeout=20).status_code == 200  # noqa: E731
    eventually(is_free, what="who goes away gives the place back")


def test_connections_over_the_limit_are_closed(start_limited):
    relais = start_limited("few", connections_max=3, head_timeout_seconds=30)
    time.sleep(0.5)
    with raw.connection(relais) as one, raw.connection(relais) as two, raw.connection(relais) as three:
        time.sleep(0.3)
        with raw.connection(relais) as fourth:
            fourth.settimeout(5)
            assert raw.read_to_end(fourth)[0] == b""
        one.close()
        time.sleep(0.3)
        assert requests.get(f"{relais.url}/box/k", timeout=20).status_code == 403
        assert relais.is_ready()  # The JSON port counts its own.
        assert two.fileno() and three.fileno()
    assert "there are too many connections" in relais.text()


def test_connections_of_one_address_are_limited(start_limited):
    relais = start_limited("per-address", connections_per_address_max=2)
    time.sleep(0.5)
    with raw.connection(relais), raw.connection(relais):
        time.sleep(0.3)
        with raw.connection(relais) as third:
            assert raw.read_to_end(third)[0] == b""
        with socket.create_connection(("127.0.0.1", relais.s3_port), 5, ("127.0.0.2", 0)) as other:
            other.sendall(raw.head(relais, "GET", "/box/none"))
            assert other.recv(12) == b"HTTP/1.1 404"


@pytest.mark.parametrize("begins", [b"", b"PRI * HT", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "h2", "h1"])
@pytest.mark.parametrize("port", ["s3_port", "api_port"])
def test_a_head_that_does_not_end_loses_its_connection(impatient, begins, port):
    with socket.create_connection(("127.0.0.1", getattr(impatient, port)), timeout=30) as stream:
        stream.sendall(begins)
        received, seconds = raw.read_to_end(stream)
    assert received == b"" and 1 < seconds < 8, (received, seconds)


def test_a_head_that_comes_drop_by_drop_loses_its_connection(impatient):
    with raw.connection(impatient) as stream:
        begun = time.monotonic()
        stream.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for number in range(100):
                stream.sendall(b"x-%d: y\r\n" % number)
                time.sleep(0.2)
        assert time.monotonic() - begun < 8


def test_many_slow_clients_do_not_keep_others_out(impatient):
    stop = threading.Event()

    def hold():
        with raw.connection(impatient) as stream:
            stream.sendall(b"PUT /box/k HTTP/1.1\r\nHost: x\r\n")
            stop.wait(4)

    with ThreadPoolExecutor(50) as pool:
        held = [pool.submit(hold) for _ in range(50)]
        s3 = impatient.client()
        for _ in range(5):
            s3.put_object(Bucket="box", Key="other", Body=BODY)
        stop.set()
        for one in held:
            one.result()


@pytest.mark.parametrize("sent", [0, 1, 500_000])
def test_a_body_that_stands_still_ends_its_request(impatient, sent):
    before = everything_in(impatient.folders)
    put = raw.head(impatient, "PUT", "/box/still", {"Content-Length": str(len(BODY))})
    with raw.connection(impatient) as stream:
        stream.sendall(put + BODY[:sent])
        received, seconds = raw.read_to_end(stream)
    assert received.startswith(b"HTTP/1.1 400") and b"<Code>RequestTimeout</Code>" in received, received
    assert 1.5 < seconds < 10, seconds
    eventually(lambda: everything_in(impatient.folders) == before, what="nothing is left on the stores")


def test_a_document_that_stands_still_ends_its_request_too(impatient):
    put = raw.head(impatient, "POST", "/box?delete=", {"Content-Length": "70000", "Content-MD5": "x" * 22 + "=="})
    with raw.connection(impatient) as stream:
        stream.sendall(put + b"<Delete>")
        received, _ = raw.read_to_end(stream)
    assert b"<Code>RequestTimeout</Code>" in received, received


def test_a_slow_body_that_goes_on_is_taken(impatient):
    put = raw.head(impatient, "PUT", "/box/slow", {"Content-Length": "5", "Connection": "close"})
    with raw.connection(impatient) as stream:
        stream.sendall(put)
        for byte in b"hello":
            time.sleep(1)
            stream.sendall(bytes([byte]))
        received, _ = raw.read_to_end(stream)
    assert received.startswith(b"HTTP/1.1 200"), received
    assert impatient.client().get_object(Bucket="box", Key="slow")["Body"].read() == b"hello"


def test_an_answer_that_is_not_taken_loses_its_connection(impatient):
    impatient.client().put_object(Bucket="box", Key="large", Body=BODY * 32)
    with raw.connection(impatient) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        stream.sendall(raw.head(impatient, "GET", "/box/large"))
        time.sleep(5)
        received, _ = raw.read_to_end(stream)
    assert 0 < len(received) < 32 * len(BODY)


def test_an_answer_that_is_taken_slowly_is_given_whole(impatient):
    impatient.client().put_object(Bucket="box", Key="large", Body=BODY * 8)
    received = b""
    with raw.connection(impatient) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        stream.sendall(raw.head(impatient, "GET", "/box/large", {"Connection": "close"}))
        while part := stream.recv(1 << 20):
            received += part
            time.sleep(0.05)
    assert received.endswith(BODY * 8)


def test_an_idle_connection_is_closed_and_a_used_one_is_kept(impatient):
    get = raw.head(impatient, "GET", "/box/none")
    with raw.connection(impatient) as stream:
        for _ in range(4):
            stream.sendall(get)
            assert b"404" in stream.recv(65536)
            time.sleep(1)
        received, seconds = raw.read_to_end(stream)
    assert received == b"" and seconds < 8


def test_a_head_of_usual_size_passes_and_a_huge_one_does_not(strict):
    token = "e" * 6 * 1024
    passed = raw.put(strict, "/box/token", b"x", {"Content-Length": "1", "X-Own-Token": token})
    assert passed.status == 200, passed.text
    for headers in ({"X-Own": "x" * 100 * 1024}, {"X-Own": "x" * 1000 * 1024}):
        assert raw.put(strict, "/box/k", b"x", {"Content-Length": "1", **headers}).status == 431
    many = {f"X-Own-{number}": "x" for number in range(200)}
    assert raw.put(strict, "/box/k", b"x", {"Content-Length": "1", **many}).status == 431
    refusal = raw.put(strict, "/box/k", b"x", {"Content-Length": "1", "X-Own": "x" * 100 * 1024})
    assert refusal.code == "RequestHeaderSectionTooLarge"
    assert requests.get(f"{strict.url}/box/{'k' * 40_000}", timeout=20).status_code == 414
    assert strict.client().list_objects_v2(Bucket="box").get("KeyCount") == 1


def test_metadata_is_two_kilobytes_at_most(strict):
    s3 = strict.client()
    fits, too_large = {"note": "x" * 2044}, {"note": "x" * 2045}
    s3.put_object(Bucket="box", Key="fits", Body=b"x", Metadata=fits)
    assert s3.head_object(Bucket="box", Key="fits")["Metadata"] == fits
    expected = (400, "MetadataTooLarge")
    new = {"Bucket": "box", "Key": "large", "Metadata": too_large}
    assert refused(s3.put_object, Body=b"x", **new) == expected
    assert refused(s3.create_multipart_upload, **new) == expected
    assert refused(s3.copy_object, CopySource="box/fits", MetadataDirective="REPLACE", **new) == expected
    fields = {"x-amz-meta-note": too_large["note"]}
    form = s3.generate_presigned_post("box", "large", fields, [fields])
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"x"}, timeout=20)
    assert answer.status_code == 400 and "<Code>MetadataTooLarge</Code>" in answer.text
    assert refused(s3.head_object, Bucket="box", Key="large")[0] == 404


def test_the_json_port_answers_as_ever(impatient):
    assert requests.get(f"{impatient.api_url}/health", timeout=10).status_code == 200
    with httpx.Client() as client:
        for _ in range(3):
            assert client.get(f"{impatient.api_url}/ready").status_code == 200
