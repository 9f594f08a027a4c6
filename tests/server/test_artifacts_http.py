"""Artifacts over real HTTP: a process, a socket, and requests that no client library sends."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from server_helpers import DEAD, LOOP_FILE, Client

from everloop.loop.project import Project
from everloop.server.app import create_app
from everloop.server.child import answers_ready
from everloop.settings import Settings
from everloop.tracking.artifacts.paths import key_of
from ports import free_port
from waiting import wait_for

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
LIMIT = 150_000_000
TRICKS = (
    "../x", "a/../../x", "..%2fx", "%2e%2e/x", "%2E%2E%2Fx", "%252e%252e/x", "%25252e%25252e/x",
    "a/..%252f..%252fx", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "a\\b", "a%5cb",
    "a%255cb", "a%00b", "a%2500b", "a%23b", "a%2523b", "C:/x", "c%3ax", "file:///etc/passwd",
    "n" * 256, "/".join(["n" * 250] * 7),
)  # fmt: skip
ODD = ("a/", "a//b", "./a", "a/./b", "")  # a folder to list may be called so, a file may not


class Running:
    """A server over a folder, as a process."""

    def __init__(self, folder: Path, fsize: int | None = None, token: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}
        command = [sys.executable, "-m", "everloop.server", "--no-controller"]
        limit = None if fsize is None else lambda: _limit(fsize)
        self.process = subprocess.Popen(
            [*command, "--dir", str(folder), "--port", str(self.port), "--watch-stdin"],
            stdin=subprocess.PIPE, env=clean | ({"EVERLOOP_TOKEN": token} if token else {}),
            stderr=(folder / "log").open("ab"), preexec_fn=limit,
        )  # fmt: skip
        address = ("127.0.0.1", self.port)
        wait_for(lambda: answers_ready(address) or self.process.poll() is not None)
        assert self.process.poll() is None

    def raw(self, method: str, target: str, body: bytes = b"", said: int | None = None) -> bytes:
        """The answer to a request whose target goes out as it is."""
        length = len(body) if said is None else said
        head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        head += f"Content-Length: {length}\r\nConnection: close\r\n\r\n"
        return self.send(head.encode("latin-1") + body, said is not None)

    def send(self, data: bytes, ends: bool) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def memory(self) -> int:
        """The most bytes it ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(x.split()[1]) for x in status.splitlines() if "VmHWM" in x) * 1024

    def waiting(self) -> list[Path]:
        folder = self.folder / ".everloop" / "blobs" / ".incoming"
        return list(folder.iterdir()) if folder.exists() else []

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def _limit(fsize: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, fsize))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@contextlib.contextmanager
def running(folder: Path, **options: object) -> Iterator[Running]:
    settings = f"[settings]\nmax_body_mb = 1.0\nmax_artifact_mb = {LIMIT / 1e6}\n"
    (folder / "everloop.toml").write_text(LOOP_FILE + settings)
    found = Running(folder, **options)  # type: ignore[arg-type]
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("artifacts")) as found:
        yield found


