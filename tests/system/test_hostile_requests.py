"""The list of what a tracking server must withstand, over sockets to a real server.

What a client library would put right before it is sent goes out as it is written here. After each
request the server answers, and what it held before it still holds.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from everloop.loop.project import Project
from everloop.server.child import answers_ready
from everloop.server.routes import ROUTES
from everloop.settings import Settings
from everloop.tracking.mlflow_api.table import ENTRIES
from ports import free_port
from waiting import wait_for

WIRE = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class Target:
    """A server with a run, a model and a file, and the way to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.run = self.wire("runs/create", experiment_id="0")["run"]["info"]["run_id"]
        self.wire("runs/log-batch", run_id=self.run, params=[{"key": "p", "value": "1"}],
                  metrics=[{"key": "m", "value": 1.0, "timestamp": 1}])  # fmt: skip
        self.wire("registered-models/create", name="m")
        self.http.put(f"/api/v1/runs/{self.run}/artifacts/file", content=b"kept").raise_for_status()

    def wire(self, path: str, **message: Any) -> Any:
        return self.http.post(f"{WIRE}/{path}", json=message).raise_for_status().json()

    def raw(self, method: str, target: str, body: bytes = b"", **more: Any) -> tuple[int, Any]:
        """Status and JSON of the answer to a request that is sent as it is.

        ``said`` is a length that is not the body's, and the body ends there; ``headers`` are added
        or replace those that belong to a request.
        """
        headers = {"host": f"127.0.0.1:{self.port}", "connection": "close",
               "content-type": "application/json",
                   "content-length": str(more.get("said", len(body)))}  # fmt: skip
        headers |= more.get("headers", {})
        head = f"{method} {target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection:
            with contextlib.suppress(OSError):  # it may have refused before it read all
                connection.sendall(head.encode("utf-8", "surrogateescape") + b"\r\n" + body)
                if "said" in more:
                    connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    answer += piece
        head_, _, content = answer.partition(b"\r\n\r\n")
        status = int(head_.split()[1]) if head_ else 0
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content

    def as_before(self) -> None:
        """What the server held it still holds, and nothing else."""
        run = self.http.get(f"/api/v1/runs/{self.run}").raise_for_status().json()
        assert run["params"] == {"p": "1"} and list(run["metrics"]) == ["m"], run
        assert set(run["tags"]) == {"mlflow.runName"}
        files = self.http.get(f"/api/v1/runs/{self.run}/artifacts").json()["items"]
        assert [one["path"] for one in files] == ["file"]
        assert self.http.get(f"/api/v1/runs/{self.run}/artifacts/file").content == b"kept"
        models = self.http.get("/api/v1/models").json()["items"]
        assert [one["name"] for one in models] == ["m"]
        experiments = self.http.get("/api/v1/experiments").json()["items"]
        assert [one["name"] for one in experiments] == ["Default"]


@contextlib.contextmanager
def started(folder: Path, fsize: int | None = None) -> Iterator[tuple[int, Any]]:
    """The port of a server of a folder; with ``fsize`` its disk is full at so many bytes a file."""
    port = free_port()
    command = [sys.executable, "-m", "everloop.server", "--dir", str(folder), "--port", str(port)]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERLOOP_")}

    def limit() -> None:
        if fsize is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (fsize, fsize))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = subprocess.Popen(
        [*command, "--no-controller"], env=clean, stderr=subprocess.DEVNULL, preexec_fn=limit
    )
    try:
        wait_for(lambda: answers_ready(("127.0.0.1", port)) or process.poll() is not None)
        yield port, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with started(tmp_path_factory.mktemp("hostile")) as (port, process):
        yield Target(port)
        assert process.poll() is None


