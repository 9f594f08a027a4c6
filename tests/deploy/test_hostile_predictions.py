"""What strangers send to a data plane, over sockets, and what it must withstand.

After each test it answers as before, has written no failure to its log, has lost no record, and its
memory is where a few large requests leave it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import struct

import grpc
import numpy as np
import psutil
import pytest
from bodies import GOOD, MLFLOW, NATIVE, V1, V2
from serving_harness import ROW, TRIP, Serving

from everloop.deploy.serving.protocols._rpc_messages import MESSAGES, SERVICE
from everloop.deploy.state import Arm
from ports import free_port

BODY = json.dumps([ROW]).encode()
START = b"POST /endpoints/flights/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
TE = b"Transfer-Encoding: chunked\r\n"
SECOND = b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MEGABYTES = 150  # that the process may grow by; a body is at most 4 MB here


@pytest.fixture(scope="module")
def shared(shared_project):
    shared_project.want(
        flights=[Arm(1, shared_project.linear())], trips=[Arm(4, shared_project.mixed())]
    )
    port = free_port()
    serving = Serving(shared_project.folder, "--grpc-port", str(port), EVERLOOP_MAX_BODY_MB="4")
    serving.rpc_port = port
    serving.memory = psutil.Process(serving.process.pid).memory_info
    for path, body in GOOD:
        assert serving.http.post(path, json=body).status_code == 200
    serving.before = serving.memory().rss
    yield serving
    assert serving.stop() == 0


@pytest.fixture(autouse=True)
def unharmed(shared):
    answered = len(shared.records())
    yield
    assert shared.predict([ROW]).json()["y_pred"] == pytest.approx([10.0])
    errors = [line for line in shared.stderr.read_text().splitlines() if " ERROR " in line]
    assert not errors and "Traceback" not in shared.stderr.read_text()
    assert len(shared.records()) > answered
    assert shared.status()["log_lost"] == 0
    assert shared.memory().rss - shared.before < MEGABYTES << 20


def statuses(shared, data: bytes, half_close: bool = False) -> list[int]:
    """Of all answers to what is sent, until the server closes or has nothing more to say."""
    said = b""
    with socket.create_connection(("127.0.0.1", shared.port), 20) as connection:
        with contextlib.suppress(OSError):  # it may have refused before it read all
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while piece := connection.recv(1 << 16):
                said += piece
                connection.settimeout(0.3)  # a second answer would come with the first
    return [int(part.split(b" ", 2)[1]) for part in said.split(b"HTTP/1.")[1:]]


BOTH = ("a length and chunks", "chunks and a length")
# A proxy in front may read each of these as one request: a second answer would be someone else's.
SMUGGLED = {
    BOTH[0]: b"Content-Length: %d\r\n" % len(CHUNKED + SECOND) + TE + b"\r\n" + CHUNKED,
    BOTH[1]: TE + b"Content-Length: 4\r\n\r\n" + CHUNKED,
    "two lengths": LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
    "a list of lengths": b"Content-Length: 5, %d\r\n\r\n" % len(BODY) + BODY,
    "a length with a sign": b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "a negative length": b"Content-Length: -1\r\n\r\n" + BODY,
    "a length in hex": b"Content-Length: 0x1f\r\n\r\n" + BODY,
    "a length beyond all": b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "a folded header": LENGTH + b"X-A: b\r\n c\r\n\r\n" + BODY,
    "folded chunks": b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKED,
    "a blank before the colon": b"Content-Length : %d\r\n\r\n" % len(BODY) + BODY,
    "chunks by another name": b"Transfer-Encoding: xchunked\r\n" + LENGTH + b"\r\n" + BODY,
    "chunks within gzip": b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKED,
    "gzip within chunks": b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKED,
    "chunks twice": TE + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKED,
    "a vertical tab": b"Transfer-Encoding:\x0bchunked\r\n" + LENGTH + b"\r\n" + BODY,
    "a zero in a header": LENGTH + b"X-A: a\0b\r\n\r\n" + BODY,
    "a bare return": LENGTH + b"X-A: a\rContent-Length: 5\r\n\r\n" + BODY,
    "no size of a chunk": TE + b"\r\nzz\r\n" + BODY,
    "a chunk ended by a bare feed": TE + b"\r\n%x\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
    "a chunk longer than said": TE + b"\r\n5\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk beyond all": TE + b"\r\nffffffffffffffffff\r\n" + BODY,
}  # fmt: skip


@pytest.mark.parametrize("form", SMUGGLED)
def test_one_request_is_never_two(shared, form):
    found = statuses(shared, START + SMUGGLED[form] + SECOND)
    # Where chunks override a length, RFC 9112 has the connection closed behind the answer.
    assert found == ([200] if form in BOTH else [400])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, {400}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", set()),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {414}),
        (START + b"X-A: " + b"a" * 2_000_000 + b"\r\n\r\n", {431}),
        (START + b"".join(b"X-%d: 1\r\n" % n for n in range(2000)) + b"\r\n", {431}),
        (b"G\xc3T /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400}),
        (b"GET /%zz%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {404}),
        (b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400}),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {404}),
        (START.replace(b"1.1", b"9.9") + LENGTH + b"\r\n" + BODY, {400}),
        (START.replace(b"predict", b"predict?include=%ff&\xff") + LENGTH + b"\r\n" + BODY, {400}),
        (START + b"Content-Length: 9999999\r\n\r\n", {413}),
        (START + b"Content-Encoding: br\r\n" + LENGTH + b"\r\n" + BODY, {415}),
    ],
)
def test_what_is_no_request_is_refused(shared, data, expected):
    assert set(statuses(shared, data)) == expected


def test_a_connection_that_is_half_closed_is_answered_or_refused(shared):
    assert statuses(shared, START + LENGTH + b"\r\n" + BODY, half_close=True) in ([200], [])
    cut = START + LENGTH + b"\r\n" + BODY[:-1]
    assert statuses(shared, cut, half_close=True) in ([400], [])
    assert statuses(shared, START, half_close=True) in ([400], [])


def test_three_hundred_slow_callers_keep_nobody_waiting(shared):
    """Each stops in its headers or in its body; the others are answered meanwhile."""
    slow = []
    try:
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", shared.port), 20)
            connection.sendall(START if number % 2 else START + LENGTH + b"\r\n[")
            slow.append(connection)
        for _ in range(20):
            assert shared.predict([ROW]).status_code == 200
    finally:
        for connection in slow:
            connection.close()


PATHS = [form.format("flights") for form in (NATIVE, V1, V2, MLFLOW)]
LARGE = {
    "blanks": b" " * 3_900_000,
    "brackets": b"[" * 3_900_000,
    "objects": b'{"a":' * 700_000,
    "rows": b"[" + b",".join([b"{}"] * 1_000_000) + b"]",
    "one text": b'"' + b"x" * 3_900_000 + b'"',
    "a number": b"[" + b"9" * 3_900_000 + b"]",
    "names": b"{" + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}",
    "instances": b'{"instances":[' + b",".join([b"[1,2,3]"] * 480_000) + b"]}",
    "tensors": b'{"inputs":[' + b",".join(
        [b'{"name":"x","datatype":"FP64","shape":[1],"data":[1]}'] * 70_000) + b"]}",
    "records": b'{"dataframe_records":[' + b",".join([b'{"x0":1}'] * 420_000) + b"]}",
    "split": b'{"dataframe_split":{"data":[' + b",".join([b"[]"] * 1_000_000) + b"]}}",
    "NaN": b'{"instances":[' + b",".join([b"NaN"] * 900_000) + b"]}",
}  # fmt: skip


@pytest.mark.parametrize("form", LARGE)
def test_four_megabytes_of_it(shared, form):
    for path in PATHS:
        answer = shared.http.post(path, content=LARGE[form])
        assert 400 <= answer.status_code < 500, (path, answer.text[:300])
        assert len(answer.content) < 3000


def test_bombs(shared):
    bombs = [gzip.compress(b" " * 400_000_000, 1)]
    bombs.append(gzip.compress(bombs[0]))
    for path in PATHS:
        for bomb in bombs:
            answer = shared.http.post(path, content=bomb, headers={"content-encoding": "gzip"})
            assert answer.status_code in (400, 413, 422), answer.text


# -- gRPC ------------------------------------------------------------------------------------------


def bytes_call(shared, method: str, message: bytes, **more) -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{shared.rpc_port}") as channel:
        try:
            channel.unary_unary(f"/{SERVICE}/{method}")(message, timeout=20, **more)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_bytes_that_are_no_message(shared):
    rng = random.Random(7)
    x = np.arange(4, dtype="<f4")
    infer = MESSAGES["ModelInferRequest"](
        model_name="flights", inputs=[{"name": "X", "datatype": "FP32", "shape": [1, 4]}],
        raw_input_contents=[x.tobytes()],
    ).SerializeToString()  # fmt: skip
    assert bytes_call(shared, "ModelInfer", infer) is grpc.StatusCode.OK
    allowed = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
    for _ in range(150):
        message = bytearray(infer)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(message) + 1)
            message[place : place + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 3))
        assert bytes_call(shared, "ModelInfer", bytes(message)) in allowed
    for method in ("ModelInfer", "ModelMetadata", "ModelReady", "RepositoryIndex"):
        assert bytes_call(shared, method, b"\xff" * 50) is grpc.StatusCode.INVALID_ARGUMENT
    assert bytes_call(shared, "Fly", b"") is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_that_is_a_bomb(shared):
    tensor = {"name": "X", "datatype": "INT8", "shape": [25_000_000, 4]}
    bomb = MESSAGES["ModelInferRequest"](
        model_name="flights", inputs=[tensor], raw_input_contents=[bytes(100_000_000)]
    ).SerializeToString()
    found = bytes_call(shared, "ModelInfer", bomb, compression=grpc.Compression.Gzip)
    assert found is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_http_at_the_port_of_grpc_and_the_reverse(shared):
    with socket.create_connection(("127.0.0.1", shared.rpc_port), 20) as connection:
        connection.sendall(START + LENGTH + b"\r\n" + BODY)
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while connection.recv(1 << 16):
                pass
    frame = struct.pack(">I", 4)[1:] + b"\x04\0\0\0\0\0" + bytes(4)
    assert set(statuses(shared, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame)) <= {400}
    assert shared.predict([TRIP], "trips").status_code == 200