@pytest.fixture(scope="module")
def http(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def run(http: httpx.Client) -> str:
    answer = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
    return str(answer.json()["run"]["info"]["run_id"])


def refused(answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert status == 400, answer[:200]
    error = msgspec.json.decode(body)
    assert error["error_code"] == "INVALID_PARAMETER_VALUE"
    if "NUL" not in error["message"]:
        assert error["message"] == "Invalid path"


@pytest.mark.parametrize("path", TRICKS)
def test_tricks_in_paths(server: Running, http: httpx.Client, run: str, path: str) -> None:
    for method in ("PUT", "GET", "DELETE", "HEAD"):
        answer = server.raw(method, f"{PROXY}/{path}", b"data" if method == "PUT" else b"")
        if method == "HEAD":
            assert answer.split()[1] == b"400"
        else:
            refused(answer)
    refused(server.raw("GET", f"/ajax-api{PROXY.removeprefix('/api')}?path={path}"))
    refused(server.raw("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={path}"))
    refused(server.raw("GET", f"/get-artifact?run_id={run}&path={path}"))
    refused(server.raw("GET", f"/model-versions/get-artifact?name=m&version=1&path={path}"))
    refused(server.raw("GET", f"/api/2.0/mlflow-artifacts/presigned/{path}"))
    for method in ("PUT", "GET", "DELETE"):
        answer = server.raw(method, f"/api/v1/runs/{run}/artifacts/{path}")
        assert answer.split()[1] in (b"422", b"404"), answer[:200]
    assert http.get(PROXY).json() == {}


@pytest.mark.parametrize("path", ODD)
def test_names_that_are_no_files(server: Running, path: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        refused(server.raw(method, f"{PROXY}/{path}"))
    assert server.raw("GET", f"{PROXY}?path={path}").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("plain.txt", "plain.txt"),
        ("a%20b", "a b"),
        ("100%25", "100%"),
        ("caf%C3%A9", "café"),
        ("what%3f", "what?"),
        ("dog%25step%2520%25timestamp%25100", "dog%step %timestamp%100"),
    ],
)
def test_names_come_back(server: Running, http: httpx.Client, sent: str, name: str) -> None:
    assert server.raw("PUT", f"{PROXY}/names/{sent}", b"data").startswith(b"HTTP/1.1 200")
    assert server.raw("GET", f"{PROXY}/names/{sent}").endswith(b"\r\n\r\ndata")
    found = http.get(PROXY, params={"path": "names"}).json()["files"]
    assert found == [{"path": name, "is_dir": False, "file_size": 4}]
    assert server.raw("DELETE", f"{PROXY}/names/{sent}").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_cut_off_upload_leaves_nothing(server: Running, http: httpx.Client, size: int) -> None:
    answer = server.raw("PUT", f"{PROXY}/cut", b"x" * size, said=size * 2)
    assert answer.split()[1] == b"400"
    head = f"PUT {PROXY}/cut HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    head += f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n"
    server.send(head.encode() + b"x" * size + b"\r\n", ends=True)
    assert http.get(f"{PROXY}/cut").status_code == 404
    wait_for(lambda: server.waiting() == [])


QUOTED = "attachment; filename=\"q__.txt\"; filename*=UTF-8''q%22%C3%A9.txt"
DATA = bytes(range(256)) * 8000  # two pieces, and a bit


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-0", 206, 0, 1),
        ("bytes=5-9", 206, 5, 10),
        ("bytes=5-", 206, 5, len(DATA)),
        ("bytes=-7", 206, len(DATA) - 7, len(DATA)),
        ("bytes=0-99999999999", 206, 0, len(DATA)),
        ("bytes=-99999999999", 206, 0, len(DATA)),
        (f"bytes={len(DATA)}-", 416, 0, 0),
        ("bytes=9-5", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=0-1,5-6", 200, 0, len(DATA)),
        ("bytes=x-y", 200, 0, len(DATA)),
        ("lines=1-2", 200, 0, len(DATA)),
        ("bytes=" + "9" * 500 + "-", 200, 0, len(DATA)),
    ],
)
def test_ranges(http: httpx.Client, asked: str, status: int, start: int, end: int) -> None:
    http.put(f"{PROXY}/range/file.bin", content=DATA).raise_for_status()
    answer = http.get(f"{PROXY}/range/file.bin", headers={"range": asked})
    assert answer.status_code == status
    assert answer.content == DATA[start:end]
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(DATA)}"
    http.delete(f"{PROXY}/range").raise_for_status()


def test_what_a_download_says_of_itself(http: httpx.Client) -> None:
    page = b"<script>alert(1)</script>"
    for name, kind, saved in (
        ("page.html", "text/html", "attachment; filename=page.html"),
        ("MLmodel", "text/plain", "attachment; filename=MLmodel"),
        ("b.pkl", "application/octet-stream", "attachment; filename=b.pkl"),
        ('q"é.txt', "text/plain", QUOTED),
    ):  # fmt: skip
        http.put(f"{PROXY}/said/{name}", content=page).raise_for_status()
        answer = http.get(f"{PROXY}/said/{name}")
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-disposition"] == saved
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        tag = answer.headers["etag"]
        assert tag == f'"{hashlib.sha256(page).hexdigest()}"'
        same = http.get(f"{PROXY}/said/{name}", headers={"if-none-match": tag})
        assert (same.status_code, same.content) == (304, b"")
        head = http.head(f"{PROXY}/said/{name}")
        assert (head.headers["content-length"], head.content) == (str(len(page)), b"")
    http.delete(f"{PROXY}/said").raise_for_status()