@pytest.fixture(autouse=True)
def unchanged(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "target" in request.fixturenames:
        request.getfixturevalue("target").as_before()


# -- too much --------------------------------------------------------------------------------------


def test_a_batch_of_1001_metrics(target: Target) -> None:
    points = [{"key": f"m{n}", "value": 1.0, "timestamp": 1} for n in range(1001)]
    body = json.dumps({"run_id": target.run, "metrics": points}).encode()
    status, said = target.raw("POST", f"{WIRE}/runs/log-batch", body)
    assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "at most 1000 metrics. Got 1001" in said["message"]


@pytest.mark.parametrize("kind", ["param", "tag", "metric"])
def test_ten_megabytes_in_one_value(target: Target, kind: str) -> None:
    text = "x" * 10_000_000
    asked = [
        (f"{WIRE}/runs/log-parameter", {"key": "k", "value": text}),
        (f"{WIRE}/runs/log-batch", {"params": [{"key": "k", "value": text}]}),
        (f"/api/v1/runs/{target.run}/log", {"params": {"k": text}}),
    ]
    if kind == "tag":
        asked = [
            (f"{WIRE}/runs/set-tag", {"key": "k", "value": text}),
            (f"/api/v1/runs/{target.run}/log", {"tags": {"k": text}}),
        ]
    if kind == "metric":
        asked = [
            (f"{WIRE}/runs/log-metric", {"key": text, "value": 1.0, "timestamp": 1}),
            (f"/api/v1/runs/{target.run}/log", {"metrics": {text: 1.0}}),
        ]
    for path, message in asked:
        owner = {} if "v1" in path else {"run_id": target.run}
        status, said = target.raw("POST", path, json.dumps(owner | message).encode())
        assert 400 <= status < 500, (path, status)
        assert len(json.dumps(said)) < 3000, "the answer repeats the value"


# -- paths -----------------------------------------------------------------------------------------

CLIMBING = ("..", "../x", "a/../../x", "%2e%2e", "%2e%2e/x", "%252e%252e/x", "..%2fx",
            "/etc/passwd", "%2fetc%2fpasswd", "a%00b", "a%2500b", "a%23b", "a\\..\\b",
            "c:/x")  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING)
def test_paths_of_artifacts(target: Target, path: str) -> None:
    places = (f"{PROXY}/{path}", f"/api/v1/runs/{target.run}/artifacts/{path}")
    for place, method in product(places, ("GET", "PUT", "DELETE")):
        status, said = target.raw(method, place, b"x" if method == "PUT" else b"")
        assert status in (400, 404, 422), (method, place, said)
    for asked in (
        f"{WIRE}/artifacts/list?run_id={target.run}&path={path}",
        f"/get-artifact?run_id={target.run}&path={path}",
        f"/api/v1/runs/{target.run}/artifacts?folder={path}",
        f"/runs/{target.run}?folder={path}",
    ):
        status, said = target.raw("GET", asked)
        assert status in (400, 404, 422), (asked, said)
    assert target.raw("GET", f"/assets/{path}")[0] in (308, 404, 422)  # to one slash


@pytest.mark.parametrize(
    "key", ["..", "../x", "a/../b", "/a", "a//b", "a#b", "a\\b", "a\0b", "a%2e%2e"]
)
def test_keys_of_metrics_params_and_tags(target: Target, key: str) -> None:
    point = {"key": key, "value": 1.0, "timestamp": 1}
    for path, message in (
        ("runs/log-metric", point),
        ("runs/log-parameter", {"key": key, "value": "1"}),
        ("runs/set-tag", {"key": key, "value": "1"}),
        ("runs/log-batch", {"metrics": [point]}),
    ):
        body = json.dumps({"run_id": target.run, **message}).encode()
        status, said = target.raw("POST", f"{WIRE}/{path}", body)
        assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), path
        assert "Names may" in said["message"] or "\0" in key, said


@pytest.mark.parametrize(
    "source", ["../x", "/etc", "file:///etc/passwd", "s3://b/../x", "s3://b/%252e%252e/x", "a\0b"]
)
def test_sources_of_versions(target: Target, source: str) -> None:
    native, wire = {"source": source}, {"name": "m", "source": source}
    for path, message in (
        ("/api/v1/models/m/versions", native),
        (WIRE + "/model-versions/create", wire),
    ):
        assert target.raw("POST", path, json.dumps(message).encode())[0] in (400, 422)


def test_a_link_in_the_store_leads_nowhere(tmp_path: Path) -> None:
    with started(tmp_path) as (port, _):
        target = Target(port)
        secret = tmp_path / "secret"
        secret.write_text("s3cret")
        blobs = tmp_path / ".everloop" / "blobs"
        for link in (blobs / "link", blobs / ".incoming" / "link"):
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(secret)
        for path in ("link", ".incoming/link", "../blobs/link"):
            for place in (f"{PROXY}/{path}", f"/api/v1/runs/{target.run}/artifacts/{path}"):
                status, said = target.raw("GET", place)
                assert status in (400, 404, 422) and "s3cret" not in str(said)
        (held,) = (one for one in blobs.rglob("*") if one.is_file() and not one.is_symlink())
        held.unlink()
        held.symlink_to(secret)  # what is under a digest must be what the digest says
        status, said = target.raw("GET", f"/api/v1/runs/{target.run}/artifacts/file")
        assert "s3cret" not in str(said)


# -- pages -----------------------------------------------------------------------------------------


def listings(parameter: str) -> list[str]:
    """Addresses of every listing that has a parameter."""
    return [route.path for route in ROUTES if route.method == "GET" and parameter in route.query]


def filled(target: Target, path: str) -> str:
    return path.format(run=target.run, model="m", webhook="w", endpoint="e", loop="l", move="m",
                       version=1, experiment=0, digest="d", cycle="c", alias="a",
                       plane="p", kind="predictions", segment="s", path="f",
                       rollout="r", prediction="b", alert="t", silence="q", channel="h",
                       start=0, name="n", person="u", backtest="b", view="v")  # fmt: skip


@pytest.mark.parametrize("path", listings("limit"))
def test_a_huge_page(target: Target, path: str) -> None:
    for limit in ("1000000000", "9" * 30, "-1", "0", "1e9", "%00", "x"):
        joint = "&" if "?" in path else "?"
        status, said = target.raw("GET", f"{filled(target, path)}{joint}limit={limit}&key=m")
        assert status in (404, 422), (path, limit, said)


@pytest.mark.parametrize(
    ("path", "more"),
    [("runs/search", {"experiment_ids": ["0"]}), ("experiments/search", {}),
     ("logged-models/search", {"experiment_ids": ["0"]})],
)  # fmt: skip
def test_a_huge_page_for_a_client(target: Target, path: str, more: dict[str, Any]) -> None:
    for limit in (10**9, 10**30, -1):
        body = json.dumps({"max_results": limit, **more}).encode()
        status, _ = target.raw("POST", f"{WIRE}/{path}", body)
        assert status in (200, 400) and (status == 400 or path == "logged-models/search")


FORGED = (
    "x",
    "AAAA",
    "kwECAw",
    "..",
    "%00",
    "9" * 400,
    "zcL_",
    "'; DROP TABLE runs; --",
    "gA" * 9000,
)


@pytest.mark.parametrize("path", [*dict.fromkeys(listings("before") + listings("after"))])
def test_a_forged_page_token(target: Target, path: str) -> None:
    route = next(one for one in ROUTES if one.path == path and one.method == "GET")
    name = "before" if "before" in route.query else "after"
    for token in FORGED:
        asked = f"{filled(target, path)}?{name}={quote(token, safe='%')}"
        status, said = target.raw("GET", asked + ("&key=m" if "key" in route.query else ""))
        # Events go on from a number; the state of the data plane is sent unless its mark is known.
        numbers = path.endswith(("/events", "/data-plane/state"))
        assert status in (404, 422, 414) or (numbers and status == 200), (path, token[:20], said)