def test_files_pass_through_in_pieces(server: Running, http: httpx.Client) -> None:
    piece, pieces = os.urandom(1_000_000), 120
    before = server.memory()
    http.put(f"{PROXY}/large/file", content=iter([piece] * pieces)).raise_for_status()
    got = hashlib.sha256()
    with http.stream("GET", f"{PROXY}/large/file") as answer:
        for chunk in answer.iter_bytes():
            got.update(chunk)
    assert got.digest() == hashlib.sha256(piece * pieces).digest()
    assert server.memory() - before < 60_000_000
    http.delete(f"{PROXY}/large").raise_for_status()


def test_a_file_may_be_larger_than_other_bodies_but_not_endless(
    server: Running, http: httpx.Client
) -> None:
    said = server.raw("PUT", f"{PROXY}/huge", b"", said=LIMIT + 1)
    assert said.split()[1] == b"413"
    assert b"max_artifact_mb" in said

    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 1_000_000

    with contextlib.suppress(httpx.HTTPError):  # it may hang up before all of it is sent
        answer = http.put(f"{PROXY}/huge", content=endless())
        assert answer.status_code == 413
    assert http.get(f"{PROXY}/huge").status_code == 404
    assert server.waiting() == []
    small = http.post("/api/2.0/mlflow/runs/create", content=b"x" * 1_100_000)
    assert small.status_code == 413


def test_a_file_is_no_folder(http: httpx.Client) -> None:
    http.put(f"{PROXY}/both/file", content=b"x").raise_for_status()
    for path in ("both", "both/file/inside"):
        answer = http.put(f"{PROXY}/{path}", content=b"y")
        assert answer.status_code in (400, 409)
        assert "error_code" in answer.json()
    answer = http.get(f"{PROXY}/both")
    assert answer.status_code == 400
    assert "directory" in answer.json()["message"]
    assert http.delete(f"{PROXY}/both").json() == http.delete(f"{PROXY}/both").json() == {}


def create(http: httpx.Client, parts: int) -> dict[str, object]:
    answer = http.post(
        "/api/2.0/mlflow-artifacts/mpu/create/parts/sub",
        json={"path": "/home/me/large.bin", "num_parts": parts},
    )
    return dict(answer.raise_for_status().json())


def test_parts(http: httpx.Client, server: Running) -> None:
    pieces = [b"a" * 1_500_000, b"b" * 10, b"c" * 2_000_000]
    made = create(http, 3)
    sent = []
    for credential, piece in reversed(list(zip(made["credentials"], pieces, strict=True))):  # type: ignore[call-overload]
        answer = httpx.put(credential["url"], content=piece, headers=credential["headers"])
        sent.append({"part_number": credential["part_number"], "etag": answer.headers["etag"]})
    assert http.get(PROXY, params={"path": "parts"}).json() == {}
    done = {"path": "large.bin", "upload_id": made["upload_id"], "parts": sent}
    wrong = {**done, "parts": [{**sent[0], "etag": '"0"'}, *sent[1:]]}
    complete = "/api/2.0/mlflow-artifacts/mpu/complete/parts/sub"
    assert http.post(complete, json=wrong).status_code == 409
    assert http.post(complete, json={**done, "parts": sent[:2]}).status_code == 409
    assert http.post(complete, json=done).json() == {}
    assert http.get(f"{PROXY}/parts/sub/large.bin").content == b"".join(pieces)
    assert http.post(complete, json=done).status_code == 404
    found = http.get("/api/2.0/mlflow-artifacts/presigned/parts/sub/large.bin").json()
    assert found["file_size"] == sum(map(len, pieces))
    part = httpx.get(found["url"], headers={**found["headers"], "Range": "bytes=1499999-1500000"})
    assert part.content == b"ab"
    http.delete(f"{PROXY}/parts").raise_for_status()