@pytest.mark.parametrize("token", FORGED)
def test_a_forged_page_token_from_a_client(target: Target, token: str) -> None:
    for path, more in (("runs/search", {"experiment_ids": ["0"]}), ("experiments/search", {}),
                       ("logged-models/search", {"experiment_ids": ["0"]})):  # fmt: skip
        body = json.dumps({"page_token": token, **more}).encode()
        status, said = target.raw("POST", f"{WIRE}/{path}", body)
        assert (status, said["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), path


# -- filters ---------------------------------------------------------------------------------------

METACHARACTERS = ("'; DROP TABLE runs; --", '" OR "1"="1', "' OR '1'='1", "\\'", "`", "%", "_",
                  "/*", "*/", "--", ";", "$1", ":x", "?", "\0", "\x1a",
                  "' UNION SELECT * FROM runs --",
                  "\ud800", "0x27", "))", "((")  # fmt: skip
POSITIONS = ("{}", "{}.m = 1", "metrics.{} > 1", 'metrics."{}" > 1', "metrics.`{}` > 1",
             "params.m {} 'x'", "params.m = {}", "params.m = '{}'", 'params.m = "{}"',
             "params.m IN ({})", "params.m IN ('{}')", "params.m LIKE '{}'",
             "tags.m = 'x' {} tags.n = 'y'",
             "tags.m = 'x' {}", "attributes.{} = 'x'", "NOT ({})", "name = '{}'", "name LIKE '{}'",
             "experiment_id = '{}'")  # fmt: skip
SEARCHES = (
    ("POST", f"{WIRE}/runs/search", "filter", {"experiment_ids": ["0"]}),
    ("POST", f"{WIRE}/experiments/search", "filter", {}),
    ("POST", f"{WIRE}/logged-models/search", "filter", {"experiment_ids": ["0"]}),
    ("GET", f"{WIRE}/registered-models/search", "filter", {}),
    ("GET", f"{WIRE}/model-versions/search", "filter", {}),
    ("GET", "/api/v1/runs", "filter", {}),
    ("GET", "/api/v1/experiments", "filter", {}),
    ("GET", "/api/v1/models", "filter", {}),
    ("GET", "/api/v1/model-versions", "filter", {}),
    ("GET", "/api/v1/runs.arrow", "filter", {}),
    ("GET", "/runs.json", "filter", {}),
    ("GET", "/models.json", "filter", {}),
    ("GET", "/api/v1/runs", "order_by", {}),
    ("GET", "/api/v1/models", "order_by", {}),
    ("GET", "/runs.json", "order_by", {}),
    ("GET", "/api/v1/runs", "experiment", {}),
    ("GET", "/api/v1/events", "subject", {}),
    ("GET", "/api/v1/runs/{run}/history", "key", {}),
    ("GET", "/api/v1/runs/{run}/sampled", "key", {}),
)


@pytest.mark.parametrize(("method", "path", "field", "more"), SEARCHES)
def test_sql_in_every_position(
    target: Target, method: str, path: str, field: str, more: dict[str, Any]
) -> None:
    """Each is read as what it is, or refused; none reaches the database as SQL."""
    where = filled(target, path)
    with httpx.Client(base_url=target.url, timeout=60) as http:
        positions = POSITIONS if field == "filter" else ("{}", "metrics.{} DESC", "`{}`")
        for position, text in product(positions, METACHARACTERS):
            asked = position.format(text)
            if method == "POST":
                # JSON escapes what UTF-8 cannot hold, and it arrives.
                body = json.dumps({field: asked, **more}).encode()
                answer = http.post(where, content=body)
            else:
                answer = http.get(
                    f"{where}?{field}={quote(asked.encode('utf-8', 'surrogatepass'))}"
                )
            assert answer.status_code in (200, 400, 404, 422), (asked, answer.text)
            if answer.status_code == 200 and "runs/search" in path and "OR" in text:
                assert answer.json().get("runs", []) == [], asked


# -- who asks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "a b", "evil@127.0.0.1"]
)
def test_a_foreign_host(target: Target, host: str) -> None:
    for path in ("/", "/api/v1/runs", f"{WIRE}/experiments/get?experiment_id=0", "/health"):
        status, _ = target.raw("GET", path, headers={"host": host})
        assert status in (400, 421), (host, path)


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
     {"origin": "http://127.0.0.1:1"}],
)  # fmt: skip
def test_a_post_from_another_page(target: Target, headers: dict[str, str]) -> None:
    changing = [
        (e.method, f"{WIRE}/{e.path}") for e in ENTRIES
        if e.method != "GET" and not e.path.startswith("/")
    ]  # fmt: skip
    changing += [(r.method, filled(target, r.path)) for r in ROUTES
                 if r.method != "GET" and "path:path" not in r.path]  # fmt: skip
    assert len(changing) > 80
    for method, path in changing:
        for kind in ("application/json", "text/plain"):
            status, _ = target.raw(
                method, path, b'{"name": "evil"}', headers=headers | {"content-type": kind}
            )
            assert status == 403, (method, path)