def test_an_upload_given_up(http: httpx.Client, server: Running) -> None:
    made = create(http, 1)
    (credential,) = made["credentials"]  # type: ignore[misc]
    content = os.urandom(100)
    httpx.put(credential["url"], content=content).raise_for_status()
    digest = hashlib.sha256(content).hexdigest()
    blob = server.folder / ".everloop" / "blobs" / digest[:2] / digest[2:4] / digest
    assert blob.exists()
    abort = "/api/2.0/mlflow-artifacts/mpu/abort/parts/sub"
    assert http.post(abort, json={"upload_id": made["upload_id"]}).json() == {}
    assert not blob.exists()
    assert http.post(abort, json={"upload_id": made["upload_id"]}).status_code == 404
    assert httpx.put(credential["url"], content=b"late").status_code == 404
    assert http.get(PROXY, params={"path": "parts"}).json() == {}


@pytest.mark.parametrize("parts", [0, -1, 10_001, 2**70, "x"])
def test_impossible_numbers_of_parts(http: httpx.Client, parts: object) -> None:
    answer = http.post(
        "/api/2.0/mlflow-artifacts/mpu/create/parts", json={"path": "a", "num_parts": parts}
    )
    assert answer.status_code == 400
    for number in ("0", "10001", "x", "99999999999999999999"):
        url = f"/api/2.0/mlflow-artifacts/mpu/part/{'0' * 32}/{number}"
        assert http.put(url, content=b"x").status_code == 400


def test_files_of_a_run(http: httpx.Client, run: str) -> None:
    here = f"/api/v1/runs/{run}/artifacts"
    made = http.put(f"{here}/model/MLmodel", content=b"yaml")
    assert (made.status_code, made.json()["path"], made.json()["size"]) == (201, "model/MLmodel", 4)
    http.put(f"{here}/notes.txt", content=b"hello").raise_for_status()
    assert http.get(f"{here}/model/MLmodel").text == "yaml"
    assert http.get(f"{here}/notes.txt", headers={"range": "bytes=1-2"}).text == "el"
    first = http.get(here, params={"limit": 1}).json()
    assert [(e["path"], e["is_dir"]) for e in first["items"]] == [("model", True)]
    second = http.get(here, params={"limit": 1, "after": first["next"]}).json()
    assert ([e["path"] for e in second["items"]], second["next"]) == (["notes.txt"], None)
    inside = http.get(here, params={"folder": "model"}).json()["items"]
    assert [e["path"] for e in inside] == ["model/MLmodel"]
    listed = http.get("/api/2.0/mlflow/artifacts/list", params={"run_id": run}).json()
    assert [f["path"] for f in listed["files"]] == ["model", "notes.txt"]
    assert http.get("/get-artifact", params={"run_uuid": run, "path": "notes.txt"}).text == "hello"
    assert http.delete(f"{here}/model").json() == {"deleted": 1}
    assert http.get(f"{here}/model/MLmodel").json()["error"]["code"] == "artifact_not_found"
    assert http.get(here, params={"after": "x"}).status_code == 422
    http.post("/api/2.0/mlflow/runs/delete", json={"run_id": run}).raise_for_status()
    assert http.put(f"{here}/more", content=b"x").json()["error"]["code"] == "run_deleted"
    http.post("/api/2.0/mlflow/runs/restore", json={"run_id": run}).raise_for_status()
    http.delete(f"{here}/notes.txt").raise_for_status()


def test_deletion_frees_over_http(http: httpx.Client, server: Running) -> None:
    body = {"name": "for gc", "artifact_location": "mlflow-artifacts:/gc"}
    id = http.post("/api/2.0/mlflow/experiments/create", json=body).json()["experiment_id"]
    run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": id}).json()["run"]["info"]
    place = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    http.put(f"{PROXY}/{place}/model", content=b"only here").raise_for_status()
    http.post("/api/2.0/mlflow/experiments/delete", json={"experiment_id": id}).raise_for_status()
    assert http.post("/api/v1/gc", json={"older_than": "forever"}).status_code == 422
    time.sleep(0.002)
    seen = http.post("/api/v1/gc", json={"older_than": "0s", "dry_run": True}).json()
    done = http.post("/api/v1/gc", json={"older_than": "0s"}).json()
    for found in (seen, done):
        assert (found["runs"], found["experiments"], found["bytes"]) == (1, 1, 9)
    assert http.post("/api/2.0/mlflow/experiments/create", json=body).status_code == 200
    assert http.get(f"{PROXY}/{place}/model").status_code == 404
    assert http.get("/api/v1/events").json()["items"][0]["kind"] == "gc.done"


def test_a_killed_upload_is_swept_at_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path) as first, socket.create_connection(("127.0.0.1", first.port)) as begun:
        head = f"PUT {PROXY}/a HTTP/1.1\r\nHost: 127.0.0.1:{first.port}\r\n"
        begun.sendall(f"{head}Content-Length: 9000000\r\n\r\n".encode() + b"x" * 4_000_000)
        wait_for(lambda: any(path.stat().st_size for path in first.waiting()))
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        assert len(first.waiting()) == 1
    with running(tmp_path) as second:
        assert second.waiting() == []
        assert httpx.get(f"{second.url}{PROXY}").json() == {}


def test_a_full_disk(tmp_path: Path) -> None:
    with running(tmp_path, fsize=2_000_000) as server:
        url = f"{server.url}{PROXY}"
        httpx.put(f"{url}/small", content=b"fits").raise_for_status()
        for path in ("large", "small"):
            answer = httpx.put(f"{url}/{path}", content=b"x" * 5_000_000)
            assert answer.status_code == 507
            assert answer.json()["error_code"] == "RESOURCE_EXHAUSTED"
        native = httpx.post(
            f"{server.url}/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}
        ).json()["run"]["info"]["run_id"]
        answer = httpx.put(
            f"{server.url}/api/v1/runs/{native}/artifacts/a", content=b"x" * 5_000_000
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
        assert httpx.get(f"{url}/small").content == b"fits"
        assert httpx.get(f"{url}/large").status_code == 404
        assert server.waiting() == []
        httpx.put(f"{url}/small", content=b"still fits").raise_for_status()


def test_parts_need_the_token_that_their_addresses_bring(tmp_path: Path) -> None:
    with running(tmp_path, token="secret") as server:
        bearer = {"authorization": "Bearer secret"}
        with httpx.Client(base_url=server.url, headers=bearer) as http:
            made = create(http, 1)
            (credential,) = made["credentials"]  # type: ignore[misc]
            assert httpx.put(credential["url"], content=b"x").status_code == 401
            assert httpx.get(f"{server.url}{PROXY}/a").status_code == 401
            assert httpx.put(f"{server.url}{PROXY}/a", content=b"x").status_code == 401
            sent = httpx.put(credential["url"], content=b"x", headers=credential["headers"])
            assert sent.status_code == 200


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_same_on_an_object_store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_url: str, database: str
) -> None:
    url = request.getfixturevalue("sqlite_url" if database == "sqlite" else "pg_url")
    settings = Settings(database_url=url, blobs_url=s3_url)
    with Project.open(tmp_path, settings) as project:
        http = Client(create_app(project, serve_url=DEAD))
        data = os.urandom(3_000_000)
        assert http.put(f"{PROXY}/a/b", content=data).status_code == 200
        assert http.get(f"{PROXY}/a/b").content == data
        part = http.get(f"{PROXY}/a/b", headers={"range": "bytes=1000000-1000009"})
        assert part.content == data[1_000_000:1_000_010]
        made = http.post(
            "/api/2.0/mlflow-artifacts/mpu/create/a", json={"path": "c", "num_parts": 2}
        ).json()
        parts = []
        for credential in made["credentials"]:
            path = "/" + credential["url"].partition("//")[2].partition("/")[2]
            etag = http.put(path, content=data).headers["etag"]
            parts.append({"part_number": credential["part_number"], "etag": etag})
        done = {"path": "c", "upload_id": made["upload_id"], "parts": parts}
        assert http.post("/api/2.0/mlflow-artifacts/mpu/complete/a", json=done).status_code == 200
        assert http.get(f"{PROXY}/a/c").content == data * 2
        run = project.runs.create(0)
        project.artifacts.put(f"{key_of(run.location)}/x", b"free me")
        project.runs.delete(run.id, "test")
        time.sleep(0.002)
        assert project.gc(0).blobs == 1
        assert {e.path for e in project.artifacts.walk()} == {"a/b", "a/c"}