# -- the end comes early ---------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [0, 10, 3_000_000])
def test_an_upload_that_is_cut_off(target: Target, sent: int) -> None:
    for place in (f"{PROXY}/half", f"/api/v1/runs/{target.run}/artifacts/half",
                  f"/api/v1/runs/{target.run}/artifacts/file"):  # fmt: skip
        target.raw("PUT", place, b"x" * sent, said=sent + 1000)
    assert target.http.get(f"{PROXY}/half").status_code == 404
    assert target.http.get(f"/api/v1/runs/{target.run}/artifacts/half").status_code == 404


def test_a_message_that_is_cut_off(target: Target) -> None:
    body = json.dumps({"run_id": target.run, "key": "half", "value": 1.0, "timestamp": 1}).encode()
    for path in (f"{WIRE}/runs/log-metric", f"/api/v1/runs/{target.run}/log"):
        status, _ = target.raw("POST", path, body[:-1], said=len(body))
        assert status in (0, 400)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Everything is refused with 507 or kept whole; with room again all goes on."""
    with started(tmp_path) as (port, _):
        target = Target(port)  # before the disk is full
    kept: list[int] = []
    with started(tmp_path, fsize=3_000_000) as (port, process):
        statuses = []
        url = f"http://127.0.0.1:{port}"
        for number in range(200):
            point = {"key": f"k{number}", "value": 1.0}
            points = [point | {"timestamp": step, "step": step} for step in range(900)]
            batch = {"run_id": target.run, "metrics": points}
            answer = httpx.post(f"{url}{WIRE}/runs/log-batch", json=batch, timeout=60)
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                kept.append(number)
            else:
                assert answer.json()["error_code"] == "RESOURCE_EXHAUSTED", answer.text
            if statuses[-3:] == [507] * 3:
                break
        assert set(statuses) == {200, 507}, statuses
        small = {"run_id": target.run, "key": "one", "value": 1.0, "timestamp": 1}
        one = httpx.post(f"{url}{WIRE}/runs/log-metric", json=small, timeout=60)
        assert one.status_code in (200, 507), one.text
        big = httpx.put(f"{url}{PROXY}/big", content=b"x" * 5_000_000)
        assert big.status_code == 507
        assert process.poll() is None
        assert httpx.get(f"{url}/ready").status_code == 200
    with Project.open(tmp_path, Settings()) as project:
        metrics = project.runs.get(target.run).metrics
        assert {key for key in metrics if key.startswith("k")} == {f"k{n}" for n in kept}
        for number in kept:
            assert len(project.runs.history(target.run, f"k{number}").items) == 900
        with project.db.read() as conn:
            assert conn.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert project.events.verify().ok
        project.runs.log_metrics(target.run, {"after": 1.0})
    with started(tmp_path) as (port, _):
        assert httpx.get(f"http://127.0.0.1:{port}{PROXY}/big").status_code == 404
